//! What a training learns from.

use serde::Serialize;
use tensor_file::digest::Sha256;
use weight_diffusion::BlockSource;
use weight_diffusion::encoded_text::EncoderId;

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
    pub fn new(
        dataset: &dyn BlockSource,
        encoder: EncoderId,
        loss: Option<String>,
        held_out: Vec<String>,
    ) -> Self {
        let (normalizer, norm) = (dataset.normalizer(), dataset.norm());
        let mut weights = Sha256::new();
        weights.update(format!("{:?} {:?}", normalizer.kind(), norm));
        for value in normalizer.means().iter().chain(normalizer.deviations()) {
            weights.update(value.to_le_bytes());
        }
        Self {
            networks: dataset.networks(),
            texts: dataset.text_count(),
            encoder,
            loss,
            held_out,
            weights_sha256: weights.finish_hex(),
        }
    }
}
