//! Which layers LoRA adapts, with what rank and scale.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, check_field};

/// Rank of a layer that [`LoraConfig::ranks`] does not name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RankRule {
    /// One rank for all layers, lowered to min(fan in, channels out) for a layer that has less.
    Uniform(usize),
    /// A share of a layer's channels, min(in, out): rounded, at least 1, at most what the layer allows.
    Share {
        /// Above 0, at most 1.
        share: f64,
    },
}

/// Layers that carry LoRA. A layer left out is frozen whole, the norm that follows it included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerSet {
    /// Every layer ("Efficient Training with Denoised Neural Weights", §4).
    #[default]
    All,
    /// All but the three ResBlocks, as E²GAN's figure draws it.
    AllButResBlocks,
    /// Layers by name, or by a leading part of it: `transformer` is all ten of its layers.
    Named(Vec<String>),
}

/// LoRA of a generator: layers, ranks, scale, dropout.
///
/// In JSON `{"rank": 4, "alpha": 4.0}` is enough; every other field has a default. A field of another
/// name is refused.
///
/// ```
/// use burn::tensor::Device;
/// use lora_gan::{GeneratorConfig, HybridGenerator, LayerSet, LoraConfig};
///
/// let config = GeneratorConfig {
///     lora: LoraConfig {
///         layers: LayerSet::AllButResBlocks,
///         ranks: [("transformer.attn2".to_owned(), 8)].into(),
///         use_rslora: true,
///         ..LoraConfig::rank(2)
///     },
///     ..GeneratorConfig::compact()
/// };
/// let generator = HybridGenerator::new(&config, 0, &Device::flex())?;
/// assert!(generator.res1.conv1.lora.is_none());
/// let pair = generator.transformer.attn2.to_q.lora.as_ref();
/// assert_eq!(pair.map(|pair| pair.up.dims()), Some([64, 8]));
/// # Ok::<(), lora_gan::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Inner dimension r.
    pub rank: RankRule,
    /// Numerator of the scale; `None` stands for the layer's rank, which makes the scale of plain LoRA 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Scale `alpha / √rank` (Kalajdzievski, 2023) in place of `alpha / rank`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub use_rslora: bool,
    /// Share of the inputs of `down` that [`Pass::Train`](crate::Pass::Train) drops on an autodiff device; below 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f64,
    /// Adapted layers.
    #[serde(default, skip_serializing_if = "is_all")]
    pub layers: LayerSet,
    /// Ranks by layer name or leading part of it; the longest that fits wins. One that a layer
    /// cannot have is refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ranks: BTreeMap<String, usize>,
    /// Alphas in the same way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alphas: BTreeMap<String, f64>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_all(layers: &LayerSet) -> bool {
    *layers == LayerSet::All
}

impl LoraConfig {
    /// Rank `rank` on every layer, with a scale of 1.
    pub fn rank(rank: usize) -> Self {
        Self {
            rank: RankRule::Uniform(rank),
            alpha: None,
            use_rslora: false,
            dropout: 0.0,
            layers: LayerSet::All,
            ranks: BTreeMap::new(),
            alphas: BTreeMap::new(),
        }
    }

    /// Checks what can be checked without the layers.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let fail = |field, value: String, expected: &str| {
            Err(Error::Config {
                field,
                value,
                expected: expected.to_owned(),
            })
        };
        match self.rank {
            RankRule::Uniform(0) => {
                return fail("lora.rank", "0".into(), "1 or more: rank 0 adapts nothing");
            }
            RankRule::Share { share } if !(share > 0.0 && share <= 1.0) => {
                let value = share.to_string();
                return fail("lora.rank.share", value, "above 0 and at most 1");
            }
            _ => {}
        }
        if self.layers == LayerSet::Named(Vec::new()) {
            let expected = "at least one layer's name; leave `layers` out for all layers";
            return fail("lora.layers", "empty".into(), expected);
        }
        if let Some(layer) = (self.ranks.iter()).find_map(|(n, r)| (*r == 0).then_some(n)) {
            let expected = "1 or more; leave the layer out with `layers` instead";
            return fail("lora.ranks", format!("rank 0 for `{layer}`"), expected);
        }
        if let Some(alpha) = self.alpha.filter(|alpha| !alpha.is_finite()) {
            return fail("lora.alpha", alpha.to_string(), "a finite number");
        }
        if let Some((layer, alpha)) = self.alphas.iter().find(|(_, alpha)| !alpha.is_finite()) {
            let value = format!("{alpha} for `{layer}`");
            return fail("lora.alphas", value, "finite numbers");
        }
        let expected = "at least 0 and below 1";
        check_field("lora.dropout", self.dropout, 0.0..1.0, expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_format_still_reads_and_writes() {
        let text = r#"{"rank":2,"alpha":2.0}"#;
        let config: LoraConfig = serde_json::from_str(text).unwrap();
        let expected = LoraConfig {
            alpha: Some(2.0),
            ..LoraConfig::rank(2)
        };
        assert_eq!(config, expected);
        assert_eq!(serde_json::to_string(&config).unwrap(), text);
        let full = LoraConfig {
            rank: RankRule::Share { share: 0.25 },
            layers: LayerSet::Named(vec!["stem".into()]),
            use_rslora: true,
            dropout: 0.1,
            ranks: [("stem".into(), 2)].into(),
            alphas: [("stem".into(), 3.0)].into(),
            ..expected
        };
        let text = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<LoraConfig>(&text).unwrap(), full);
        let misspelt = r#"{"rank":2,"use_rs_lora":true}"#;
        let error = serde_json::from_str::<LoraConfig>(misspelt).unwrap_err();
        assert!(error.to_string().contains("`use_rs_lora`"), "{error}");
        let none = LoraConfig {
            layers: LayerSet::Named(Vec::new()),
            ..LoraConfig::rank(2)
        };
        let error = none.validate().unwrap_err().to_string();
        assert!(error.contains("at least one layer's name"), "{error}");
    }
}
