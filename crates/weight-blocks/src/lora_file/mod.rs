//! LoRA files that other tools wrote.

mod config;
mod layers;
mod natural;
mod padding;
mod scales;

use std::collections::BTreeMap;
use std::path::Path;

use tensor_file::{Dtype, SafetensorsWriter, TensorFile, atomic};

use crate::zoo::check_finite;
use crate::{Error, HostTensor, LayerGroup, NamedTensors, WeightSpace, check_tensors};
use config::{read_config, write_config};
use layers::Shapes;
pub use padding::{check_padding, pad};
use scales::ALPHA;

/// A LoRA safetensors file of PEFT (`adapter_model.safetensors`), diffusers or kohya's sd-scripts as
/// a [`WeightSpace`]: a folder of such files becomes a zoo, and predicted weights become such a file.
///
/// Each adapted layer is a group of its down and up factor, layers in natural order (`layers.2`
/// before `layers.10`).
///
/// The weights are those of a LoRA whose scale is 1: the up factor includes the layer's scale, so that files of different
/// alphas can be mixed. The scale is alpha / rank by the `alpha` tensors of sd-scripts and diffusers; by
/// `adapter_config.json` beside a file of PEFT, with rsLoRA and patterns of ranks and alphas; by PEFT's configurations in
/// the header of a file of diffusers; and 1 for layers without any of them. [`LoraFile::save`] divides by the scale
/// again (loaded weights come back to one unit in the last place) and writes alphas and configuration as they were, each
/// tensor in the type that it had. A scale that these state in contradiction, a scale of 0, and adapters that are more than
/// their factors (DoRA, PiSSA and others) are refused.
///
/// ```
/// use std::collections::BTreeMap;
/// use weight_blocks::{
///     Checkpoint, ConceptRecord, GroupingRule, HostTensor, Layout, LoraFile, NamedTensors, WeightSpace, Zoo,
/// };
///
/// # let dir = tempfile::tempdir()?;
/// # let tensor = |shape: [usize; 2], v: f32| HostTensor::new(shape.to_vec(), vec![v; shape[0] * shape[1]]);
/// # let file = |v| -> Result<NamedTensors, tensor_file::Error> { Ok(BTreeMap::from([
/// #     ("unet.mid.attn.lora_A.weight".to_owned(), tensor([4, 64], v)?),
/// #     ("unet.mid.attn.lora_B.weight".to_owned(), tensor([32, 4], -v)?),
/// # ])) };
/// # for (name, v) in [("etching", 0.1), ("fresco", 0.2)] {
/// #     tensor_file::save_safetensors(dir.path().join(format!("{name}.safetensors")), &file(v)?, &BTreeMap::new())?;
/// # }
/// let header = LoraFile::read_header(dir.path().join("etching.safetensors"))?;
/// let layout = Layout::new("my-unet", header.groups, GroupingRule::Appended, 256)?;
/// let mut zoo = Zoo::create(dir.path().join("zoo"), &layout, "my-diffusion-model")?;
/// for name in ["etching", "fresco"] {
///     let file = LoraFile::open(dir.path().join(format!("{name}.safetensors")))?;
///     let record = ConceptRecord {
///         concept: name.into(),
///         prompt: format!("as {name}"),
///         seed: 0,
///         recipe: serde_json::Value::Null,
///         checkpoints: vec![Checkpoint { epoch: 0, metrics: BTreeMap::new() }],
///     };
///     zoo.append(&record, &[file.read_weights()?])?;
/// }
/// assert_eq!(zoo.entries().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LoraFile {
    groups: Vec<LayerGroup>,
    /// The factors as the file has them.
    factors: NamedTensors,
    /// The scales, by the name of the up factor.
    scales: BTreeMap<String, f64>,
    /// Alphas as the file has them.
    alphas: NamedTensors,
    /// The type of each tensor.
    dtypes: BTreeMap<String, Dtype>,
    metadata: BTreeMap<String, String>,
    /// The text of PEFT's configuration.
    peft: Option<Vec<u8>>,
    base: Option<String>,
}

/// What a LoRA file says before its values.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraHeader {
    /// Its layers, as [`WeightSpace::layer_groups`] gives them.
    pub groups: Vec<LayerGroup>,
    /// The base that it states.
    pub base: Option<String>,
}

impl LoraFile {
    /// Reads a file, and `adapter_config.json` beside it if PEFT wrote it.
    ///
    /// # Errors
    /// Returns [`Error::File`] if a file cannot be read or holds a value that is NaN or infinite, and [`Error::LoraFile`]
    /// if a factor has no partner, ranks differ or are 0, a tensor does not belong to a LoRA, or the scales cannot be
    /// told or represented.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_path(path.as_ref())
    }

    fn open_path(path: &Path) -> Result<Self, Error> {
        let file = TensorFile::open_safetensors(path)?;
        let (alphas, factors) = read(&file)?;
        let fail = |source| Error::LoraFile {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let layers = layers::layers(&shapes(&file)).map_err(fail)?;
        let peft = match scales::is_peft(path, &layers) {
            true => Some(read_config(path)?),
            false => None,
        };
        let config = peft.as_ref().map(|(_, config)| config);
        let scales = scales::scales(&layers, &alphas, file.metadata(), config).map_err(fail)?;
        let base = config.map_or_else(
            || scales::base(file.metadata()),
            |config| config.base.clone(),
        );
        let dtypes = file.tensors().map(|t| (t.name.to_owned(), t.dtype));
        let read = Self {
            groups: layers.into_iter().map(|layer| layer.group).collect(),
            dtypes: dtypes.collect(),
            factors,
            scales,
            alphas,
            metadata: file.metadata().clone(),
            peft: peft.map(|(text, _)| text),
            base,
        };
        // The scale may be past what a value can take.
        for (name, &scale) in &read.scales {
            let up = read.factors.get(name).map_or(&[][..], |up| &up.data);
            if let Some(&value) = up.iter().find(|v| !scaled(**v, scale).is_finite()) {
                check_finite(path, name, &[scaled(value, scale)])?;
            }
        }
        Ok(read)
    }

    /// The layers of a file and the [base](LoraFile::base) that it states, without its values.
    ///
    /// # Errors
    /// As [`LoraFile::open`], of which it checks names, shapes and PEFT's configuration.
    pub fn read_header(path: impl AsRef<Path>) -> Result<LoraHeader, Error> {
        let path = path.as_ref();
        let file = TensorFile::open_safetensors(path)?;
        let layers = layers::layers(&shapes(&file)).map_err(|source| Error::LoraFile {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let base = match scales::is_peft(path, &layers) {
            true => read_config(path)?.1.base,
            false => scales::base(file.metadata()),
        };
        Ok(LoraHeader {
            groups: layers.into_iter().map(|layer| layer.group).collect(),
            base,
        })
    }

    /// The base that the adapter belongs to, as the file names it: `base_model_name_or_path` of PEFT's configuration, or
    /// `modelspec.architecture` or `ss_base_model_version` of the header.
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// The header's metadata.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The metadata, to be changed before the file is saved.
    pub fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.metadata
    }

    /// Writes the file under its own names and in its own types, atomically. Alphas and the header's metadata are written
    /// as they were, and `adapter_config.json` beside a file of PEFT; the up factors are divided by the scales that these
    /// state.
    ///
    /// # Errors
    /// Returns [`Error::File`] if a file cannot be written or a value is too large for its type, [`Error::LoraValue`] if
    /// [`LoraFile::open`] would refuse a value, and [`Error::LoraFile`] if there is an `adapter_config.json` that states
    /// other scales already. A file that is there then stays as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let mut file = SafetensorsWriter::new();
        for (key, value) in &self.metadata {
            file.metadata(key, value);
        }
        for (name, tensor) in self.factors.iter().chain(&self.alphas) {
            match self.dtypes.get(name) {
                Some(Dtype::I64) => {
                    let integers: Vec<i64> = tensor.data.iter().map(|v| *v as i64).collect();
                    file.i64(name, &tensor.shape, &integers)?;
                }
                dtype => {
                    let dtype = dtype.copied().unwrap_or(Dtype::F32);
                    file.floats(name, dtype, &tensor.shape, &tensor.data)?;
                }
            }
        }
        let bytes = file.to_bytes()?;
        self.check_stored(path, &bytes)?;
        if let Some(text) = &self.peft {
            write_config(path, text)?;
        }
        Ok(atomic::write(path, &bytes)?)
    }

    /// Refuses values that [`LoraFile::open`] would refuse in `bytes`, which are to be written to `path`: rounded to the
    /// file's types, and times the scales.
    fn check_stored(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let file = TensorFile::from_bytes(path, bytes)?;
        for name in self.factors.keys() {
            let scale = self.scales.get(name).copied().unwrap_or(1.0);
            let values = file.read(name)?;
            let mut read = values.iter().map(|value| scaled(*value, scale)).enumerate();
            if let Some((index, value)) = read.find(|(_, value)| !value.is_finite()) {
                return Err(Error::LoraValue {
                    path: path.to_owned(),
                    name: name.clone(),
                    index,
                    value,
                });
            }
        }
        Ok(())
    }

    /// Applies `apply` to the values of each up factor and its scale.
    fn rescale(&self, factors: &mut NamedTensors, apply: fn(f32, f64) -> f32) {
        for (name, &scale) in &self.scales {
            if let Some(tensor) = factors.get_mut(name) {
                for value in &mut tensor.data {
                    *value = apply(*value, scale);
                }
            }
        }
    }
}

impl WeightSpace for LoraFile {
    fn layer_groups(&self) -> Vec<LayerGroup> {
        self.groups.clone()
    }

    fn read_weights(&self) -> Result<NamedTensors, Error> {
        let mut factors = self.factors.clone();
        self.rescale(&mut factors, scaled);
        Ok(factors)
    }

    fn load_weights(&mut self, weights: &NamedTensors) -> Result<(), Error> {
        check_tensors(&self.groups, weights)?;
        let mut factors = weights.clone();
        self.rescale(&mut factors, unscaled);
        self.factors = factors;
        Ok(())
    }
}

/// The shapes of all tensors but the alphas.
fn shapes<'a>(file: &'a TensorFile<'_>) -> Shapes<'a> {
    let factors = file.tensors().filter(|t| !t.name.ends_with(ALPHA));
    factors.map(|tensor| (tensor.name, tensor.shape)).collect()
}

/// The alphas, which sd-scripts also writes as integers, and all other tensors.
fn read(file: &TensorFile<'_>) -> Result<(NamedTensors, NamedTensors), Error> {
    let (mut alphas, mut others) = (NamedTensors::new(), NamedTensors::new());
    for tensor in file.tensors() {
        let is_alpha = tensor.name.ends_with(ALPHA);
        let data = if is_alpha && tensor.dtype == Dtype::I64 {
            let bytes = file.read_bytes(tensor.name)?;
            let numbers = bytes.as_chunks().0.iter();
            numbers.map(|&b| i64::from_le_bytes(b) as f32).collect()
        } else {
            file.read_finite(tensor.name)?
        };
        let host = HostTensor::new(tensor.shape.to_vec(), data)?;
        let place = if is_alpha { &mut alphas } else { &mut others };
        place.insert(tensor.name.to_owned(), host);
    }
    Ok((alphas, others))
}

fn scaled(value: f32, scale: f64) -> f32 {
    (f64::from(value) * scale) as f32
}

/// The value that gives `value` with the scale, if there is one; the nearest one otherwise.
fn unscaled(value: f32, scale: f64) -> f32 {
    let nearest = (f64::from(value) / scale) as f32;
    let around = [nearest, nearest.next_up(), nearest.next_down()];
    let exact = around.into_iter().find(|v| scaled(*v, scale) == value);
    exact.unwrap_or(nearest)
}
