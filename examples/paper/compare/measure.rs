//! One method on one concept with one seed.

use clean_fid::EfficientNetLite0;
use denoised_weights::AdapterPredictor;
use denoised_weights::comparison::baselines::{self, Baseline, CURVE_FILE};
use denoised_weights::comparison::{Comparison, Measurement, MethodReport};
use denoised_weights::pairs::ConceptPairs;
use denoised_weights::run::claim;
use denoised_weights::starts::{StartKind, Starts};
use denoised_weights::weights::zoo_distance;
use denoised_weights_examples::{Result, files};
use finetune::Recipe;
use weight_blocks::Zoo;
use weight_diffusion::WeightGenerator;

use crate::store::{Store, Strip};

/// A method by its name in reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    /// The base with an adapter.
    Start(StartKind),
    /// A network from scratch.
    Scratch(Baseline),
    /// The generated start, fine-tuned with the L1 loss alone.
    WithoutGan,
    /// Another weight generator, by its index in `--also`.
    Also(usize, String),
}

impl Method {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Start(kind) => kind.name().to_owned(),
            Self::Scratch(network) => network.name().to_owned(),
            Self::WithoutGan => "denoised_l1".to_owned(),
            Self::Also(_, name) => format!("denoised:{name}"),
        }
    }
}

/// What all runs share.
pub(crate) struct Bench {
    pub predictor: AdapterPredictor,
    pub also: Vec<WeightGenerator>,
    pub zoo: Zoo,
    pub network: EfficientNetLite0,
    /// Prompts, of which the least similar one serves as the wrong prompt.
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
        observe: impl FnMut(&Measurement),
    ) -> Result<()> {
        let device = self.predictor.device();
        let base = self.predictor.prompted_base(&pairs.prompt)?;
        let comparison = Comparison::new(&base, pairs, &self.network, recipe, device)?;
        let own = self.predictor.generator();
        let (generator, kind) = match method {
            Method::Scratch(network) => return scratch(*network, &comparison, store, observe),
            Method::Start(kind) => (own, *kind),
            Method::WithoutGan => (own, StartKind::Denoised),
            Method::Also(index, name) => {
                let generator = self.also.get(*index);
                let missing = || format!("there is no weight generator {name}");
                (generator.ok_or_else(missing)?, StartKind::Denoised)
            }
        };
        let mut options = generator.defaults();
        options.seed = recipe.seed;
        let starts = Starts {
            predictor: &self.predictor,
            generator,
            zoo: &self.zoo,
            pairs: &pairs.train,
            options,
            seed: recipe.seed,
        };
        let start = starts.make(kind, &pairs.prompt, &self.prompts)?;
        let mut outcome = comparison.fine_tune(&*start, observe)?;
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

/// Trains a network from scratch, from its last saved epoch on.
fn scratch(
    network: Baseline,
    comparison: &Comparison<'_>,
    store: &Store,
    observe: impl FnMut(&Measurement),
) -> Result<()> {
    let name = network.name();
    let state = store.state(name);
    let begun = state.join(CURVE_FILE).exists();
    let of = serde_json::json!({ "recipe": comparison.recipe() });
    claim(&state.join("run.json"), begun, &of)?;
    let trained = baselines::train(network, comparison, &state, observe)?;
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
    store.add(name, &report, &strip)?;
    Ok(files::discard(&state)?)
}
