//! The weight generator as a start for fine-tuning.

use std::cell::RefCell;
use std::path::Path;

use burn::tensor::Device;
use finetune::{Initializer, Start};
use lora_gan::BaseGenerator;
use weight_blocks::{GroupingRule, Layout, WeightSpace};
use weight_diffusion::{Prediction, SampleOptions, WeightGenerator};

use crate::Result;
use crate::assets::{AssetArgs, Text, TextArgs};

/// Block size b of the shipped zoo and weight generator (the paper's).
pub const BLOCK_SIZE: usize = 256;

/// How the adapters of `base` are cut into blocks.
///
/// # Errors
/// Where the base has no adapted layers.
pub fn layout_of(base: &BaseGenerator, block_size: usize) -> Result<Layout> {
    let groups = base.generator.layer_groups();
    Ok(Layout::new(
        "hybrid-generator",
        groups,
        GroupingRule::Appended,
        block_size,
    )?)
}

/// Reads a weight generator and checks that it was made for this base and this text encoder.
///
/// # Errors
/// Names the file that is missing or damaged, or the base or encoder that does not fit.
pub fn load_generator(
    dir: &Path,
    base: &BaseGenerator,
    text: &Text,
    device: &Device,
) -> Result<WeightGenerator> {
    let generator = WeightGenerator::load(dir, device)?;
    check_generator(&generator, dir, base, text)?;
    Ok(generator)
}

/// Reads base, text encoder and weight generator side by side, and checks them as [`load_generator`]
/// does: what a cold start waits for.
///
/// # Errors
/// As [`load_generator`]; of several the base's or the encoder's.
pub fn load_all(
    assets: &AssetArgs,
    text: &TextArgs,
    device: &Device,
) -> Result<(BaseGenerator, Text, WeightGenerator)> {
    let dir = assets.generator_dir();
    std::thread::scope(|scope| {
        let generator = scope.spawn(|| WeightGenerator::load(&dir, device));
        let base = assets.load_base(device)?;
        let text = text.load(device)?;
        let generator = match generator.join() {
            Ok(generator) => generator?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        check_generator(&generator, &dir, &base, &text)?;
        Ok((base, text, generator))
    })
}

fn check_generator(
    generator: &WeightGenerator,
    dir: &Path,
    base: &BaseGenerator,
    text: &Text,
) -> Result<()> {
    generator.check_text(&text.spec())?;
    generator.check_layout(&layout_of(base, generator.layout().block_size())?)?;
    if generator.base_digest() != base.digest {
        return Err(format!(
            "{}: this weight generator makes adapters for base {}, not {}; use that base, or train a generator on a zoo of this one",
            dir.display(),
            generator.base_digest(),
            base.digest
        )
        .into());
    }
    Ok(())
}

/// One denoising step from a prompt to all LoRA weights.
pub struct Denoised<'a> {
    name: &'static str,
    generator: &'a WeightGenerator,
    text: &'a Text,
    options: SampleOptions,
    device: Device,
    /// Asked for in place of the concept's own prompt.
    other_prompt: Option<String>,
    last: RefCell<Option<Prediction>>,
}

impl<'a> Denoised<'a> {
    /// Predicts from the concept's prompt.
    pub fn new(
        generator: &'a WeightGenerator,
        text: &'a Text,
        options: SampleOptions,
        device: &Device,
    ) -> Self {
        Self {
            name: "denoised",
            generator,
            text,
            options,
            device: device.clone(),
            other_prompt: None,
            last: RefCell::new(None),
        }
    }

    /// Predicts from `prompt` whatever the concept is: shows whether the text matters.
    pub fn with_wrong_prompt(mut self, prompt: &str) -> Self {
        self.name = "wrong_prompt";
        self.other_prompt = Some(prompt.to_owned());
        self
    }

    /// The last prediction, with its norm beside the zoo's.
    pub fn take_prediction(&self) -> Option<Prediction> {
        self.last.take()
    }
}

impl Initializer for Denoised<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        let prompt = self.other_prompt.as_deref().unwrap_or(prompt);
        let predict = || -> Result<Prediction> {
            let tokens = self.text.tokens(prompt, &self.device)?;
            Ok(self
                .generator
                .predict(&tokens, &self.options, &self.device)?)
        };
        let prediction = predict().map_err(|source| finetune::Error::Initializer {
            name: self.name.to_owned(),
            source,
        })?;
        let weights = prediction.weights.clone();
        self.last.replace(Some(prediction));
        Ok(Start {
            weights,
            origin: self.other_prompt.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        assets: AssetArgs,
        #[command(flatten)]
        text: TextArgs,
    }

    /// What an example with these arguments does before it predicts.
    fn load(arguments: &[&str]) -> Result<WeightGenerator> {
        let args = Args::parse_from([&["example"], arguments].concat());
        let device = Device::flex();
        Ok(load_all(&args.assets, &args.text, &device)?.2)
    }

    fn refusal(arguments: &[&str]) -> String {
        load(arguments).err().unwrap().to_string()
    }

    #[test]
    fn a_generator_takes_prompts_of_its_own_encoder_only() {
        assert!(load(&[]).is_ok());
        assert!(load(&["--text-encoder", "static"]).is_ok());
        let fixtures = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../crates/text-encoder/tests/fixtures"
        );
        for (folder, found) in [("bert", "bert-mean-32"), ("clip-sd2", "clip-text-24")] {
            let text = refusal(&["--text-encoder", &format!("{fixtures}/{folder}")]);
            assert!(
                text.contains("trained with text encoder static-minilm-128"),
                "{text}"
            );
            assert!(
                text.contains(found) && text.contains("use that encoder"),
                "{text}"
            );
        }
        let text = refusal(&["--text-encoder", &format!("{fixtures}/nowhere")]);
        assert!(text.contains("nowhere/config.json"), "{text}");
    }
}
