//! Writing `.npz` files.

use std::io::{BufWriter, Write};
use std::path::Path;

use npyz::{WriteOptions, WriterBuilder};
use tensor_file::atomic::AtomicFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::Error;

/// Writes arrays of names, shapes and row-major values, uncompressed as `numpy.savez`, to a temporary file that then
/// takes the place of `path`.
pub(super) fn write<T>(path: &Path, arrays: &[(&str, &[u64], &[T])]) -> Result<(), Error>
where
    T: npyz::AutoSerialize + Copy,
{
    let io = |source: std::io::Error| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    // Atomic files create their folder, but here a folder that does not exist is more likely a typing error.
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::metadata(folder).map_err(io)?;
    }
    let mut file = AtomicFile::create(path)?;
    {
        let mut archive = ZipWriter::new(BufWriter::new(file.file()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, shape, values) in arrays {
            archive
                .start_file(npyz::npz::file_name_from_array_name(name), options)
                .map_err(|e| io(e.into()))?;
            let mut bytes = Vec::new();
            let mut writer = WriteOptions::new()
                .default_dtype()
                .shape(shape)
                .writer(&mut bytes)
                .begin_nd()
                .map_err(io)?;
            writer.extend(values.iter().copied()).map_err(io)?;
            writer.finish().map_err(io)?;
            archive.write_all(&bytes).map_err(io)?;
        }
        let mut inner = archive.finish().map_err(|e| io(e.into()))?;
        inner.flush().map_err(io)?;
    }
    Ok(file.commit()?)
}
