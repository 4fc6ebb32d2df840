//! One method on one concept with one seed.

use burn::tensor::Device;
use clean_fid::EfficientNetLite0;
use denoised_weights_examples::assets::Text;
use denoised_weights_examples::baseline::{self, CURVE, Network};
use denoised_weights_examples::data::ConceptPairs;
use denoised_weights_examples::identity::claim;
use denoised_weights_examples::report::MethodReport;
use denoised_weights_examples::rivals::{Setup, fine_tune, zoo_distance};
use denoised_weights_examples::starts::{StartKind, Starts};
use denoised_weights_examples::{Result, files};
use finetune::{HeldOut, Initializer, Recipe};
use lora_gan::BaseGenerator;
use weight_blocks::Zoo;
use weight_diffusion::WeightGenerator;

use crate::store::{Store, Strip};

/// A method by its name in reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    /// The base with an adapter.
    Start(StartKind),
    /// A network from scratch.
    Scratch(Network),
    /// The generated start, fine-tuned with the L1 alone.
    WithoutGan,
    /// Another weight generator, by its place among those given.
    Also(usize, String),
}

impl Method {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Start(kind) => kind.name(),
            Self::Scratch(network) => network.name(),
            Self::WithoutGan => "denoised_l1".to_owned(),
            Self::Also(_, name) => format!("denoised:{name}"),
        }
    }
}

/// What all runs share.
pub(crate) struct Bench {
    pub device: Device,
    pub base: BaseGenerator,
    pub text: Text,
    pub generator: WeightGenerator,
    pub also: Vec<WeightGenerator>,
    pub zoo: Zoo,
    pub network: EfficientNetLite0,
    /// Prompts of the run, of which the least similar is the wrong one.
    pub prompts: Vec<String>,
}

impl Bench {
    /// Trains and measures `method` and adds it to the store.
    pub(crate) fn measure(
        &self,
        method: &Method,
        pairs: &ConceptPairs,
        recipe: &Recipe,
        store: &Store,
        mut observe: impl FnMut(f64, f64),
    ) -> Result<()> {
        let held_out = HeldOut::new(&self.network, &pairs.test)?;
        let shown = pairs.shown_photos(self.base.config.image_size, &self.device)?;
        let setup = Setup {
            base: &self.base.generator,
            pairs,
            shown: &shown,
            held_out: &held_out,
            recipe,
            device: &self.device,
        };
        let (generator, kind) = match method {
            Method::Scratch(network) => return scratch(*network, &setup, store, observe),
            Method::Start(kind) => (&self.generator, *kind),
            Method::WithoutGan => (&self.generator, StartKind::Denoised),
            Method::Also(index, name) => {
                let generator = self.also.get(*index);
                let missing = || format!("there is no weight generator {name}");
                (generator.ok_or_else(missing)?, StartKind::Denoised)
            }
        };
        let embed = |prompt: &str| self.text.pooled(prompt);
        let mut options = generator.defaults();
        options.seed = recipe.seed;
        let starts = Starts {
            base: &self.base,
            text: &self.text,
            generator,
            zoo: &self.zoo,
            embed: &embed,
            options,
            seed: recipe.seed,
            device: &self.device,
        };
        let start: Box<dyn Initializer + '_> = starts.make(kind, &pairs.prompt, &self.prompts)?;
        let mut outcome = fine_tune(&*start, &setup, |epoch, point| {
            observe(epoch, point.quality)
        })?;
        if kind == StartKind::Denoised {
            outcome.report.zoo_distance =
                zoo_distance(&outcome.start, &self.zoo)?.map(|(distance, _)| distance);
        }
        let strip = Strip {
            before: outcome.before,
            after: outcome.after,
        };
        store.add(&method.name(), &outcome.report, &strip)
    }
}

/// Networks that take longer go on from their last epoch.
fn scratch(
    network: Network,
    setup: &Setup<'_>,
    store: &Store,
    mut observe: impl FnMut(f64, f64),
) -> Result<()> {
    let name = network.name();
    let state = store.state(&name);
    let begun = state.join(CURVE).exists();
    let of = serde_json::json!({ "recipe": setup.recipe });
    claim(&state.join("run.json"), begun, &of)?;
    let trained = baseline::train(network, setup, &state, |point| {
        observe(point.epoch, point.quality);
    })?;
    let report = MethodReport {
        predict_seconds: 0.0,
        start_norm: None,
        origin: None,
        zoo_distance: None,
        final_quality: (trained.curve.last()).map_or(f64::NAN, |point| point.quality),
        curve: trained.curve,
        seconds_to_zero_final: None,
    };
    let strip = Strip {
        before: trained.untrained,
        after: trained.edited,
    };
    store.add(&name, &report, &strip)?;
    files::discard(&state)
}
