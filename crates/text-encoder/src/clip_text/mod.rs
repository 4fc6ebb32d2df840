//! CLIP's text encoder from a Hugging Face folder.

mod config;
mod tokenizer;
mod tower;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use crate::batches::{self, DEFAULT_BATCH};
use crate::checkpoint::{CheckpointDigest, WeightsFile, read_small};
use crate::host::{self, PromptEncoding, normalise, read_back};
use crate::tokens::{PromptTokenizer, TokenIds};
use crate::{Error, TextEncoder, TextEncoding};
use config::{Config, Pooling};
use tower::Tower;

/// Which hidden states are the token embeddings. The pooled vector always comes from the last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClipLayer {
    /// The last layer after the final normalisation: `transformers`' `last_hidden_state`, Stable Diffusion 1.x.
    #[default]
    Last,
    /// The last layer but one as it is: `hidden_states[-2]`, Stable Diffusion XL.
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
    /// Folder of the tokenizer, if it is another one: Stable Diffusion has `text_encoder/` and `tokenizer/`.
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
/// An empty prompt is [`Error::EmptyPrompt`], though CLIP itself would encode it: for a model steered by a prompt it is
/// a mistake.
///
/// ```no_run
/// use burn::tensor::Device;
/// use text_encoder::{ClipText, ClipTextOptions, TextEncoder};
///
/// # fn main() -> Result<(), text_encoder::Error> {
/// let device = Device::flex();
/// let clip = ClipText::from_dir("clip-vit-base-patch32", &ClipTextOptions::default(), &device)?;
/// let text = clip.encode(&["charcoal sketch"], &device)?;
/// assert_eq!(text.tokens.dims()[2], clip.width());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClipText {
    tower: Tower,
    tokenizer: PromptTokenizer,
    nothing: HashSet<u32>,
    pooling: Pooling,
    layer: ClipLayer,
    name: String,
    digest: String,
    width: usize,
    max_tokens: usize,
    batch: usize,
}

impl ClipText {
    /// Reads `config.json`, `model.safetensors` and the tokenizer (`tokenizer.json`, or `vocab.json` and `merges.txt`
    /// with `tokenizer_config.json` and `special_tokens_map.json` if they are there) from a folder.
    ///
    /// The whole weights file is read once for the digest.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::TooLarge`], [`Error::Json`], [`Error::Config`] (what this crate cannot compute),
    /// [`Error::Safetensors`] (truncated or damaged), [`Error::Checkpoint`] (missing, type or shape),
    /// [`Error::CheckpointValue`] (NaN), [`Error::NoTokenizer`], [`Error::Tokenizer`], [`Error::VocabularyMismatch`];
    /// each names the file.
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
        let tokenizer = tokenizer::load(tokenizer_dir, &config, &mut digest)?;
        let weights_path = dir.join("model.safetensors");
        if tokenizer.rows() > config.vocabulary {
            return Err(Error::VocabularyMismatch {
                weights: weights_path.display().to_string(),
                rows: config.vocabulary,
                tokenizer: tokenizer_dir.display().to_string(),
                vocabulary: tokenizer.rows(),
            });
        }
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
        let weights = WeightsFile::open(&weights_path, probe, &["text_model.", ""])?;
        let device = device.clone().without_autodiff();
        let tower = Tower::load(&weights, &config, options.projection, &device)?;
        digest.file("model.safetensors", &weights_path)?;
        // The layer changes the tokens and the projection the pooled vector: another encoder.
        let choices = format!("{:?} projected={}", options.layer, tower.is_projected());
        digest.bytes("options", choices.as_bytes());
        Ok(Self {
            tower,
            nothing: [tokenizer.start(), tokenizer.end()].into(),
            tokenizer,
            pooling: config.pooling,
            layer: options.layer,
            name: format!("clip-text-{}", config.width),
            digest: digest.finish(),
            width: config.width,
            max_tokens: config.positions,
            batch: DEFAULT_BATCH,
        })
    }

    /// The same encoder, with at most `batch` prompts in the tower at once: less memory, or more speed. The digest does
    /// not change.
    ///
    /// # Errors
    ///
    /// [`Error::ZeroBatch`].
    pub fn with_batch(mut self, batch: usize) -> Result<Self, Error> {
        if batch == 0 {
            return Err(Error::ZeroBatch);
        }
        self.batch = batch;
        Ok(self)
    }

    /// Token ids of each prompt, with start and end.
    ///
    /// # Errors
    ///
    /// Those of [`TextEncoder::encode`].
    pub fn token_ids(&self, prompts: &[&str]) -> Result<Vec<TokenIds>, Error> {
        self.tokenizer.encode(prompts, &self.nothing)
    }

    fn run<T>(
        &self,
        prompts: &[&str],
        mut finish: impl FnMut(tower::Output, &[&TokenIds], usize) -> Result<Vec<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let ids = self.token_ids(prompts)?;
        batches::run(&ids, self.batch, |batch| {
            let (rows, length) = batches::padded(batch);
            let at: Vec<usize> = batch
                .iter()
                .map(|p| self.pooling.position(&p.ids))
                .collect();
            finish(self.tower.forward(rows, &at, self.layer), batch, length)
        })
    }
}

impl TextEncoder for ClipText {
    fn name(&self) -> &str {
        &self.name
    }

    fn digest(&self) -> &str {
        &self.digest
    }

    fn width(&self) -> usize {
        self.width
    }

    fn pooled_width(&self) -> usize {
        self.tower.pooled_width()
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn encode(&self, prompts: &[&str], device: &Device) -> Result<TextEncoding, Error> {
        Ok(host::to_device(
            &self.encode_host(prompts)?,
            self.width,
            device,
        ))
    }

    fn encode_host(&self, prompts: &[&str]) -> Result<Vec<PromptEncoding>, Error> {
        self.run(prompts, |output, batch, length| {
            let tokens = read_back(output.tokens)?;
            let pooled = unit_rows(read_back(output.pooled)?, self.pooled_width());
            let prompts = batch.iter().zip(pooled).enumerate();
            Ok(prompts
                .map(|(i, (prompt, pooled))| {
                    let start = i * length * self.width;
                    PromptEncoding {
                        tokens: tokens[start..start + prompt.ids.len() * self.width].to_vec(),
                        pooled,
                        truncated: prompt.truncated,
                    }
                })
                .collect())
        })
    }

    fn encode_pooled(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        self.run(prompts, |output, _, _| {
            Ok(unit_rows(read_back(output.pooled)?, self.pooled_width()))
        })
    }
}

/// Rows of `width` values, each divided by its norm.
fn unit_rows(values: Vec<f32>, width: usize) -> Vec<Vec<f32>> {
    let mut rows: Vec<Vec<f32>> = values.chunks(width.max(1)).map(<[f32]>::to_vec).collect();
    rows.iter_mut().for_each(|row| normalise(row));
    rows
}
