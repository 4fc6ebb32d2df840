//! Files of weights and JSON, written atomically and checked when they are read.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tensor_file::{NamedTensors, SafetensorsWriter, atomic, decode_text, digest, load_safetensors};
use weight_blocks::Layout;

use crate::unet::parameter_count;
use crate::{Error, UNet1dConfig};

/// How the weights of a weight generator are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats: what was trained, bit for bit.
    #[default]
    Full,
    /// 16-bit floats (IEEE half precision): half the size, about three decimal digits.
    Half,
}

/// `tensors` as the safetensors file `path` in `precision`, and `vectors` by name as 32-bit floats beside them.
pub(crate) fn tensor_bytes(
    path: &Path,
    tensors: &NamedTensors,
    precision: Precision,
    vectors: &[(&str, &[f32])],
) -> Result<Vec<u8>, Error> {
    let mut file = SafetensorsWriter::new();
    for (name, tensor) in tensors {
        // Nothing could read such a file, and the one that it would replace may be good.
        if let Some(&value) = tensor.data.iter().find(|value| !value.is_finite()) {
            return Err(Error::NotStorable {
                path: path.to_owned(),
                name: name.clone(),
                value,
            });
        }
        match precision {
            Precision::Full => file.f32(name, &tensor.shape, &tensor.data)?,
            Precision::Half => file.f16(name, &tensor.shape, &tensor.data)?,
        }
    }
    for (name, values) in vectors {
        file.f32(name, &[values.len()], values)?;
    }
    Ok(file.to_bytes()?)
}

/// Writes the file atomically; gives its SHA-256.
pub(crate) fn write_hashed(path: &Path, bytes: &[u8]) -> Result<String, Error> {
    atomic::write(path, bytes)?;
    Ok(digest::sha256_hex(bytes))
}

/// Reads the safetensors file `path` after comparing it with `digest`.
pub(crate) fn read_tensors(path: &Path, digest: &str) -> Result<NamedTensors, Error> {
    let found = digest::file_sha256(path)?;
    if found != digest {
        return Err(Error::Digest {
            path: path.to_owned(),
            expected: digest.to_owned(),
            found,
        });
    }
    Ok(load_safetensors(path)?.0)
}

/// Writes `value` as JSON on one line, atomically: a layout holds thousands of names and numbers.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec(value).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    Ok(atomic::write(path, &bytes)?)
}

/// Reads a JSON file whose `version` field is `version`. The version is checked first, so that a file of
/// another format is not called damaged.
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
    let text = decode_text(&bytes, path)?;
    let found = serde_json::from_str::<Versioned>(text)
        .map_err(json)?
        .version;
    if found != version {
        return Err(Error::Version {
            path: path.to_owned(),
            found,
            expected: version,
        });
    }
    serde_json::from_str(text).map_err(json)
}

/// Checks that the weight file `path` has room for a network of `config`, at `width` bytes a value and
/// `copies` of each, before anything is allocated for the network.
pub(crate) fn check_network_size(
    path: &Path,
    config: &UNet1dConfig,
    width: u128,
    copies: u128,
) -> Result<(), Error> {
    /// Bytes that a file may lack. Its header alone has more.
    const SLACK: u128 = 1 << 16;
    config.validate()?;
    let (bytes, values) = (file_size(path)?, parameter_count(config));
    if values * width * copies > u128::from(bytes) + SLACK {
        let path = path.to_owned();
        return Err(Error::NetworkTooLarge {
            path,
            bytes,
            values,
        });
    }
    Ok(())
}

/// Checks that the size of `layout` is in proportion to `path`, the weight file of the network that predicts
/// its weights. A large layout takes few bytes to describe, and prediction allocates it as a whole.
pub(crate) fn check_layout_size(path: &Path, layout: &Layout) -> Result<(), Error> {
    /// Number of weights that is always allowed.
    const ALWAYS: u64 = 1 << 21;
    let (bytes, weights) = (file_size(path)?, layout.encoded_len());
    if weights as u64 > ALWAYS + bytes / 2 {
        let path = path.to_owned();
        return Err(Error::LayoutTooLarge {
            path,
            bytes,
            weights,
        });
    }
    Ok(())
}

fn file_size(path: &Path) -> Result<u64, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| Error::io(path, source))?;
    Ok(metadata.len())
}
