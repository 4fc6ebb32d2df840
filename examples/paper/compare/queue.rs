//! The runs, shared among processes.

use std::collections::VecDeque;

use denoised_weights::Preset;
use denoised_weights::comparison::Measurement;
use denoised_weights::pairs::{ConceptSource, PhotoSplits};
use denoised_weights_examples::Result;
use denoised_weights_examples::limits::pair_limits;
use denoised_weights_examples::progress::Progress;

use crate::args::Args;
use crate::measure::{Bench, Method};
use crate::store::Store;

/// Measures what is missing: of every seed, every concept, every method.
pub(crate) fn measure_all(
    args: &Args,
    bench: &Bench,
    subjects: &[ConceptSource],
    methods: &[Method],
    seeds: &[u64],
) -> Result<()> {
    let size = bench.predictor.base().config.image_size;
    let photos = match &args.pairs {
        Some(_) => None,
        None => Some(PhotoSplits::read(&args.paths().photos, size)?),
    };
    let runs: Vec<(&ConceptSource, u64)> = seeds
        .iter()
        .flat_map(|&seed| subjects.iter().map(move |subject| (subject, seed)))
        .collect();
    let total = runs.len() * methods.len();
    let store = |subject: &ConceptSource, seed| Store::new(&args.out, subject.name(), seed);
    let missing = |store: &Store| -> Vec<&Method> {
        methods.iter().filter(|m| !store.has(&m.name())).collect()
    };
    let todo: usize = (runs.iter())
        .map(|(subject, seed)| missing(&store(subject, *seed)).len())
        .sum();
    let mut done = (total - todo) as u64;
    let mut progress = Progress::new("compare", total as u64, done);
    // Runs that another process is measuring come again at the end.
    let mut queue: VecDeque<_> = runs.into_iter().map(|run| (run, false)).collect();
    while let Some(((subject, seed), wait)) = queue.pop_front() {
        let store = store(subject, seed);
        if missing(&store).is_empty() {
            continue;
        }
        let lock = if wait {
            Some(store.lock()?)
        } else {
            store.try_lock()?
        };
        let Some(_lock) = lock else {
            queue.push_back(((subject, seed), true));
            continue;
        };
        // The other process may have measured everything meanwhile.
        let missing = missing(&store);
        if missing.is_empty() {
            continue;
        }
        let (measured, counts, device) = (args.measured(), args.counts(), bench.predictor.device());
        let mut pairs = subject.pairs(photos.as_ref(), measured, counts, size, device)?;
        if args.cluster {
            pairs = pairs.clustered(args.n_train, &bench.network, seed)?;
        }
        store.add_pairs(&pairs)?;
        if seeds.first() == Some(&seed) {
            for note in pair_limits(&pairs, ["--n-train", "--n-test"]) {
                progress.line(&format!("{}: {note}", pairs.name));
            }
        }
        for method in missing {
            let label = format!("{} seed {seed} {}", pairs.name, method.name());
            let preset = Preset::of(&bench.predictor.base().config);
            let recipe = args.recipe(method, seed, preset);
            bench.measure(method, &pairs, &recipe, &store, |point| {
                progress.set(done, format!("{label} {}", note(point)));
            })?;
            done += 1;
            progress.set(done, label);
        }
    }
    progress.finish();
    Ok(())
}

fn note(point: &Measurement) -> String {
    format!("epoch {:.2}: {:.1}", point.epoch, point.quality)
}
