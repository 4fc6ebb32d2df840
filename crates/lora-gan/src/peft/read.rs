//! A PEFT folder as an adapter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tensor_file::NamedTensors;
use weight_blocks::peft::AdapterConfig;
use weight_blocks::{load_named, module_to_named};

use super::config;
use super::tensors::Stored;
use super::{BASE, CONFIG, PREFIX, PeftError, TRANSPOSED, WEIGHTS, tensors};
use crate::error::Error;
use crate::generator::{HybridGenerator, LAYERS};
use crate::layers::{LayerSet, LoraConfig, RankRule};

/// How far statistics may be from the base's and a merged weight from base and update, relative to the largest value.
const TOLERANCE: f32 = 1e-4;
/// How much further a merged weight may be, in units of the rounding of the folder's tensors: it is rounded, and so are the
/// two factors of its update, whose products may cancel.
const ROUNDINGS: f32 = 4.0;

impl HybridGenerator {
    /// This base with the adapter of a folder that PEFT or [`HybridGenerator::save_peft`] wrote: its
    /// layers, ranks, scales and dropout, its factors, and the norms among its `modules_to_save`.
    ///
    /// PEFT trains only the norms that it is told to, so they may be missing. They may also belong to layers that are not
    /// adapted; they then change the network, but are not among the adapter's tensors.
    ///
    /// # Errors
    /// Returns [`Error::OtherBase`] if the folder records another base than `base_digest`, [`Error::Peft`] if a field or
    /// a tensor does not fit this generator, [`Error::RankTooLarge`] if a rank does not, and [`Error::File`] if a file
    /// cannot be read or holds a value that is NaN or infinite.
    pub fn load_peft(&self, dir: &Path, base_digest: Option<&str>) -> Result<Self, Error> {
        let folder = Folder::open(self, dir, base_digest)?;
        let adapted = self
            .clone()
            .with_lora(&folder.lora_config(self)?, self.config().lora_seed)?;
        folder.check_shapes(&adapted)?;
        let adapted = load_named(adapted, &folder.factors)?;
        folder.check_wholes(&adapted)?;
        Ok(load_named(adapted, &folder.norms)?)
    }
}

/// The folder's tensors under our names.
struct Folder {
    config: AdapterConfig,
    config_path: PathBuf,
    weights_path: PathBuf,
    factors: NamedTensors,
    norms: NamedTensors,
    /// Whole weights of transposed convolutions.
    wholes: NamedTensors,
    /// The coarsest rounding of the folder's tensors.
    rounding: f32,
}

impl Folder {
    fn open(base: &HybridGenerator, dir: &Path, digest: Option<&str>) -> Result<Self, Error> {
        let mut folder = Self {
            config_path: dir.join(CONFIG),
            weights_path: dir.join(WEIGHTS),
            config: config::read(&dir.join(CONFIG))?,
            factors: NamedTensors::new(),
            norms: NamedTensors::new(),
            wholes: NamedTensors::new(),
            rounding: 0.0,
        };
        let recorded = folder.config.base.as_deref();
        if let (Some(found), Some(expected)) = (recorded.and_then(|r| r.strip_prefix(BASE)), digest)
            && found != expected
        {
            return Err(Error::OtherBase {
                path: folder.config_path,
                expected: expected.to_owned(),
                found: found.to_owned(),
            });
        }
        let own = module_to_named(base)?;
        let values: usize = own.values().map(|tensor| tensor.data.len()).sum();
        // Room for factors of any sensible rank, and for the header.
        let limit = 8 * values as u64 + (64 << 20);
        let all = tensors::read(&folder.weights_path, limit)?;
        let beside = dir.join(TRANSPOSED);
        let beside = match beside.exists() {
            true => tensors::read(&beside, limit)?,
            false => BTreeMap::new(),
        };
        let modules = (LAYERS.iter().map(|layer| (layer.torch_name(), layer.name))).collect();
        for (name, stored) in all.into_iter().chain(beside) {
            folder.sort(&name, stored, &modules, &own)?;
        }
        folder.check_pairs()?;
        Ok(folder)
    }

    fn fail<T>(&self, source: PeftError) -> Result<T, Error> {
        Err(Error::Peft {
            path: self.weights_path.clone(),
            source,
        })
    }

    /// Sorts a tensor of the folder by what it is.
    fn sort(
        &mut self,
        name: &str,
        Stored { tensor, rounding }: Stored,
        modules: &BTreeMap<String, &str>,
        own: &NamedTensors,
    ) -> Result<(), Error> {
        self.rounding = self.rounding.max(rounding);
        let short = name.strip_prefix(PREFIX).unwrap_or(name);
        let no_place = || PeftError::UnknownTensor {
            name: name.to_owned(),
        };
        let twice = || PeftError::Twice {
            name: name.to_owned(),
        };
        for factor in ["lora_A", "lora_B"] {
            if let Some(module) = short.strip_suffix(&format!(".{factor}.weight")) {
                let Some(layer) = modules.get(module) else {
                    return self.fail(no_place());
                };
                let ours = format!("{layer}.{factor}.weight");
                return match self.factors.insert(ours, tensor) {
                    None => Ok(()),
                    Some(_) => self.fail(twice()),
                };
            }
        }
        let Some((module, part)) = short.rsplit_once('.') else {
            return self.fail(no_place());
        };
        if let Some(layer) = modules.get(module) {
            let ours = format!("{layer}.{part}");
            if own.get(&ours).is_none_or(|t| t.shape != tensor.shape) {
                return self.fail(no_place());
            }
            self.wholes.insert(ours, tensor);
            return Ok(());
        }
        let is_norm = short.contains("norm");
        match own.get(short) {
            Some(old) if is_norm && old.shape == tensor.shape => {
                if part.starts_with("running_") {
                    if far(&old.data, &tensor.data, TOLERANCE + rounding) {
                        return self.fail(PeftError::TrainedStatistics {
                            name: name.to_owned(),
                        });
                    }
                } else if self.norms.insert(short.to_owned(), tensor).is_some() {
                    return self.fail(twice());
                }
                Ok(())
            }
            _ => self.fail(no_place()),
        }
    }

    /// Every factor has its partner, of the same rank.
    fn check_pairs(&self) -> Result<(), Error> {
        if self.factors.is_empty() {
            return self.fail(PeftError::NoFactors);
        }
        for (name, tensor) in &self.factors {
            let (down, up) = (
                name.replace("lora_B", "lora_A"),
                name.replace("lora_A", "lora_B"),
            );
            let ranks = (
                self.factors.get(&down).and_then(|t| t.shape.first()),
                self.factors.get(&up).and_then(|t| t.shape.get(1)),
            );
            match ranks {
                (Some(a), Some(b)) if a == b => {}
                (Some(a), Some(b)) => {
                    return self.fail(PeftError::Ranks {
                        rank: *a,
                        partner: *b,
                        down,
                    });
                }
                _ => {
                    return self.fail(PeftError::Unpaired {
                        name: name.clone(),
                        shape: tensor.shape.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// What the folder says of layers, ranks and scales.
    fn lora_config(&self, base: &HybridGenerator) -> Result<LoraConfig, Error> {
        let mut named = Vec::new();
        let (mut ranks, mut alphas) = (BTreeMap::new(), BTreeMap::new());
        for layer in &LAYERS {
            let name = layer.name;
            let factor = self.factors.get(&format!("{name}.lora_A.weight"));
            let Some(&[rank, ..]) = factor.map(|t| t.shape.as_slice()) else {
                continue;
            };
            named.push(name.to_owned());
            let largest = layer.shape(base.config()).largest_rank();
            if rank != self.config.r.min(largest) {
                ranks.insert(name.to_owned(), rank);
            }
            let module = layer.torch_name();
            // Its value is left to this crate's own configuration, which resolves the same ranks and alphas.
            let scale = self.config.scale(&module, rank);
            let alpha = scale.and_then(|_| self.config.alpha_of(&module));
            let alpha = alpha.map_err(|source| Error::Peft {
                path: self.config_path.clone(),
                source: source.into(),
            })?;
            if alpha != self.config.alpha {
                alphas.insert(name.to_owned(), alpha);
            }
        }
        Ok(LoraConfig {
            rank: RankRule::Uniform(self.config.r),
            alpha: Some(self.config.alpha),
            use_rslora: self.config.use_rslora,
            dropout: self.config.dropout,
            layers: if named.len() == LAYERS.len() {
                LayerSet::All
            } else {
                LayerSet::Named(named)
            },
            ranks,
            alphas,
        })
    }

    /// The factors have the layers' shapes.
    fn check_shapes(&self, adapted: &HybridGenerator) -> Result<(), Error> {
        for layer in adapted.layers() {
            for (shape, factor) in (layer.factors().into_iter().flatten()).zip(["lora_A", "lora_B"])
            {
                let name = format!("{}.{factor}.weight", layer.spec.name);
                if let Some(tensor) = self.factors.get(&name)
                    && tensor.shape != shape
                {
                    return self.fail(PeftError::FactorShape {
                        found: tensor.shape.clone(),
                        expected: shape,
                        name,
                    });
                }
            }
        }
        Ok(())
    }

    /// A whole weight has to be what base and factors give: it is there for PyTorch only.
    fn check_wholes(&self, adapted: &HybridGenerator) -> Result<(), Error> {
        if self.wholes.is_empty() {
            return Ok(());
        }
        let merged = module_to_named(&adapted.clone().merge_adapter())?;
        let tolerance = TOLERANCE + ROUNDINGS * self.rounding;
        for (name, tensor) in &self.wholes {
            if far(&merged[name].data, &tensor.data, tolerance) {
                return self.fail(PeftError::Merged {
                    name: name.clone(),
                    factors: TRANSPOSED,
                });
            }
        }
        Ok(())
    }
}

/// Whether two tensors differ by more than `tolerance`, relative to the largest value of the first.
fn far(a: &[f32], b: &[f32], tolerance: f32) -> bool {
    let largest = a.iter().fold(0f32, |m, v| m.max(v.abs()));
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    apart.fold(0f32, f32::max) > tolerance * largest.max(1e-6)
}
