//! The base generator on disk: `generator.safetensors` beside `generator.json`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use encoded_text::{EncodedPrompt, EncoderId};
use serde::{Deserialize, Serialize};
use tensor_file::digest::file_sha256;
use tensor_file::{NamedTensors, load_safetensors, save_safetensors};
use weight_blocks::module::module_shapes;
use weight_blocks::{WeightSpace, check_tensors, load_named, module_to_named};

use crate::adapter::first_non_finite;
use crate::error::Error;
use crate::files::{check_holds, check_size, create_dir, read_json, write_json};
use crate::generator::{GeneratorConfig, HybridGenerator};

const VERSION: u32 = 1;
const WEIGHTS: &str = "generator.safetensors";
const CONFIG: &str = "generator.json";
/// Key of the base's digest in an adapter's header.
const ADAPTER_BASE: &str = "base_sha256";
/// Key of the prompt in an adapter's header.
const ADAPTER_PROMPT: &str = "prompt";

#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    config: GeneratorConfig,
    /// SHA-256 of the weights' file.
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoder: Option<EncoderId>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A frozen base: its network with the initial adapter, its configuration, and the digest by which zoos and adapters
/// of other bases are recognized and refused.
#[derive(Debug, Clone)]
pub struct BaseGenerator {
    /// The network; its LoRA factors are the configuration's initial ones.
    pub generator: HybridGenerator,
    /// Its shape, that of the network.
    pub config: GeneratorConfig,
    /// SHA-256 of `generator.safetensors`, in hex.
    pub digest: String,
    /// The encoder whose tokens the base reads together with an adapter (E²GAN's prompted base). Without one, the prompt
    /// is withheld: adapters see the null tokens, and the base without an adapter leaves photos as they are.
    pub encoder: Option<EncoderId>,
    /// The prompt that the network is for ([`BaseGenerator::with_prompt`]).
    pub prompt: Option<String>,
}

impl BaseGenerator {
    /// Name of the file of weights.
    pub const WEIGHTS_FILE: &str = WEIGHTS;
    /// Name of the file that describes them.
    pub const CONFIG_FILE: &str = CONFIG;

    /// Writes the base weights of `generator` and its configuration into the folder `dir`, and gives the weights' digest.
    /// LoRA factors are left out: the seed in the configuration gives the initial ones. The tokens of a prompt
    /// ([`HybridGenerator::with_prompt`]) are written as the null tokens that they stand for. `encoder` is
    /// [`BaseGenerator::encoder`].
    ///
    /// # Errors
    /// Returns [`Error::File`] if the folder or a file cannot be written, and [`Error::Weights`] if the values cannot be
    /// read back from the device.
    pub fn save(
        dir: &Path,
        generator: &HybridGenerator,
        encoder: Option<&EncoderId>,
    ) -> Result<String, Error> {
        create_dir(dir)?;
        let mut weights = module_to_named(generator)?;
        weights.retain(|name, _| !is_lora(name));
        let path = dir.join(WEIGHTS);
        save_safetensors(&path, &weights, &BTreeMap::new())?;
        let manifest = Manifest {
            version: VERSION,
            config: generator.config().clone(),
            sha256: file_sha256(&path)?,
            encoder: encoder.cloned(),
        };
        write_json(&dir.join(CONFIG), &manifest)?;
        Ok(manifest.sha256)
    }

    /// Reads a folder that [`BaseGenerator::save`] wrote.
    ///
    /// # Errors
    /// Returns [`Error::Json`] or [`Error::Version`] if `generator.json` is not such a configuration, [`Error::Digest`],
    /// [`Error::TooFewBytes`] or [`Error::MissingTensor`] if the weights are not those that it describes, and
    /// [`Error::File`] if a file cannot be read; each names the file. Returns [`Error::Config`], [`Error::UnknownLayer`]
    /// or [`Error::RankTooLarge`], which name the field or the layer, if nothing can be built from `generator.json`, and
    /// [`Error::Weights`], which names the tensor, if one of the weights has another shape or is not the network's.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, Error> {
        let Manifest {
            config,
            sha256,
            encoder,
            ..
        } = read_manifest(&dir.join(CONFIG))?;
        let path = dir.join(WEIGHTS);
        let values = config.base_values();
        // Four bytes a value and the header; twice that, so that surplus tensors are named below.
        check_size(&path, 8 * values as u64 + (16 << 20))?;
        if file_sha256(&path)? != sha256 {
            return Err(Error::Digest { path });
        }
        check_holds(&path, values)?;
        let generator = HybridGenerator::new(&config, 0, device)?;
        let (weights, _) = load_safetensors(&path)?;
        let missing = |(name, _): &(String, _)| !is_lora(name) && !weights.contains_key(name);
        if let Some((name, _)) = module_shapes(&generator).into_iter().find(missing) {
            return Err(Error::MissingTensor { path, name });
        }
        Ok(Self {
            generator: load_named(generator, &weights)?,
            config,
            digest: sha256,
            encoder,
            prompt: None,
        })
    }

    /// The base for one prompt, whose tokens `encoder` has made: its adapters are trained and used with this text
    /// ([`HybridGenerator::with_prompt`]). A base from which the prompt is withheld only keeps the prompt's name.
    ///
    /// # Errors
    /// Returns [`Error::OtherEncoder`] if the base reads another encoder's tokens, [`Error::Input`] if these are not as wide
    /// as its context, and [`Error::EmptyPrompt`] if there are none and the base is already the one for a prompt.
    pub fn with_prompt(
        &self,
        prompt: &str,
        tokens: &EncodedPrompt,
        encoder: &EncoderId,
    ) -> Result<Self, Error> {
        self.check_encoder(encoder)?;
        let mut own = self.clone();
        if self.encoder.is_some() {
            if let (Some(prompt), 0) = (&self.prompt, tokens.len) {
                let prompt = prompt.clone();
                return Err(Error::EmptyPrompt { prompt });
            }
            own.generator = own.generator.with_prompt(tokens)?;
            own.config = own.generator.config().clone();
        }
        own.prompt = Some(prompt.to_owned());
        Ok(own)
    }

    /// Checks that the tokens of `encoder` are those that the base reads, if it reads any.
    ///
    /// # Errors
    /// Returns [`Error::OtherEncoder`] if they are not.
    pub fn check_encoder(&self, encoder: &EncoderId) -> Result<(), Error> {
        match &self.encoder {
            Some(expected) if expected != encoder => Err(Error::OtherEncoder {
                expected: expected.to_string(),
                found: encoder.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Checks that the network is for a prompt, if its adapters are.
    ///
    /// # Errors
    /// Returns [`Error::NoPrompt`] if it is not.
    pub fn check_prompt(&self) -> Result<(), Error> {
        if self.encoder.is_some() && self.prompt.is_none() {
            return Err(Error::NoPrompt);
        }
        Ok(())
    }

    /// Writes an adapter of this base as safetensors, with the base's digest and the prompt, if there is one, in the
    /// header.
    ///
    /// # Errors
    /// Returns [`Error::NotStorable`] if a value is NaN or infinite, and [`Error::File`] if the file cannot be written. It is
    /// then left as it was.
    pub fn save_adapter(
        &self,
        path: impl AsRef<Path>,
        adapter: &NamedTensors,
    ) -> Result<(), Error> {
        let path = path.as_ref();
        // Nothing could read such a file, and the one that it would replace may be good.
        if let Some((name, index, value)) = first_non_finite(adapter) {
            return Err(Error::NotStorable {
                path: path.to_owned(),
                name: name.to_owned(),
                index,
                value,
            });
        }
        let mut header = BTreeMap::from([(ADAPTER_BASE.to_owned(), self.digest.clone())]);
        if let Some(prompt) = &self.prompt {
            header.insert(ADAPTER_PROMPT.to_owned(), prompt.clone());
        }
        Ok(save_safetensors(path, adapter, &header)?)
    }

    /// Reads an adapter and the prompt in its header, if there is one, and checks that it belongs to this base: by the
    /// digest in its header, if there is one, and by names and shapes.
    ///
    /// # Errors
    /// Returns [`Error::OtherBase`] or [`Error::Weights`] if the adapter does not belong to this base, and
    /// [`Error::File`] if the file cannot be read, is far larger than an adapter, or holds a value that is NaN or
    /// infinite.
    pub fn load_adapter(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<(NamedTensors, Option<String>), Error> {
        let path = path.as_ref();
        let groups = self.generator.layer_groups();
        let values: usize = (groups.iter().flat_map(|group| &group.tensors))
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum();
        check_size(path, 8 * values as u64 + (16 << 20))?;
        let (adapter, mut header) = load_safetensors(path)?;
        if let Some(found) = header.get(ADAPTER_BASE)
            && *found != self.digest
        {
            return Err(Error::OtherBase {
                path: path.to_owned(),
                expected: self.digest.clone(),
                found: found.clone(),
            });
        }
        check_tensors(&groups, &adapter)?;
        Ok((adapter, header.remove(ADAPTER_PROMPT)))
    }
}

fn is_lora(name: &str) -> bool {
    name.contains(".lora_")
}

fn read_manifest(path: &Path) -> Result<Manifest, Error> {
    // The version first: another one may have any fields.
    let Version { version } = read_json(path)?;
    if version != VERSION {
        return Err(Error::Version {
            path: path.to_owned(),
            found: version,
            expected: VERSION,
        });
    }
    let manifest: Manifest = read_json(path)?;
    manifest.config.validate()?;
    Ok(manifest)
}
