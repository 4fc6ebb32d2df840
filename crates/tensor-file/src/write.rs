//! Writing safetensors files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use safetensors::Dtype;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::atomic::AtomicFile;
use crate::decode::{fits, float_bytes};
use crate::header::{LIMIT, PREFIX};
use crate::tensor::check_count;
use crate::{Error, HeaderError};

/// A safetensors file to be written.
///
/// The same tensors and metadata give the same bytes, in whatever order they are added: the layout is that of the
/// library [`safetensors`] (types of wide values first, then by name), with the metadata ordered by key. A tensor or
/// metadata entry replaces an earlier one of the same name.
///
/// ```
/// use tensor_file::SafetensorsWriter;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("lora.safetensors");
/// let mut file = SafetensorsWriter::new();
/// file.metadata("format", "pt");
/// file.f32("down.weight", &[1, 2], &[0.25, -0.5])?;
/// file.write(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SafetensorsWriter {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Stored>,
}

#[derive(Debug, Clone)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl SafetensorsWriter {
    /// A file without tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry to the header's metadata.
    pub fn metadata(&mut self, key: &str, value: &str) {
        self.metadata.insert(key.to_owned(), value.to_owned());
    }

    /// Adds a tensor of 32-bit floats, bit for bit.
    ///
    /// # Errors
    /// Returns [`Error::ValueCount`] if the values do not fill the shape.
    pub fn f32(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<(), Error> {
        self.floats(name, Dtype::F32, shape, values)
    }

    /// Adds a tensor of 16-bit floats (IEEE half precision): half the size, about three decimal digits.
    ///
    /// # Errors
    /// Those of [`SafetensorsWriter::floats`].
    pub fn f16(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<(), Error> {
        self.floats(name, Dtype::F16, shape, values)
    }

    /// Adds a tensor of floats of type `dtype`, each the nearest one to its value.
    ///
    /// # Errors
    /// Returns [`Error::FloatRange`] for a finite value past the largest one of the type (65504 for [`Dtype::F16`]),
    /// [`Error::NotFloats`] if the type is none of F64, F32, F16 and BF16, and [`Error::ValueCount`] if the values do not
    /// fill the shape.
    pub fn floats(
        &mut self,
        name: &str,
        dtype: Dtype,
        shape: &[usize],
        values: &[f32],
    ) -> Result<(), Error> {
        if let Some(index) = values.iter().position(|value| !fits(dtype, *value)) {
            return Err(Error::FloatRange {
                name: name.to_owned(),
                dtype,
                index,
                value: values[index],
            });
        }
        check_count(shape, values.len())?;
        let bytes = float_bytes(dtype, values).ok_or_else(|| Error::NotFloats {
            name: name.to_owned(),
            dtype,
        })?;
        self.add(name, dtype, shape, bytes);
        Ok(())
    }

    /// Adds a tensor of 64-bit integers.
    ///
    /// # Errors
    /// Returns [`Error::ValueCount`] if the values do not fill the shape.
    pub fn i64(&mut self, name: &str, shape: &[usize], values: &[i64]) -> Result<(), Error> {
        check_count(shape, values.len())?;
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.add(name, Dtype::I64, shape, bytes);
        Ok(())
    }

    fn add(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
        let stored = Stored {
            dtype,
            shape: shape.to_vec(),
            bytes,
        };
        self.tensors.insert(name.to_owned(), stored);
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// Returns [`Error::UnwritableHeader`] if the header would be longer than the format allows.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let parts = self.parts()?;
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }

    /// Writes the file [atomically](crate::atomic::write), and creates its folder.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be written; otherwise those of [`SafetensorsWriter::to_bytes`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let (parts, path) = (self.parts()?, path.as_ref());
        let mut file = AtomicFile::create(path)?;
        for part in parts {
            file.write_all(&part).map_err(Error::io(path))?;
        }
        file.commit()
    }

    /// The header with its length, and then the bytes of each tensor.
    fn parts(&self) -> Result<Vec<Cow<'_, [u8]>>, Error> {
        let mut tensors: Vec<(&String, &Stored)> = self.tensors.iter().collect();
        // Stable: tensors of one type stay ordered by name.
        tensors.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype));
        let header = serde_json::to_vec(&Header {
            metadata: &self.metadata,
            tensors: &tensors,
        });
        let mut header = header.map_err(|source| Error::UnwritableHeader {
            source: source.into(),
        })?;
        // Aligns the tensors.
        header.resize(header.len().next_multiple_of(PREFIX as usize), b' ');
        let length = header.len() as u64;
        if length > LIMIT {
            return Err(Error::UnwritableHeader {
                source: HeaderError::TooLong {
                    bytes: length,
                    limit: LIMIT,
                },
            });
        }
        let tensors = tensors.into_iter().map(|(_, tensor)| &tensor.bytes[..]);
        let header = [&length.to_le_bytes()[..], &header].concat();
        Ok([Cow::Owned(header)]
            .into_iter()
            .chain(tensors.map(Cow::Borrowed))
            .collect())
    }
}

/// The header as JSON, its tensors in the order of their bytes.
struct Header<'a> {
    metadata: &'a BTreeMap<String, String>,
    tensors: &'a [(&'a String, &'a Stored)],
}

/// One tensor in the header.
#[derive(serde::Serialize)]
struct Info<'a> {
    dtype: Dtype,
    shape: &'a [usize],
    data_offsets: (usize, usize),
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry("__metadata__", self.metadata)?;
        }
        let mut offset = 0;
        for (name, tensor) in self.tensors {
            let end = offset + tensor.bytes.len();
            let info = Info {
                dtype: tensor.dtype,
                shape: &tensor.shape,
                data_offsets: (offset, end),
            };
            map.serialize_entry(name, &info)?;
            offset = end;
        }
        map.end()
    }
}
