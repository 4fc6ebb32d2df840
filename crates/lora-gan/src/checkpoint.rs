//! The base generator on disk: `generator.safetensors` beside `generator.json`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weight_blocks::module::module_shapes;
use weight_blocks::{
    NamedTensors, WeightSpace, load_named, load_safetensors, module_to_named, save_safetensors,
    write_atomic,
};

use crate::error::Error;
use crate::files::{check_size, io, read_json};
use crate::generator::{GeneratorConfig, HybridGenerator};

const VERSION: u32 = 1;
const WEIGHTS: &str = "generator.safetensors";
const CONFIG: &str = "generator.json";
/// Key of the base's digest in an adapter's header.
const ADAPTER_BASE: &str = "base_sha256";

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
        // The version first: another one may have any fields.
        let Version { version } = read_json(&path)?;
        if version != VERSION {
            return Err(Error::Version {
                path,
                found: version,
                expected: VERSION,
            });
        }
        let manifest: Manifest = read_json(&path)?;
        manifest.config.validate()?;
        let weights = dir.join(WEIGHTS);
        let found = std::fs::metadata(&weights)
            .map_err(|source| io(&weights, source))?
            .len();
        // A few numbers of the configuration must not ask for gigabytes that no file holds.
        let least = manifest.config.base_values() as u64;
        if least > found / 2 {
            // One that was cut short is told by its digest.
            if file_digest(&weights)? != manifest.sha256 {
                return Err(Error::Digest { path: weights });
            }
            let why = format!("{found} bytes for a generator of at least {least} values");
            return Err(io(&weights, std::io::Error::other(why)));
        }
        let generator = HybridGenerator::new(&manifest.config, 0, device)?;
        let expected = module_shapes(&generator);
        let path = dir.join(WEIGHTS);
        let shapes = expected.iter();
        let values: usize = shapes
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum();
        // Four bytes a value and the header; twice that, so that a misfit is told by its tensor.
        check_size(&path, 8 * values as u64 + (16 << 20))?;
        let digest = file_digest(&path)?;
        if digest != manifest.sha256 {
            return Err(Error::Digest { path });
        }
        let (weights, _) = load_safetensors(&path)?;
        let missing =
            |(name, _): &&(String, _)| !name.contains(".lora_") && !weights.contains_key(name);
        if let Some((name, _)) = expected.iter().find(missing) {
            return Err(weight_blocks::Error::MissingTensor { name: name.clone() }.into());
        }
        Ok(Self {
            generator: load_named(generator, &weights)?,
            config: manifest.config,
            digest,
        })
    }

    /// Writes an adapter of this base as safetensors, with the base's digest in the header.
    ///
    /// # Errors
    /// [`Error::Weights`] naming the file.
    pub fn save_adapter(&self, path: &Path, adapter: &NamedTensors) -> Result<(), Error> {
        let header = BTreeMap::from([(ADAPTER_BASE.to_owned(), self.digest.clone())]);
        Ok(save_safetensors(path, adapter, &header)?)
    }

    /// Reads an adapter and checks that it is one of this base: by the digest in its header where
    /// there is one, by names and shapes always.
    ///
    /// # Errors
    /// [`Error::Io`], for a file far larger than an adapter too; [`Error::OtherBase`];
    /// [`Error::Weights`] naming the file or the tensor, NaN included.
    pub fn load_adapter(&self, path: &Path) -> Result<NamedTensors, Error> {
        let groups = self.generator.layer_groups();
        let values: usize = (groups.iter().flat_map(|group| &group.tensors))
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum();
        check_size(path, 8 * values as u64 + (16 << 20))?;
        let (adapter, header) = load_safetensors(path)?;
        if let Some(found) = header.get(ADAPTER_BASE)
            && *found != self.digest
        {
            return Err(Error::OtherBase {
                path: path.to_owned(),
                expected: self.digest.clone(),
                found: found.clone(),
            });
        }
        weight_blocks::check_tensors(&groups, &adapter)?;
        Ok(adapter)
    }
}

fn file_digest(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|source| io(path, source))?;
    let digest = Sha256::digest(&bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
