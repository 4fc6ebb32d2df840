//! CLIP's text encoder from a Hugging Face folder.

pub(crate) mod config;
mod tower;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use encoded_text::EncodedPrompt;

use crate::batches::{Batch, DEFAULT_BATCH};
use crate::digest::CheckpointDigest;
use crate::files::read_small;
use crate::host::{normalise, read_back};
use crate::pipeline::{Computed, Pipeline};
use crate::tokenizer_files::{self, Family, Wanted};
use crate::tokens::TokenIds;
use crate::weights::Weights;
use crate::{Error, TextEncoder};
use config::{Config, Pooling};
use tower::Tower;

/// Which hidden states are the token embeddings. The pooled vector always comes from the last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClipLayer {
    /// The last layer after the final normalisation: `transformers`' `last_hidden_state`, Stable Diffusion 1.x.
    #[default]
    Last,
    /// The last layer but one, unchanged: `hidden_states[-2]`, Stable Diffusion XL.
    Penultimate,
    /// The last layer but one after the final normalisation: "CLIP skip 2", OpenCLIP's towers for Stable Diffusion 2.
    /// (The folders published for Stable Diffusion 2 leave the last layer out already: use [`Last`](Self::Last).)
    PenultimateNormed,
}

/// Whether the pooled vector goes through `text_projection`, into the space that CLIP shares with images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Projection {
    /// If the file has it.
    #[default]
    IfPresent,
    /// No.
    Never,
    /// Yes; a file without it is refused.
    Always,
}

/// How a CLIP folder is read.
#[derive(Debug, Clone, Default)]
pub struct ClipTextOptions {
    /// Which hidden states are the token embeddings.
    pub layer: ClipLayer,
    /// Whether the pooled vector is projected.
    pub projection: Projection,
    /// Folder of the tokenizer, if it is a different one: Stable Diffusion has `text_encoder/` and `tokenizer/`.
    pub tokenizer: Option<PathBuf>,
}

/// A frozen CLIP text encoder (Radford et al. 2021), computed as `transformers`' `CLIPTextModel` does.
///
/// Reads OpenAI's and OpenCLIP's folders in Hugging Face's layout: ViT-B/32, B/16, L/14, H/14, and the text encoders of
/// Stable Diffusion 1.x and 2.x. Of a whole CLIP model only the text tower is read. The weights stay on the device given
/// when loading, as f32 and without gradients.
///
/// - Tokens: the hidden states of [`ClipLayer`], C = the tower's width, start and end tokens included; at most 77.
/// - Pooled: the last layer at the end token, projected ([`Projection`]), then divided by its Euclidean norm, as CLIP
///   does before it compares.
/// - Nothing attends to padding: the tower is causal and padding follows the end token.
///
/// An empty prompt is [`Error::EmptyPrompt`], although CLIP itself would encode it: for a model steered by a prompt, it is
/// a mistake.
///
/// ```no_run
/// use burn::tensor::Device;
/// use text_encoder::{ClipText, ClipTextOptions, TextEncoder};
///
/// # fn main() -> Result<(), text_encoder::Error> {
/// let device = Device::flex();
/// let clip = ClipText::from_dir("clip-vit-base-patch32", &ClipTextOptions::default(), &device)?;
/// let text = clip.condition(&["charcoal sketch"], &device)?;
/// assert_eq!(text.width(), clip.width());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClipText {
    pipeline: Pipeline,
    tower: Tower,
    pooling: Pooling,
    layer: ClipLayer,
}

impl ClipText {
    /// Reads `config.json`, the weights (`model.safetensors`, or `pytorch_model.bin`) and the tokenizer
    /// (`tokenizer.json`, or `vocab.json` and `merges.txt` with `tokenizer_config.json` and `special_tokens_map.json` if
    /// they exist) from a folder. No code in a PyTorch file is run.
    ///
    /// The whole weights file is read once for the digest.
    ///
    /// # Errors
    ///
    /// Each error names the file: [`Error::File`] if one cannot be read, is too large or damaged, or holds NaN,
    /// [`Error::Json`], [`Error::Config`] for what this crate cannot compute, [`Error::NoWeights`], [`Error::Tensor`] for
    /// a tensor that is missing or has another type or shape, [`Error::NoTokenizer`], [`Error::Tokenizer`] and
    /// [`Error::VocabularyMismatch`].
    pub fn from_dir(
        path: impl AsRef<Path>,
        options: &ClipTextOptions,
        device: &Device,
    ) -> Result<Self, Error> {
        let dir = path.as_ref();
        let mut digest = CheckpointDigest::default();
        let config_path = dir.join("config.json");
        let bytes = read_small(&config_path)?;
        let config = Config::parse(&bytes, &config_path)?;
        digest.bytes("config.json", &bytes);
        let tokenizer_dir = options.tokenizer.as_deref().unwrap_or(dir);
        let wanted = Wanted {
            family: Family::Clip,
            max_tokens: config.positions,
            vocabulary: config.vocabulary,
            config: &config_path,
        };
        let tokenizer = tokenizer_files::load(tokenizer_dir, &wanted, &mut digest)?;
        if let Pooling::FirstOf(id) = config.pooling
            && id != tokenizer.end()
        {
            return Err(Error::Config {
                file: config_path.display().to_string(),
                field: "eos_token_id",
                found: id.to_string(),
                expected: format!("{}, the id that ends its prompts", tokenizer.end()),
            });
        }
        let probe = "embeddings.token_embedding.weight";
        let weights = Weights::open(dir, probe, &["text_model.", ""])?;
        let device = device.clone().without_autodiff();
        let tower = Tower::load(&weights, &config, options.projection, &device)?;
        weights.digest(&mut digest)?;
        // The layer changes the tokens and the projection the pooled vector: another encoder.
        let choices = format!("{:?} projected={}", options.layer, tower.is_projected());
        digest.bytes("options", choices.as_bytes());
        Ok(Self {
            pipeline: Pipeline {
                meaningless: [tokenizer.start(), tokenizer.end()].into(),
                tokenizer,
                lower_case: false,
                name: format!("clip-text-{}", config.width),
                digest: digest.finish(),
                width: config.width,
                max_tokens: config.positions,
                batch: DEFAULT_BATCH,
            },
            tower,
            pooling: config.pooling,
            layer: options.layer,
        })
    }

    /// The same encoder, with at most `batch` prompts in the tower at once: less memory, or more speed. The digest does
    /// not change.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ZeroBatch`] if `batch` is 0.
    pub fn with_batch(self, batch: usize) -> Result<Self, Error> {
        let pipeline = self.pipeline.with_batch(batch)?;
        Ok(Self { pipeline, ..self })
    }

    /// Token ids of each prompt, with start and end.
    ///
    /// # Errors
    ///
    /// Those of [`TextEncoder::encode`].
    pub fn token_ids(&self, prompts: &[&str]) -> Result<Vec<TokenIds>, Error> {
        self.pipeline.token_ids(prompts)
    }

    fn compute(&self, batch: &Batch<'_>, keep: bool) -> Result<Computed, Error> {
        let prompts = batch.prompts.iter();
        let at: Vec<usize> = prompts.map(|p| self.pooling.position(&p.ids)).collect();
        let output = self.tower.forward(batch.ids(), &at, self.layer);
        Ok(Computed {
            tokens: match keep {
                true => read_back(output.tokens)?,
                false => Vec::new(),
            },
            pooled: unit_rows(read_back(output.pooled)?, self.pooled_width()),
        })
    }
}

impl TextEncoder for ClipText {
    fn name(&self) -> &str {
        &self.pipeline.name
    }

    fn digest(&self) -> &str {
        &self.pipeline.digest
    }

    fn width(&self) -> usize {
        self.pipeline.width
    }

    fn pooled_width(&self) -> usize {
        self.tower.pooled_width()
    }

    fn max_tokens(&self) -> usize {
        self.pipeline.max_tokens
    }

    fn encode(&self, prompts: &[&str]) -> Result<Vec<EncodedPrompt>, Error> {
        let compute = |batch: &Batch<'_>| self.compute(batch, true);
        self.pipeline.encode(prompts, compute)
    }

    fn encode_pooled(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let compute = |batch: &Batch<'_>| self.compute(batch, false);
        let prompts = self.pipeline.encode(prompts, compute)?;
        Ok(prompts.into_iter().map(|p| p.pooled).collect())
    }
}

/// Rows of `width` values, each divided by its norm.
fn unit_rows(values: Vec<f32>, width: usize) -> Vec<Vec<f32>> {
    let mut rows: Vec<Vec<f32>> = values.chunks(width.max(1)).map(<[f32]>::to_vec).collect();
    rows.iter_mut().for_each(|row| normalise(row));
    rows
}
