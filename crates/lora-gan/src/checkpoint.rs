//! The base generator on disk: `generator.safetensors` beside `generator.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weight_blocks::{
    load_named, load_safetensors, module_to_named, save_safetensors, write_atomic,
};

use crate::error::Error;
use crate::generator::{GeneratorConfig, HybridGenerator};

const VERSION: u32 = 1;
const WEIGHTS: &str = "generator.safetensors";
const CONFIG: &str = "generator.json";

#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    config: GeneratorConfig,
    /// sha256 of the weights' file.
    sha256: String,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A frozen base: its network with the initial adapter, its configuration, and the digest that a
/// zoo records so that adapters of another base are refused.
#[derive(Debug, Clone)]
pub struct BaseGenerator {
    /// The network; its LoRA factors are the configuration's initial ones.
    pub generator: HybridGenerator,
    /// Its shape.
    pub config: GeneratorConfig,
    /// sha256 of `generator.safetensors`, in hex.
    pub digest: String,
}

impl BaseGenerator {
    /// Writes the base weights of `generator` (its LoRA factors are left out: the seed in the
    /// configuration gives the initial ones) into the folder `dir`, and reads them back.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Weights`] naming the file.
    pub fn save(
        dir: &Path,
        generator: &HybridGenerator,
        config: &GeneratorConfig,
    ) -> Result<String, Error> {
        std::fs::create_dir_all(dir).map_err(|source| io(dir, source))?;
        let mut weights = module_to_named(generator)?;
        weights.retain(|name, _| !name.contains(".lora_"));
        let path = dir.join(WEIGHTS);
        save_safetensors(&path, &weights, &BTreeMap::new())?;
        let sha256 = file_digest(&path)?;
        let manifest = Manifest {
            version: VERSION,
            config: config.clone(),
            sha256: sha256.clone(),
        };
        let path = dir.join(CONFIG);
        let text = serde_json::to_string_pretty(&manifest).map_err(|source| Error::Json {
            path: path.clone(),
            source,
        })?;
        write_atomic(&path, text.as_bytes())?;
        Ok(sha256)
    }

    /// Reads a folder that [`BaseGenerator::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Json`], [`Error::Version`], [`Error::Digest`] or
    /// [`Error::Weights`], each naming the file.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, Error> {
        let path = dir.join(CONFIG);
        let text = std::fs::read_to_string(&path).map_err(|source| io(&path, source))?;
        let invalid = |source| Error::Json {
            path: path.clone(),
            source,
        };
        // The version first: another one may have any fields.
        let Version { version } = serde_json::from_str(&text).map_err(invalid)?;
        if version != VERSION {
            return Err(Error::Version {
                path,
                found: version,
                expected: VERSION,
            });
        }
        let manifest: Manifest = serde_json::from_str(&text).map_err(invalid)?;
        let path = dir.join(WEIGHTS);
        let digest = file_digest(&path)?;
        if digest != manifest.sha256 {
            return Err(Error::Digest { path });
        }
        let (weights, _) = load_safetensors(&path)?;
        let generator = HybridGenerator::new(&manifest.config, 0, device)?;
        let expected = module_to_named(&generator)?;
        if let Some(name) = expected
            .keys()
            .find(|name| !name.contains(".lora_") && !weights.contains_key(*name))
        {
            return Err(weight_blocks::Error::MissingTensor { name: name.clone() }.into());
        }
        Ok(Self {
            generator: load_named(generator, &weights)?,
            config: manifest.config,
            digest,
        })
    }
}

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: PathBuf::from(path),
        source,
    }
}

fn file_digest(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|source| io(path, source))?;
    let digest = Sha256::digest(&bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
