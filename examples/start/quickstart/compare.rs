//! One concept, fine-tuned from each of the starts.

use std::collections::BTreeMap;
use std::path::Path;

use clean_fid::EfficientNetLite0;
use concepts::Split;
use denoised_weights::comparison::{Comparison, ConceptReport, Measurement, Outcome};
use denoised_weights::pairs::{ConceptPairs, concepts_of};
use denoised_weights::starts::{StartKind, Starts};
use denoised_weights::weights::zoo_distance;
use denoised_weights::{AdapterPredictor, Preset};
use denoised_weights_examples::Result;
use denoised_weights_examples::limits::pair_limits;
use denoised_weights_examples::progress::Progress;
use result_figures::{Column, write_grid};
use weight_blocks::Zoo;

use super::args::Args;
use super::output::{print_prediction, write_curves};

/// What all concepts share.
pub(crate) struct Bench<'a> {
    pub args: &'a Args,
    /// The starts that are compared.
    pub methods: Vec<StartKind>,
    pub predictor: &'a AdapterPredictor,
    pub zoo: &'a Zoo,
    /// Its features decide about the quality.
    pub network: &'a EfficientNetLite0,
}

impl Bench<'_> {
    /// Trains the adapter of one concept from each start, and writes pictures and weights into `dir`.
    pub(crate) fn compare(&self, pairs: &ConceptPairs, dir: &Path) -> Result<ConceptReport> {
        let Self {
            args, predictor, ..
        } = *self;
        let (train, test) = (pairs.train.len(), pairs.test.len());
        println!(
            "\n{} ({:?}): {train} training pairs, {test} test pairs",
            pairs.name, pairs.prompt
        );
        for note in pair_limits(pairs, ["--n-train", "--n-test"]) {
            println!("{note}");
        }
        let recipe = args.recipe(Preset::of(&predictor.base().config));
        let (base, device) = (&predictor.prompted_base(&pairs.prompt)?, predictor.device());
        let comparison = Comparison::new(base, pairs, self.network, &recipe, device)?;
        let mut columns = Vec::from(Column::of_pairs(&pairs.shown));
        let mut methods = BTreeMap::new();
        let per_start = recipe.epochs as u64 + 1;
        let mut progress = Progress::new("train", self.methods.len() as u64 * per_start, 0);
        for (index, &kind) in (0..).zip(&self.methods) {
            let done = index * per_start;
            let outcome = self.train(&comparison, kind, pairs, &mut progress, done)?;
            let name = kind.name();
            if kind == StartKind::Denoised {
                base.save_adapter(dir.join("start.safetensors"), &outcome.start)?;
                base.save_adapter(dir.join("adapter.safetensors"), &outcome.trained)?;
            }
            columns.push(Column::new(format!("{name}\nat 0"), outcome.before));
            let after = format!("{name}\nepoch {}", recipe.epochs);
            columns.push(Column::new(after, outcome.after));
            methods.insert(name.to_owned(), outcome.report);
        }
        progress.finish();
        let concept = ConceptReport::new(pairs, args.common.seed, methods);
        write_grid(&dir.join("grid.png"), &columns)?;
        write_curves(&dir.join("curves.svg"), &comparison.metric_name(), &concept)?;
        Ok(concept)
    }

    fn train(
        &self,
        comparison: &Comparison<'_>,
        kind: StartKind,
        pairs: &ConceptPairs,
        progress: &mut Progress,
        done: u64,
    ) -> Result<Outcome> {
        let generator = self.predictor.generator();
        let starts = Starts {
            predictor: self.predictor,
            generator,
            zoo: self.zoo,
            pairs: &pairs.train,
            options: (self.args.sampling).options(generator, self.args.common.seed),
            seed: self.args.common.seed,
        };
        let observe = |point: &Measurement| {
            let (epoch, quality) = (point.epoch, point.quality);
            let note = format!("{} epoch {epoch:.2}: {quality:.2}", kind.name());
            progress.set(done + epoch as u64, note);
        };
        if kind != StartKind::Denoised {
            let test = concepts_of(Split::Test).into_iter();
            let prompts: Vec<String> = test.map(|concept| concept.prompt).collect();
            let start = starts.make(kind, &pairs.prompt, &prompts)?;
            return Ok(comparison.fine_tune(&*start, observe)?);
        }
        let start = starts.denoised();
        let mut outcome = comparison.fine_tune(&start, observe)?;
        let closest = zoo_distance(&outcome.start, self.zoo)?;
        print_prediction(progress, start.take_prediction(), closest.as_ref());
        outcome.report.zoo_distance = closest.map(|(distance, _)| distance);
        Ok(outcome)
    }
}
