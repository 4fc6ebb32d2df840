//! What a training learns from.

use serde::Serialize;
use tensor_file::digest::Sha256;
use weight_diffusion::BlockSource;
use weight_diffusion::encoded_text::EncoderId;

use crate::error::Result;

/// What a training learns from, so that one of something else does not continue from its state. It holds
/// digests of the encoded prompts and of statistics of the weights, but neither the weights of each network nor which prompt it
/// belongs to.
#[derive(Debug, Clone, Serialize)]
pub struct TrainedOn {
    networks: usize,
    texts: usize,
    /// Over the encoded prompts, in their order.
    texts_sha256: String,
    encoder: EncoderId,
    /// The loss beside the one on blocks, or in its place.
    loss: Option<String>,
    held_out: Vec<String>,
    /// Over the normaliser's kind, means and deviations, and the mean and the deviation of the networks' norms.
    statistics_sha256: String,
}

impl TrainedOn {
    /// The networks and prompts of `dataset`, encoded by `encoder`. `loss` names a loss other than the paper's, with all
    /// that it depends on, and `held_out` the prompts kept for validation.
    ///
    /// # Errors
    /// Returns [`Error::WeightGenerator`](crate::Error::WeightGenerator) if a prompt cannot be read.
    pub fn new(
        dataset: &dyn BlockSource,
        encoder: EncoderId,
        loss: Option<String>,
        held_out: Vec<String>,
    ) -> Result<Self> {
        let mut texts = Sha256::new();
        for index in 0..dataset.text_count() {
            texts.update_part(bytes(&dataset.read_text(index)?.tokens));
        }
        let (normalizer, norm) = (dataset.normalizer(), dataset.norm());
        let mut statistics = Sha256::new();
        statistics.update(format!("{:?} {:?}", normalizer.kind(), norm));
        statistics.update(bytes(normalizer.means()));
        statistics.update(bytes(normalizer.deviations()));
        Ok(Self {
            networks: dataset.networks(),
            texts: dataset.text_count(),
            texts_sha256: texts.finish_hex(),
            encoder,
            loss,
            held_out,
            statistics_sha256: statistics.finish_hex(),
        })
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
