//! Settings and loading.

use std::path::Path;

use burn::config::Config;
use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};

use super::block::Block;
use super::model::ClipVision;
use crate::Error;
use crate::networks::weights::WeightFile;

/// Configuration of [`ClipVision`]. The default is ViT-B/32, the network of the Python `clean-fid`'s `clip_vit_b_32`.
#[derive(Config, Debug)]
pub struct ClipVisionConfig {
    /// Height and width that images are resized to.
    #[config(default = 224)]
    pub size: usize,
    /// Height and width of a patch; divides `size`.
    #[config(default = 32)]
    pub patch: usize,
    /// Entries of a token.
    #[config(default = 768)]
    pub width: usize,
    /// Entries between the two layers of a block's perceptron.
    #[config(default = 3072)]
    pub inner: usize,
    /// Blocks.
    #[config(default = 12)]
    pub blocks: usize,
    /// Heads of a block's attention; divides `width`.
    #[config(default = 12)]
    pub heads: usize,
    /// Entries of the features.
    #[config(default = 512)]
    pub outputs: usize,
    /// The key of the weights in a checkpoint that holds several networks. Without it, they may be under any key if they
    /// are there once.
    pub part: Option<String>,
}

impl ClipVisionConfig {
    /// The network with weights from a file, named as in `transformers`: `model.safetensors` or
    /// `pytorch_model.bin` of `openai/clip-vit-base-patch32`, in float32 or float16. The text side of CLIP may be
    /// in it and is ignored.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use clean_fid::{ClipVisionConfig, Extractor, FeatureNet, ImageFolder};
    ///
    /// # fn main() -> Result<(), clean_fid::Error> {
    /// let device = Device::flex();
    /// let network = ClipVisionConfig::new().load("model.safetensors", &device)?;
    /// let extractor = Extractor::new(&network, &device);
    /// let value = extractor.frechet(&ImageFolder::open("made")?, &ImageFolder::open("real")?)?;
    /// println!("{}: {value:.3}", network.metric_name("frechet")); // frechet-clip-vit-768-32-224: …
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Error::PatchSize`], [`Error::Heads`] or [`Error::ZeroSize`] if the configuration does not describe a
    /// network, and [`Error::Weights`] if the file cannot be read or holds the weights of another network.
    pub fn load(&self, path: impl AsRef<Path>, device: &Device) -> Result<ClipVision, Error> {
        self.check()?;
        // Nothing here is trained, so no autodiff graph is needed.
        let mut filler = Filler {
            file: WeightFile::open(path.as_ref())?,
            device: device.clone().inner(),
        };
        let anchor = "vision_model.embeddings.class_embedding";
        filler.file.seek(anchor, self.part.as_deref())?;
        let network = self.build(&mut filler)?;
        for other in ["text_model.", "text_projection.", "logit_scale"] {
            filler.file.skip_all(other);
        }
        filler.file.skip_all("vision_model.embeddings.position_ids");
        filler.file.finish()?;
        Ok(network)
    }

    fn check(&self) -> Result<(), Error> {
        let divides =
            |part: usize, whole: usize| part > 0 && whole > 0 && whole.is_multiple_of(part);
        if !divides(self.patch, self.size) {
            return Err(Error::PatchSize {
                patch: self.patch,
                size: self.size,
            });
        }
        if !divides(self.heads, self.width) {
            return Err(Error::Heads {
                heads: self.heads,
                width: self.width,
            });
        }
        let sizes = [
            ("inner", self.inner),
            ("blocks", self.blocks),
            ("outputs", self.outputs),
        ];
        match sizes.into_iter().find(|(_, value)| *value == 0) {
            Some((size, _)) => Err(Error::ZeroSize { size }),
            None => Ok(()),
        }
    }

    fn build(&self, filler: &mut Filler<'_>) -> Result<ClipVision, Error> {
        let width = self.width;
        let tokens = (self.size / self.patch).pow(2) + 1;
        let vision = |part: &str| format!("vision_model.{part}");
        let blocks = (0..self.blocks)
            .map(|i| {
                let part = |part: &str| vision(&format!("encoder.layers.{i}.{part}"));
                let own = |filler: &mut Filler<'_>, name: &str| {
                    filler.linear(&part(&format!("self_attn.{name}")), [width; 2], true)
                };
                Ok(Block {
                    norm1: filler.norm(&part("layer_norm1"), width)?,
                    query: own(filler, "q_proj")?,
                    key: own(filler, "k_proj")?,
                    value: own(filler, "v_proj")?,
                    out: own(filler, "out_proj")?,
                    norm2: filler.norm(&part("layer_norm2"), width)?,
                    up: filler.linear(&part("mlp.fc1"), [width, self.inner], true)?,
                    down: filler.linear(&part("mlp.fc2"), [self.inner, width], true)?,
                    heads: self.heads,
                })
            })
            .collect::<Result<_, Error>>()?;
        let embedding = |part: &str| vision(&format!("embeddings.{part}"));
        Ok(ClipVision {
            patches: filler.patches(&embedding("patch_embedding"), width, self.patch)?,
            class: filler.param(&embedding("class_embedding"), [width])?,
            positions: filler.param(&embedding("position_embedding.weight"), [tokens, width])?,
            // The name is misspelt in all published files.
            before: filler.norm(&vision("pre_layrnorm"), width)?,
            blocks,
            after: filler.norm(&vision("post_layernorm"), width)?,
            projection: filler.linear("visual_projection", [width, self.outputs], false)?,
            size: self.size,
            outputs: self.outputs,
            name: format!("clip-vit-{width}-{}-{}", self.patch, self.size),
        })
    }
}

/// Builds layers with the weights of a file.
struct Filler<'a> {
    file: WeightFile<'a>,
    device: Device,
}

impl Filler<'_> {
    fn param<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Param<Tensor<D>>, Error> {
        let values = self.file.take(name, &shape)?;
        let data = TensorData::new(values, shape.to_vec());
        Ok(Param::from_tensor(Tensor::from_data(data, &self.device)))
    }

    fn norm(&mut self, name: &str, width: usize) -> Result<LayerNorm, Error> {
        let mut norm = LayerNormConfig::new(width)
            .with_epsilon(1e-5)
            .init(&self.device);
        norm.gamma = self.param(&format!("{name}.weight"), [width])?;
        norm.beta = Some(self.param(&format!("{name}.bias"), [width])?);
        Ok(norm)
    }

    fn linear(
        &mut self,
        name: &str,
        [input, output]: [usize; 2],
        bias: bool,
    ) -> Result<Linear, Error> {
        let mut linear = LinearConfig::new(input, output)
            .with_bias(bias)
            .init(&self.device);
        let weight = self.param(&format!("{name}.weight"), [output, input])?;
        linear.weight = Param::from_tensor(weight.val().transpose());
        if bias {
            linear.bias = Some(self.param(&format!("{name}.bias"), [output])?);
        }
        Ok(linear)
    }

    fn patches(&mut self, name: &str, width: usize, patch: usize) -> Result<Conv2d, Error> {
        let mut conv = Conv2dConfig::new([3, width], [patch; 2])
            .with_stride([patch; 2])
            .with_bias(false)
            .init(&self.device);
        conv.weight = self.param(&format!("{name}.weight"), [width, 3, patch, patch])?;
        Ok(conv)
    }
}
