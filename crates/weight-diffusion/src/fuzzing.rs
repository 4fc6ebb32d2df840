//! Readers that are not part of the API, for `tools/fuzz/coverage`. Empty in every other build.

#[cfg(fuzzing)]
pub use readers::*;

#[cfg(fuzzing)]
mod readers {
    use std::path::Path;

    use crate::storage::{check_layout_size, check_network_size, read_json};
    use crate::weight_generator::{Manifest, VERSION};
    use crate::{Error, WeightGenerator};

    /// Reads the `weight_generator.json` in `dir` and compares its sizes with the weights' file; what was read, as JSON.
    ///
    /// # Errors
    /// Those of [`WeightGenerator::load`] up to the point where it reads the weights.
    pub fn manifest(dir: &Path) -> Result<String, Error> {
        let path = dir.join(WeightGenerator::CONFIG_FILE);
        let manifest: Manifest = read_json(&path, VERSION)?;
        let weights = dir.join(WeightGenerator::WEIGHTS_FILE);
        check_network_size(&weights, &manifest.unet, 4, 1)?;
        check_layout_size(&weights, &manifest.layout)?;
        serde_json::to_string(&manifest).map_err(|source| Error::Json { path, source })
    }
}
