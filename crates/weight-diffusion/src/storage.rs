//! Reading and writing files so that an interruption leaves the old file or the new one.

use std::collections::HashMap;
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use weight_blocks::NamedTensors;

use crate::Error;

/// How a weight generator's weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats: what was trained, bit for bit.
    #[default]
    Full,
    /// 16-bit floats (IEEE half): half the size, about three decimal digits.
    Half,
}

/// Writes `tensors` as safetensors of `precision`, atomically.
pub(crate) fn write_tensors(
    path: &Path,
    tensors: &NamedTensors,
    precision: Precision,
) -> Result<(), Error> {
    let mut stored = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        if let Some(value) = tensor.data.iter().find(|value| !value.is_finite()) {
            // Nothing would read it again, and the file that is there may be good.
            return Err(Error::checkpoint(
                path,
                format!("`{name}` holds {value}: not written"),
            ));
        }
        let bytes: Vec<u8> = match precision {
            Precision::Full => tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::Half => {
                if let Some(value) = tensor.data.iter().find(|v| !f16::from_f32(**v).is_finite()) {
                    return Err(Error::checkpoint(
                        path,
                        format!(
                            "`{name}` holds {value}, which 16-bit floats cannot; store it in full precision"
                        ),
                    ));
                }
                let halves = tensor.data.iter().map(|v| f16::from_f32(*v));
                halves.flat_map(f16::to_le_bytes).collect()
            }
        };
        stored.push((name, &tensor.shape, bytes));
    }
    let dtype = match precision {
        Precision::Full => Dtype::F32,
        Precision::Half => Dtype::F16,
    };
    let views = stored
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(dtype, shape.to_vec(), bytes)
                .map_err(|error| Error::checkpoint(path, error))?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let bytes = safetensors::serialize(views, None::<HashMap<String, String>>)
        .map_err(|error| Error::checkpoint(path, error))?;
    Ok(weight_blocks::write_atomic(path, &bytes)?)
}

/// Reads the safetensors file `path`, after comparing it with `digest`.
pub(crate) fn read_tensors(path: &Path, digest: &str) -> Result<NamedTensors, Error> {
    let found = weight_blocks::file_digest(path)?;
    if found != digest {
        return Err(Error::checkpoint(
            path,
            format!("its SHA-256 is {found} and not {digest}, as recorded beside it"),
        ));
    }
    Ok(weight_blocks::load_safetensors(path)?.0)
}

/// Writes `value` as JSON on one line, atomically: a manifest holds tens of thousands of numbers.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec(value).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    Ok(weight_blocks::write_atomic(path, &bytes)?)
}

/// Reads a JSON file whose `version` field is `version`; the version is looked at first, so that a
/// file of another format is not called damaged.
pub(crate) fn read_json<T: for<'de> Deserialize<'de>>(
    path: &Path,
    version: u32,
) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let json = |source| Error::Json {
        path: path.to_owned(),
        source,
    };
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    let found = serde_json::from_slice::<Versioned>(&bytes)
        .map_err(json)?
        .version;
    if found != version {
        return Err(Error::Version {
            path: path.to_owned(),
            found,
            expected: version,
        });
    }
    serde_json::from_slice(&bytes).map_err(json)
}
