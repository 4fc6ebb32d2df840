//! Sizes and settings that go together.

use std::fmt;
use std::str::FromStr;

use finetune::{PretrainConfig, Recipe};
use gan_baselines::{CoModConfig, ResnetConfig};
use lora_gan::{GeneratorConfig, PatchGanConfig};

use crate::Error;

/// A size of the networks, and how they are trained at it. Programs that load a base take the preset from it
/// ([`Preset::of`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preset {
    /// 64×64 on a few CPU cores: for experiments with many concepts.
    Compact,
    /// 256×256 on a few CPU cores: E²GAN's layout with a quarter of the channels.
    Photo,
    /// 256×256 with the paper's 7,059,971 weights, for a GPU.
    Paper,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Compact, Self::Photo, Self::Paper];

    /// The name on the command line: `compact`, `photo`, `paper`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Photo => "photo",
            Self::Paper => "paper",
        }
    }

    /// The preset for a base of this shape: by its image size and the channels after its stem.
    pub fn of(base: &GeneratorConfig) -> Self {
        if base.image_size < Self::Photo.generator().image_size {
            Self::Compact
        } else if base.widths[0] < Self::Paper.generator().widths[0] {
            Self::Photo
        } else {
            Self::Paper
        }
    }

    /// The image translator.
    pub fn generator(self) -> GeneratorConfig {
        match self {
            Self::Compact => GeneratorConfig::compact(),
            Self::Photo => GeneratorConfig::photo(),
            Self::Paper => GeneratorConfig::paper(),
        }
    }

    /// The training of the base.
    pub fn pretraining(self) -> PretrainConfig {
        match self {
            Self::Compact => PretrainConfig::compact(),
            // A step costs sixteen times as much, and a photo has sixteen times as many pixels to learn from.
            Self::Photo => PretrainConfig {
                batch_size: 8,
                ..PretrainConfig::compact()
            },
            Self::Paper => PretrainConfig {
                lr: 2e-4,
                ..PretrainConfig::compact()
            },
        }
    }

    /// The training of an adapter (the paper's fine-tuning).
    pub fn fine_tuning(self) -> Recipe {
        match self {
            Self::Compact => Recipe::compact(),
            Self::Photo => Recipe {
                batch_size: 4,
                discriminator: PatchGanConfig::photo(),
                ..Recipe::compact()
            },
            Self::Paper => Recipe::paper(),
        }
    }

    /// The training of a zoo's adapters; for [`Preset::Paper`], that of the paper's ground truth (Adam at 2e-4, 100 epochs).
    pub fn collecting(self) -> Recipe {
        let recipe = self.fine_tuning();
        match self {
            Self::Compact | Self::Photo => Recipe {
                decay: 0.5,
                ..recipe
            },
            Self::Paper => Recipe {
                epochs: 100,
                lr_generator: 2e-4,
                ..recipe
            },
        }
    }

    /// The training of pix2pix from scratch.
    pub fn pix2pix_training(self) -> Recipe {
        match self {
            Self::Compact => Recipe::pix2pix_compact(),
            Self::Photo => Recipe {
                discriminator: PatchGanConfig::photo(),
                ..Recipe::pix2pix_compact()
            },
            Self::Paper => Recipe::pix2pix(),
        }
    }

    /// pix2pix's generator.
    pub fn pix2pix(self) -> ResnetConfig {
        match self {
            Self::Compact => ResnetConfig::compact(),
            Self::Photo => ResnetConfig {
                blocks: 9,
                ..ResnetConfig::compact()
            },
            Self::Paper => ResnetConfig::paper(),
        }
    }

    /// Both networks of Co-Mod-GAN.
    pub fn comod(self) -> CoModConfig {
        match self {
            Self::Compact => CoModConfig::compact(),
            // 16 channels at full size, as in `compact`.
            Self::Photo => CoModConfig {
                image_size: 256,
                width_base: 2048,
                ..CoModConfig::compact()
            },
            Self::Paper => CoModConfig::paper(),
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == name);
        found.ok_or_else(|| Error::UnknownName {
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_fit_together_and_are_known_by_their_base() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse::<Preset>().unwrap(), preset);
            let base = preset.generator();
            base.validate().unwrap();
            assert_eq!(Preset::of(&base), preset);
            assert_eq!(preset.comod().image_size, base.image_size);
            preset.fine_tuning().validate().unwrap();
            preset.pix2pix_training().validate().unwrap();
        }
        let error = "large".parse::<Preset>().unwrap_err().to_string();
        assert!(error.contains("compact, photo, paper"), "{error}");
    }
}
