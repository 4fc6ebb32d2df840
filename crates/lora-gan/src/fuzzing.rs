//! Readers that are not part of the API, for `tools/fuzz/coverage`. Empty in every other build.

#[cfg(fuzzing)]
pub use readers::*;

#[cfg(fuzzing)]
mod readers {
    use std::path::Path;

    use crate::Error;
    use crate::peft::config::read;

    /// Reads an `adapter_config.json` and asks for the alpha of `module`; what was read, as text.
    ///
    /// # Errors
    /// Returns [`Error::Peft`] and the errors of reading a file.
    pub fn adapter_config(path: &Path, module: &str) -> Result<String, Error> {
        let config = read(path)?;
        let alpha = config.alpha_of(module).map_err(|source| Error::Peft {
            path: path.to_owned(),
            source: source.into(),
        })?;
        Ok(format!("{alpha} {config:?}"))
    }
}
