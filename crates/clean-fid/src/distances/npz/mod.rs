//! `.npz` files of the Python packages: zip archives of NumPy arrays.

mod error;
mod files;
mod write;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use npyz::{DType, NpyFile, Order};
use zip::ZipArchive;

use crate::Error;

pub use error::NpzError;

/// Most bytes of a `.npy` file's header. NumPy writes 128 for arrays like these.
const HEADER: u64 = 1 << 16;
/// Bytes before the header: magic number, version, and the longer form of the header's length.
const PREFIX: usize = 12;
/// Bytes that an array may have whatever its packed size; beyond that, bytes for each packed byte.
const PLAIN: u64 = 8 << 20;
const MOST_PACKED: u64 = 8;

/// An archive to read. The sizes that it states are not trusted: a member is read up to the limit that the caller gives,
/// and refused if it is longer.
struct Npz<'a> {
    archive: ZipArchive<BufReader<File>>,
    path: &'a Path,
}

/// A float array in row-major order.
struct Array {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl<'a> Npz<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Io {
            path: path.to_path_buf(),
            source,
        })?;
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|error| bad(path, NpzError::Archive(error)))?;
        Ok(Self { archive, path })
    }

    /// Reads the array `name` of at most `most` entries, in float32 or float64.
    fn array(&mut self, name: &str, most: usize) -> Result<Array, Error> {
        let bytes = self.unpack(name, most)?;
        decode(&bytes, name, most).map_err(|source| bad(self.path, source))
    }

    /// The bytes of a member, as many as an array of `most` entries may have.
    fn unpack(&mut self, name: &str, most: usize) -> Result<Vec<u8>, Error> {
        let path = self.path;
        let array = || name.to_owned();
        let member = self
            .archive
            .by_name(&npyz::npz::file_name_from_array_name(name))
            .map_err(|source| {
                let array = array();
                bad(path, NpzError::Member { array, source })
            })?;
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
            .map_err(|source| {
                let array = array();
                bad(path, NpzError::Unpack { array, source })
            })?;
        if bytes.len() as u64 <= limit {
            return Ok(bytes);
        }
        let array = array();
        Err(bad(
            path,
            if limit == plausible {
                NpzError::Compression {
                    array,
                    packed,
                    limit,
                }
            } else {
                NpzError::TooLarge { array, limit: most }
            },
        ))
    }
}

/// A member's bytes as the array `name`.
fn decode(bytes: &[u8], name: &str, most: usize) -> Result<Array, NpzError> {
    let array = || name.to_owned();
    check_header(bytes, name)?;
    let file = NpyFile::new(bytes).map_err(|source| NpzError::Header {
        array: array(),
        source,
    })?;
    let shape: Vec<usize> = file.shape().iter().map(|n| *n as usize).collect();
    let entries = shape
        .iter()
        .try_fold(1usize, |n, side| n.checked_mul(*side))
        .filter(|entries| *entries <= most)
        .ok_or_else(|| NpzError::TooLarge {
            array: array(),
            limit: most,
        })?;
    let order = file.order();
    let kind = type_name(&file.dtype());
    let size = if kind == "f4" { 4 } else { 8 };
    if entries.saturating_mul(size) > bytes.len() {
        return Err(NpzError::CutShort {
            array: array(),
            shape,
        });
    }
    let broken = |source| NpzError::Entries {
        array: array(),
        source,
    };
    let values = match kind.as_str() {
        "f8" => file.into_vec::<f64>().map_err(broken)?,
        "f4" => {
            let single = file.into_vec::<f32>().map_err(broken)?;
            single.into_iter().map(f64::from).collect()
        }
        _ => {
            return Err(NpzError::Type {
                array: array(),
                dtype: kind,
            });
        }
    };
    let values = match (order, shape.as_slice()) {
        (Order::Fortran, &[rows, columns]) => transposed(&values, columns, rows),
        _ => values,
    };
    Ok(Array { shape, values })
}

/// Checks the length that a header claims, for which the parser allocates memory.
fn check_header(bytes: &[u8], name: &str) -> Result<(), NpzError> {
    let array = || name.to_owned();
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
        return Err(NpzError::NoHeader { array: array() });
    };
    let length = match prefix[6] {
        1 => u64::from(u16::from_le_bytes([prefix[8], prefix[9]])),
        _ => u64::from(u32::from_le_bytes([
            prefix[8], prefix[9], prefix[10], prefix[11],
        ])),
    };
    if length > HEADER || length > bytes.len() as u64 {
        return Err(NpzError::HeaderLength {
            array: array(),
            bytes: length,
        });
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

fn bad(path: &Path, source: NpzError) -> Error {
    Error::Npz {
        path: path.to_path_buf(),
        source,
    }
}
