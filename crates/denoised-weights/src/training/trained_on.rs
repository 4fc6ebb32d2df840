//! What a training learns from.

use serde::Serialize;
use tensor_file::digest::sha256_hex;
use weight_diffusion::BlockSource;
use weight_diffusion::encoded_text::EncoderId;

use crate::Error;
use crate::error::Result;

/// The name, beside the trainer's state, of the file that says what it was trained on.
pub(super) const DATA_FILE: &str = "data.json";

/// What a training learns from, so that one of something else does not continue from its state.
#[derive(Debug, Clone, Serialize)]
pub struct TrainedOn {
    networks: usize,
    texts: usize,
    encoder: EncoderId,
    /// The loss beside the one on blocks, or in its place.
    loss: Option<String>,
    held_out: Vec<String>,
    /// Over the normaliser's statistics and the networks' norms.
    weights_sha256: String,
}

impl TrainedOn {
    /// The networks and prompts of `dataset`, encoded by `encoder`. `loss` names a loss other than the paper's, with all
    /// that it depends on, and `held_out` the prompts kept for validation.
    ///
    /// # Errors
    /// Returns [`Error::Json`] if the statistics have no JSON form.
    pub fn new(
        dataset: &dyn BlockSource,
        encoder: EncoderId,
        loss: Option<String>,
        held_out: Vec<String>,
    ) -> Result<Self> {
        let weights = serde_json::to_vec(&(dataset.normalizer(), dataset.norm()));
        let weights = weights.map_err(|source| Error::Json {
            path: DATA_FILE.into(),
            source,
        })?;
        Ok(Self {
            networks: dataset.networks(),
            texts: dataset.text_count(),
            encoder,
            loss,
            held_out,
            weights_sha256: sha256_hex(&weights),
        })
    }
}
