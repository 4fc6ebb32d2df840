//! The thread that trains.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use clean_fid::FeatureNet;
use concepts::images::encode_png;
use denoised_weights::comparison::{ComparisonReport, ConceptReport, Measurement, MethodReport};
use denoised_weights::pairs::{ConceptPairs, PairCounts};
use denoised_weights::run::write_json;
use denoised_weights::starts::{AutoChoice, Starts};
use denoised_weights::weights::norm;
use denoised_weights::{Error, Preset, SavedFineTuning};
use finetune::{Evaluator, Initializer, Recipe, Zero, tensor_to_images, translate};
use image::RgbImage;
use weight_blocks::WeightSpace;

use super::progress::Curve;
use super::{Run, State, Trainings};
use crate::workbench::Workbench;

/// Training pairs, test pairs, and test pairs that the page shows; the first two as `your_style` has them.
const COUNTS: PairCounts = PairCounts {
    train: 64,
    test: 60,
    shown: 3,
};

/// The predicted start, and E²GAN's.
const METHODS: [&str; 2] = ["auto", "zero"];

pub(super) fn start(trainings: Arc<Trainings>, bench: Arc<Workbench>) -> Option<JoinHandle<()>> {
    let body = move || {
        while let Some(run) = trainings.next() {
            let trained = catch_unwind(AssertUnwindSafe(|| train(&trainings, &run, &bench)));
            match trained {
                Ok(Ok(state)) => run.end(state, None),
                Ok(Err(error)) => run.end(State::Failed, Some(error.to_string())),
                Err(_) => {
                    let message = "the training broke off; the server's output says why";
                    run.end(State::Failed, Some(message.to_owned()));
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("training".into());
    match thread.spawn(body) {
        Ok(thread) => Some(thread),
        Err(error) => {
            log::error!("no thread for trainings: {error}");
            None
        }
    }
}

/// Trains until the last epoch, or until something else is asked for; gives what the training became.
fn train(trainings: &Trainings, run: &Run, bench: &Workbench) -> Result<State, Error> {
    let (predictor, spec) = (bench.predictor(), run.spec());
    let (base, device) = (&predictor.prompted_base(&spec.prompt)?, predictor.device());
    let size = bench.size();
    let pairs = ConceptPairs::folder(&run.files.pairs(), &spec.prompt, COUNTS, size, device)?;
    let network = bench.paths().load_feature_network(device)?;
    let session = Session {
        trainings,
        run,
        device: bench.setup().device(),
        shown: pairs.shown_photos(size, device)?,
        evaluator: Evaluator::new(&network, &pairs.test)?,
        pairs: &pairs,
    };
    let (inputs, targets): (Vec<_>, Vec<_>) = pairs.shown.iter().cloned().unzip();
    run.set_pictures("input", encode(&inputs)?)?;
    run.set_pictures("target", encode(&targets)?)?;

    let recipe = Recipe {
        epochs: spec.epochs,
        seed: spec.seed,
        ..Preset::of(&base.config).fine_tuning()
    };
    let zero = Zero::new(base.generator.read_weights()?);
    let generator = predictor.generator();
    // The noise of the prediction has the training's seed, too, as in `your_style`.
    let mut options = generator.defaults();
    options.seed = spec.seed;
    let auto = Starts {
        predictor,
        generator,
        zoo: bench.zoo(),
        pairs: &pairs.train,
        options,
        seed: spec.seed,
    };
    let auto = auto.auto();
    let starts: [&dyn Initializer; 2] = [&auto, &zero];
    let count = if spec.rival { 2 } else { 1 };
    let mut tunings = Vec::new();
    for (name, start) in METHODS.into_iter().zip(starts).take(count) {
        let started = Instant::now();
        let dir = run.files.method(name);
        let tuning = SavedFineTuning::open(base, start, &pairs.train, &recipe, &dir)?;
        let seconds = started.elapsed().as_secs_f64();
        session.measure(name, &tuning, seconds, auto.take_choice())?;
        tunings.push((name, tuning));
    }
    while tunings.iter().any(|(_, tuning)| !tuning.is_finished()) {
        let mut next = Vec::new();
        for (name, tuning) in tunings {
            if tuning.is_finished() {
                next.push((name, tuning));
                continue;
            }
            let (done, epochs) = (tuning.trainer().epochs_done(), count * spec.epochs);
            run.set_step(count * done + next.len(), epochs);
            let Some((tuning, _)) = tuning.epoch(|| session.goes_on())? else {
                return session.interrupted();
            };
            session.measure(name, &tuning, 0.0, None)?;
            if name == METHODS[0] {
                base.save_adapter(run.files.adapter(), &tuning.trainer().adapter()?)?;
            }
            next.push((name, tuning));
        }
        tunings = next;
    }
    session.report(&network)?;
    Ok(State::Finished)
}

/// What the methods of one training share.
struct Session<'a> {
    trainings: &'a Trainings,
    run: &'a Run,
    /// The device's name.
    device: &'a str,
    pairs: &'a ConceptPairs,
    shown: denoised_weights::burn::tensor::Tensor<4>,
    evaluator: Evaluator<'a>,
}

impl Session<'_> {
    fn goes_on(&self) -> bool {
        self.run.asked().is_none() && !self.trainings.is_closing()
    }

    /// What a training that was given up becomes. One that the server's end cuts off waits for the next server.
    fn interrupted(&self) -> Result<State, Error> {
        Ok(self.run.asked().unwrap_or(State::Waiting))
    }

    /// Measures after the last epoch, unless the curve has that point, and draws the shown photos.
    fn measure(
        &self,
        name: &str,
        tuning: &SavedFineTuning,
        seconds: f64,
        choice: Option<AutoChoice>,
    ) -> Result<(), Error> {
        let trainer = tuning.trainer();
        let (generator, done) = (trainer.generator(), trainer.epochs_done() as f64);
        let mut curves = self.run.curves();
        let curve = curves.entry(name.to_owned()).or_default();
        // A server that was killed may have saved a state without its point, or the other way round.
        curve.points.retain(|point| point.epoch <= done);
        if curve.points.is_empty() {
            let start_norm = norm(&trainer.adapter()?);
            *curve = Curve {
                predict_seconds: seconds,
                start_norm,
                origin: choice.map(|choice| choice.candidates[0].name.clone()),
                points: Vec::new(),
            };
        }
        if curve.points.last().is_none_or(|point| point.epoch < done) {
            let quality = self.evaluator.measure(&generator)?;
            let seconds = curve.predict_seconds + trainer.train_seconds();
            curve.points.push(Measurement::new(done, seconds, &quality));
        }
        self.run.files.save_curves(&curves)?;
        let images = tensor_to_images(translate(&generator, &self.shown)?);
        self.run.set_pictures(name, encode(&images)?)?;
        self.run.set_curves(curves);
        Ok(())
    }

    /// `report.json`, as `your_style` writes it.
    fn report(&self, network: &dyn FeatureNet) -> Result<(), Error> {
        let seed = self.run.spec().seed;
        let mut methods = BTreeMap::new();
        for (name, curve) in self.run.curves() {
            let report = MethodReport {
                predict_seconds: curve.predict_seconds,
                start_norm: Some(curve.start_norm),
                origin: curve.origin,
                zoo_distance: None,
                final_quality: curve.points.last().map_or(f64::NAN, |point| point.quality),
                curve: curve.points,
                seconds_to_zero_final: None,
            };
            methods.insert(name, report);
        }
        let quality = network.metric_name("frechet");
        let mut report = ComparisonReport::new(seed, self.device, &quality);
        report.add(ConceptReport::new(self.pairs, seed, methods));
        write_json(&self.run.files.report(), &report)
    }
}

fn encode(images: &[RgbImage]) -> Result<Vec<Vec<u8>>, Error> {
    let png = |image| Ok(encode_png(image, Path::new("preview.png"))?);
    images.iter().map(png).collect()
}
