//! The layers that LoRA can adapt, by name.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::hybrid::HybridGenerator;
use crate::error::Error;
use crate::layers::{ConvUnit, LayerShape, LinearUnit, LoraConfig, LoraPair, LoraSpec};

/// A layer, for changing it.
pub(crate) enum UnitMut<'a> {
    Conv(&'a mut ConvUnit),
    Linear(&'a mut LinearUnit),
}

impl UnitMut<'_> {
    fn shape(&self, name: &str) -> LayerShape {
        let (channels, fan_in) = match self {
            Self::Conv(unit) => (unit.channels(), unit.fan_in()),
            Self::Linear(unit) => {
                let [out, input] = unit.weight.dims();
                ([input, out], input)
            }
        };
        LayerShape {
            name: name.to_owned(),
            channels,
            fan_in,
        }
    }

    fn set_lora(&mut self, spec: Option<LoraSpec>, rng: &mut ChaCha8Rng) {
        match self {
            Self::Conv(unit) => unit.set_lora(spec, rng),
            Self::Linear(unit) => unit.set_lora(spec, rng),
        }
    }

    fn lora_mut(&mut self) -> &mut Option<LoraPair> {
        match self {
            Self::Conv(unit) => &mut unit.lora,
            Self::Linear(unit) => &mut unit.lora,
        }
    }

    /// Sets `up` to zero, which makes the layer the base's.
    pub(crate) fn reset(&mut self) {
        if let Some(pair) = self.lora_mut() {
            pair.up = pair.up.clone().map(|up| {
                let tracked = up.is_require_grad();
                up.zeros_like().set_require_grad(tracked)
            });
        }
    }

    /// Puts the merged weight in the base's place and resets the pair.
    pub(crate) fn merge(&mut self) {
        match self {
            Self::Conv(unit) => {
                let merged = unit.merged_weight();
                unit.weight = unit.weight.clone().map(|_| merged.detach());
            }
            Self::Linear(unit) => {
                let merged = unit.merged_weight();
                unit.weight = unit.weight.clone().map(|_| merged.detach());
            }
        }
        self.reset();
    }
}

impl HybridGenerator {
    /// Every layer, in the order in which initial LoRA factors are drawn.
    pub(crate) fn units_mut(&mut self) -> Vec<(String, UnitMut<'_>)> {
        let mut units = Vec::with_capacity(24);
        let blocks = [
            ("res1", &mut self.res1),
            ("res2", &mut self.res2),
            ("res3", &mut self.res3),
        ];
        for (name, unit) in [
            ("stem", &mut self.stem),
            ("down1", &mut self.down1),
            ("down2", &mut self.down2),
        ] {
            units.push((name.to_owned(), UnitMut::Conv(unit)));
        }
        for (name, block) in blocks {
            units.push((format!("{name}.conv1"), UnitMut::Conv(&mut block.conv1)));
            units.push((format!("{name}.conv2"), UnitMut::Conv(&mut block.conv2)));
        }
        for (name, unit) in [
            ("down3", &mut self.down3),
            ("up3", &mut self.up3),
            ("up2", &mut self.up2),
            ("up1", &mut self.up1),
            ("head", &mut self.head),
        ] {
            units.push((name.to_owned(), UnitMut::Conv(unit)));
        }
        let t = &mut self.transformer;
        for (name, attention) in [("attn1", &mut t.attn1), ("attn2", &mut t.attn2)] {
            for (part, unit) in [
                ("to_q", &mut attention.to_q),
                ("to_k", &mut attention.to_k),
                ("to_v", &mut attention.to_v),
                ("to_out", &mut attention.to_out),
            ] {
                units.push((format!("transformer.{name}.{part}"), UnitMut::Linear(unit)));
            }
        }
        for (part, unit) in [("ff_in", &mut t.ff_in), ("ff_out", &mut t.ff_out)] {
            units.push((format!("transformer.{part}"), UnitMut::Linear(unit)));
        }
        units
    }

    /// The same base with another, initial LoRA: `down` drawn from `seed`, `up` zero. The base's
    /// tensors are shared and not copied.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`], [`Error::RankTooLarge`], or [`Error::Config`] for numbers that are
    /// impossible whatever the layers.
    pub fn with_lora(mut self, config: &LoraConfig, seed: u64) -> Result<Self, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut units = self.units_mut();
        let shapes: Vec<_> = units.iter().map(|(name, unit)| unit.shape(name)).collect();
        for ((_, unit), spec) in units.iter_mut().zip(config.resolve(&shapes)?) {
            unit.set_lora(spec, &mut rng);
        }
        let own = self.config_mut();
        own.lora = config.clone();
        own.lora_seed = seed;
        Ok(self)
    }

    /// The base alone, without LoRA pairs.
    pub(crate) fn without_lora(mut self) -> Self {
        for (_, unit) in &mut self.units_mut() {
            *unit.lora_mut() = None;
        }
        self
    }
}
