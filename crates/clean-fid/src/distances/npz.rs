//! `.npz` files of the Python packages: zip archives of NumPy arrays.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use npyz::{DType, NpyFile, Order, WriteOptions, WriterBuilder};
use whole_file::WholeFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::Error;

/// Of a `.npy` file's header, which NumPy makes 128 bytes long for arrays like these.
const HEADER: u64 = 1 << 16;
/// Magic number, version and the longer of two forms of the header's length.
const PREFIX: usize = 12;
/// Bytes that an array may have whatever its packed size, and what a packed byte may hold beyond.
const PLAIN: u64 = 8 << 20;
const MOST_PACKED: u64 = 8;

/// An archive to read. Nothing is believed that it says about its own sizes: a member is read up to the limit that the
/// caller gives, and refused if it goes on.
pub(crate) struct Npz<'a> {
    archive: ZipArchive<BufReader<File>>,
    path: &'a Path,
}

/// A float array in row-major order.
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl<'a> Npz<'a> {
    pub(crate) fn open(path: &'a Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Io {
            path: path.to_path_buf(),
            source,
        })?;
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|e| bad(path, format!("it is no zip archive: {e}")))?;
        Ok(Self { archive, path })
    }

    /// Reads the array `name` of at most `most` entries, in float32 or float64.
    pub(crate) fn array(&mut self, name: &str, most: usize) -> Result<Array, Error> {
        let path = self.path;
        let fail = |reason: String| bad(path, format!("array {name:?} {reason}"));
        let member = self
            .archive
            .by_name(&npyz::npz::file_name_from_array_name(name))
            .map_err(|e| fail(format!("cannot be read: {e}")))?;
        // Features and covariances hardly compress: what shrank to a small part is no such array.
        let packed = member.compressed_size();
        let plausible = PLAIN.saturating_add(packed.saturating_mul(MOST_PACKED));
        let limit = (most as u64)
            .saturating_mul(8)
            .saturating_add(HEADER)
            .min(plausible);
        let mut bytes = Vec::new();
        member
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| fail(format!("cannot be read: {e}")))?;
        if bytes.len() as u64 > limit {
            return Err(fail(if limit == plausible {
                format!("unpacks from {packed} bytes to more than {limit}, as no features do")
            } else {
                format!("has more than {most} entries")
            }));
        }
        let length = bytes.len();
        check_header(&bytes).map_err(|reason| fail(reason.to_owned()))?;
        let array =
            NpyFile::new(bytes.as_slice()).map_err(|e| fail(format!("is no NumPy array: {e}")))?;
        let shape: Vec<usize> = array.shape().iter().map(|n| *n as usize).collect();
        let entries = shape
            .iter()
            .try_fold(1usize, |n, side| n.checked_mul(*side));
        if entries.is_none_or(|n| n > most) {
            return Err(fail(format!(
                "is of shape {shape:?}, more than {most} entries"
            )));
        }
        let order = array.order();
        let kind = type_name(&array.dtype());
        let size = if kind == "f4" { 4 } else { 8 };
        if entries.is_none_or(|n| n.saturating_mul(size) > length) {
            return Err(fail(format!(
                "is cut short: it should be of shape {shape:?}"
            )));
        }
        let broken = |e: std::io::Error| fail(format!("is cut short: {e}"));
        let values = match kind.as_str() {
            "f8" => array.into_vec::<f64>().map_err(broken)?,
            "f4" => {
                let single = array.into_vec::<f32>().map_err(broken)?;
                single.into_iter().map(f64::from).collect()
            }
            other => {
                return Err(fail(format!(
                    "is of type {other}, expected float64 or float32"
                )));
            }
        };
        let values = match (order, shape.as_slice()) {
            (Order::Fortran, &[rows, columns]) => transposed(&values, columns, rows),
            _ => values,
        };
        Ok(Array { shape, values })
    }
}

/// The length that a header claims is what a reader sets memory aside for.
fn check_header(bytes: &[u8]) -> Result<(), &'static str> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
        return Err("is no NumPy array: it has no header");
    };
    let length = match prefix[6] {
        1 => u64::from(u16::from_le_bytes([prefix[8], prefix[9]])),
        _ => u64::from(u32::from_le_bytes([
            prefix[8], prefix[9], prefix[10], prefix[11],
        ])),
    };
    if length > HEADER || length > bytes.len() as u64 {
        return Err("is no NumPy array: its header is longer than it can be");
    }
    Ok(())
}

/// `f8` or `f4` for floats of either byte order, the description as it is for anything else.
fn type_name(dtype: &DType) -> String {
    let text = dtype.descr();
    let text = text.trim_matches('\'');
    text.strip_prefix(['<', '>', '='])
        .unwrap_or(text)
        .to_owned()
}

/// `rows × columns` values to `columns × rows`.
fn transposed(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| values[row * columns + column]));
    }
    out
}

/// Writes arrays of names, shapes and row-major values, uncompressed as `numpy.savez`, to a temporary file that then
/// takes the place of `path`.
pub(crate) fn write<T>(path: &Path, arrays: &[(&str, &[u64], &[T])]) -> Result<(), Error>
where
    T: npyz::AutoSerialize + Copy,
{
    let io = |source: std::io::Error| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    // A folder that is not there is more likely a slip than a wish.
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::metadata(folder).map_err(io)?;
    }
    let mut file = WholeFile::create(path).map_err(io)?;
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
    file.commit().map_err(io)
}

pub(crate) fn bad(path: &Path, reason: String) -> Error {
    Error::Npz {
        path: path.to_path_buf(),
        reason,
    }
}
