//! PEFT's configuration beside a LoRA file.

use std::path::Path;

use tensor_file::{atomic, decode_text, read_limited};

use crate::Error;
use crate::error::LoraFileError;
use crate::peft::AdapterConfig;

/// The name of PEFT's configuration.
const CONFIG: &str = "adapter_config.json";
/// No configuration of PEFT comes near it.
const JSON_LIMIT: u64 = 1 << 20;

/// PEFT's configuration beside the weights in `path`.
pub(super) fn read_config(path: &Path) -> Result<(Vec<u8>, AdapterConfig), Error> {
    let beside = path.with_file_name(CONFIG);
    if !beside.exists() {
        return Err(Error::LoraFile {
            path: beside,
            source: Box::new(LoraFileError::NoConfig),
        });
    }
    let text = read_limited(&beside, JSON_LIMIT)?;
    let config = parse_config(&beside, &text)?;
    Ok((text, config))
}

/// The configuration in `text`, which `path` stands for in errors.
fn parse_config(path: &Path, text: &[u8]) -> Result<AdapterConfig, Error> {
    AdapterConfig::parse(decode_text(text, path)?.as_bytes()).map_err(|error| Error::LoraFile {
        path: path.to_owned(),
        source: Box::new(error.into()),
    })
}

/// Writes PEFT's configuration beside `path`, unless one is there that says the same.
pub(super) fn write_config(path: &Path, text: &[u8]) -> Result<(), Error> {
    let beside = path.with_file_name(CONFIG);
    if !beside.exists() {
        return Ok(atomic::write(&beside, text)?);
    }
    let (there, config) = read_config(path)?;
    if there == text || parse_config(&beside, text).is_ok_and(|own| own == config) {
        return Ok(());
    }
    Err(Error::LoraFile {
        path: beside,
        source: Box::new(LoraFileError::OtherConfig),
    })
}
