//! What a LoRA configuration comes to at each layer.

use std::collections::BTreeMap;

use super::lora::LoraSpec;
use super::lora_config::{LayerSet, LoraConfig, RankRule};
use crate::error::Error;
use crate::generator::LayerShape;

impl LoraConfig {
    /// What each of `layers` gets; `None` for a layer that is left out.
    pub(crate) fn resolve(&self, layers: &[LayerShape]) -> Result<Vec<Option<LoraSpec>>, Error> {
        self.validate()?;
        let named: &[String] = match &self.layers {
            LayerSet::Named(names) => names,
            LayerSet::All | LayerSet::AllButResBlocks => &[],
        };
        for name in (self.ranks.keys()).chain(self.alphas.keys()).chain(named) {
            if !layers.iter().any(|layer| covers(name, layer.name)) {
                return Err(unknown(name, layers));
            }
        }
        let adapted = |layer: &LayerShape| match &self.layers {
            LayerSet::All => true,
            LayerSet::AllButResBlocks => !layer.in_resblock,
            LayerSet::Named(names) => names.iter().any(|n| covers(n, layer.name)),
        };
        let spec = |layer: &LayerShape| -> Result<LoraSpec, Error> {
            let limit = layer.largest_rank();
            let rank = match (longest(&self.ranks, layer.name), self.rank) {
                (Some(rank), _) if rank > limit => {
                    return Err(Error::RankTooLarge {
                        layer: layer.name.to_owned(),
                        rank,
                        limit,
                    });
                }
                (Some(rank), _) => rank,
                (None, RankRule::Uniform(rank)) => rank.min(limit),
                (None, RankRule::Share { share }) => {
                    let rank = (share * layer.input.min(layer.output) as f64).round() as usize;
                    rank.clamp(1, limit)
                }
            };
            let alpha = longest(&self.alphas, layer.name).or(self.alpha);
            let alpha = alpha.unwrap_or(rank as f64);
            let root = if self.use_rslora {
                (rank as f64).sqrt()
            } else {
                rank as f64
            };
            Ok(LoraSpec {
                rank,
                scale: alpha / root,
                dropout: self.dropout,
            })
        };
        (layers.iter())
            .map(|layer| adapted(layer).then(|| spec(layer)).transpose())
            .collect()
    }

    /// Alpha of a layer of rank `rank`.
    pub(crate) fn alpha_of(&self, layer: &str, rank: usize) -> f64 {
        let named = longest(&self.alphas, layer).or(self.alpha);
        named.unwrap_or(rank as f64)
    }
}

/// Whether `part` is `layer` or a leading part of it.
fn covers(part: &str, layer: &str) -> bool {
    (layer.strip_prefix(part)).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn longest<T: Copy>(map: &BTreeMap<String, T>, layer: &str) -> Option<T> {
    (map.iter().filter(|(part, _)| covers(part, layer)))
        .max_by_key(|(part, _)| part.len())
        .map(|(_, value)| *value)
}

fn unknown(name: &str, layers: &[LayerShape]) -> Error {
    let distance = |layer: &&LayerShape| strsim::damerau_levenshtein(name, layer.name);
    let closest = layers.iter().min_by_key(distance);
    Error::UnknownLayer {
        name: name.to_owned(),
        closest: closest.map_or_else(String::new, |layer| layer.name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> Vec<LayerShape> {
        let layer = |name: &'static str, [input, output]: [usize; 2], kernel: usize| LayerShape {
            name,
            in_resblock: name.starts_with("res"),
            input,
            output,
            kernel,
            bias: true,
        };
        vec![
            layer("stem", [3, 64], 7),
            layer("res1.conv1", [256, 256], 3),
            layer("transformer.attn1.to_q", [256, 256], 1),
            layer("head", [64, 3], 7),
        ]
    }

    fn ranks(config: &LoraConfig) -> Vec<Option<usize>> {
        let resolved = config.resolve(&layers()).unwrap();
        resolved.iter().map(|s| s.map(|s| s.rank)).collect()
    }

    #[test]
    fn rules_and_overrides_give_ranks() {
        assert_eq!(
            ranks(&LoraConfig::rank(6)),
            [Some(6), Some(6), Some(6), Some(3)]
        );
        let share = LoraConfig {
            rank: RankRule::Share { share: 0.05 },
            layers: LayerSet::AllButResBlocks,
            ..LoraConfig::rank(1)
        };
        assert_eq!(ranks(&share), [Some(1), None, Some(13), Some(1)]);
        let named = LoraConfig {
            layers: LayerSet::Named(vec!["transformer".into(), "res1.conv1".into()]),
            ranks: [("transformer".into(), 8), ("transformer.attn1".into(), 9)].into(),
            ..LoraConfig::rank(2)
        };
        assert_eq!(ranks(&named), [None, Some(2), Some(9), None]);
    }

    #[test]
    fn scales_follow_alpha_and_rslora() {
        let config = LoraConfig {
            alpha: Some(8.0),
            alphas: [("stem".into(), 2.0)].into(),
            ..LoraConfig::rank(4)
        };
        let scale =
            |config: &LoraConfig, i: usize| config.resolve(&layers()).unwrap()[i].unwrap().scale;
        assert_eq!(scale(&config, 0), 0.5);
        assert_eq!(scale(&config, 1), 2.0);
        let rslora = LoraConfig {
            use_rslora: true,
            ..config
        };
        assert_eq!(scale(&rslora, 1), 4.0);
        assert_eq!(scale(&LoraConfig::rank(6), 3), 1.0);
    }

    #[test]
    fn what_no_layer_can_have_is_refused_by_name() {
        let config = |name: &str, rank| LoraConfig {
            ranks: [(name.to_owned(), rank)].into(),
            ..LoraConfig::rank(2)
        };
        let message = |config: LoraConfig| config.resolve(&layers()).err().unwrap().to_string();
        let unknown = message(config("transformer.attn.to_q", 4));
        assert!(unknown.contains("`transformer.attn.to_q`"), "{unknown}");
        assert!(unknown.contains("`transformer.attn1.to_q`"), "{unknown}");
        // A leading part ends at a dot.
        assert!(message(config("res1.conv", 4)).contains("`res1.conv1`"));
        let large = message(config("head", 4));
        assert!(
            large.contains("`head`") && large.contains('4') && large.contains('3'),
            "{large}"
        );
        assert!(message(config("stem", 0)).contains("rank 0 for `stem`"));
        assert!(message(LoraConfig::rank(0)).contains("rank 0 adapts nothing"));
        for share in [0.0, 1.5, f64::NAN] {
            let config = LoraConfig {
                rank: RankRule::Share { share },
                ..LoraConfig::rank(1)
            };
            assert!(message(config).contains("share"));
        }
        for dropout in [1.0, -0.1, f64::NAN] {
            let config = LoraConfig {
                dropout,
                ..LoraConfig::rank(1)
            };
            assert!(message(config).contains("dropout"));
        }
    }
}
