//! Collecting concepts into a zoo.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor};
use clean_fid::FeatureNet;
use denoised_weights::collecting::{CollectEvent, CollectOptions, Collector, collect};
use denoised_weights::pairs::{ConceptSource, PairCounts, read_prompt, training_sources};
use denoised_weights::run::Lock;
use denoised_weights::{Error, PromptEncoder};
use finetune::Recipe;
use weight_blocks::{
    Checkpoint, ConceptRecord, GroupingRule, Layout, ModuleSpace, NamedTensors, WeightSpace, Zoo,
};

use crate::common::{Quarters, pair_folder, photo, tiny_prompted_base, tiny_recipe};

const COUNTS: PairCounts = PairCounts {
    train: 8,
    test: 2,
    shown: 0,
};

fn sources(root: &Path) -> Vec<(String, ConceptSource)> {
    pair_folder(root, "ink", "ink drawing");
    pair_folder(root, "fog", "morning fog");
    training_sources(Some(root), &[]).unwrap()
}

/// Collects and gives the number of concepts that this call trained.
fn collect_pairs(dir: &Path, sources: &[(String, ConceptSource)]) -> usize {
    collect_with(options(2), dir, sources)
}

fn collect_with(options: CollectOptions, dir: &Path, sources: &[(String, ConceptSource)]) -> usize {
    let (base, encoder) = (tiny_prompted_base(), PromptEncoder::embedded().unwrap());
    let mut collector = open(dir, &base, &encoder, options).unwrap();
    collector.collect(sources, None, |_| ()).unwrap()
}

fn options(keep: usize) -> CollectOptions {
    CollectOptions {
        recipe: tiny_recipe(3),
        keep,
        plateau: None,
        counts: COUNTS,
    }
}

fn open<'a>(
    dir: &Path,
    base: &'a lora_gan::BaseGenerator,
    encoder: &'a PromptEncoder,
    options: CollectOptions,
) -> Result<Collector<'a>, Error> {
    Collector::open(dir, base, encoder, &Quarters, options, &Device::flex())
}

fn contents(dir: &Path) -> Vec<(String, usize, NamedTensors)> {
    let zoo = Zoo::open(dir).unwrap();
    let mut all: Vec<_> = (zoo.entries().iter())
        .map(|entry| (entry.concept.clone(), entry.epoch, zoo.load(entry).unwrap()))
        .collect();
    all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    all
}

#[test]
fn a_zoo_collected_in_two_runs_is_that_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(&dir.path().join("pairs"));
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    assert_eq!(collect_pairs(&whole, &sources), 2);
    assert_eq!(collect_pairs(&parts, &sources[1..]), 1);
    assert_eq!(collect_pairs(&parts, &sources), 1);
    assert_eq!(collect_pairs(&parts, &sources), 0);
    let found = contents(&whole);
    assert_eq!(found, contents(&parts));
    let names: Vec<_> = found
        .iter()
        .map(|(name, epoch, _)| (name.as_str(), *epoch))
        .collect();
    assert_eq!(names, [("fog", 2), ("fog", 3), ("ink", 2), ("ink", 3)]);
    assert!(!whole.join("work").exists(), "states are removed");
    let zoo = Zoo::open(&whole).unwrap();
    assert_eq!(zoo.entries()[0].prompt, "morning fog");
    assert!(zoo.entries()[0].metrics.contains_key("l1"));
}

/// [`Quarters`] until the file or folder exists; then measuring ends the process, as it were.
struct KilledOnce(PathBuf);

impl FeatureNet for KilledOnce {
    fn name(&self) -> &str {
        Quarters.name()
    }

    fn width(&self) -> usize {
        Quarters.width()
    }

    fn features(&self, images: Tensor<4>) -> Result<Tensor<2>, clean_fid::Error> {
        assert!(!self.0.exists(), "killed");
        Quarters.features(images)
    }
}

#[test]
fn an_interrupted_concept_goes_on_only_with_the_same_options_and_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = dir.path().join("pairs");
    let sources = sources(&pairs);
    let (whole, zoo) = (dir.path().join("whole"), dir.path().join("zoo"));
    let (base, encoder) = (tiny_prompted_base(), PromptEncoder::embedded().unwrap());
    collect_pairs(&whole, &sources);

    let fog = zoo.join("work/fog");
    let network = KilledOnce(fog.join("state/at-000001"));
    let device = Device::flex();
    let mut collector =
        Collector::open(&zoo, &base, &encoder, &network, options(2), &device).unwrap();
    let killed = catch_unwind(AssertUnwindSafe(|| {
        collector.collect(&sources, None, |_| ())
    }));
    assert!(killed.is_err());

    let refused = |options, difference: &str| {
        let mut collector = open(&zoo, &base, &encoder, options).unwrap();
        let error = collector.collect(&sources, None, |_| ()).unwrap_err();
        assert!(matches!(error, Error::OtherRun { .. }), "{error}");
        assert!(error.to_string().contains(difference), "{error}");
    };
    refused(options(3), "keep: was 2, now 3");
    let plateau = CollectOptions {
        plateau: Some(0.5),
        ..options(2)
    };
    refused(plateau, "plateau: was null, now 0.5");
    let fewer = CollectOptions {
        counts: PairCounts { train: 4, ..COUNTS },
        ..options(2)
    };
    refused(fewer, "train_pairs: was 8, now 4");
    photo(16, 16, 20)
        .save(pairs.join("fog/target/0.png"))
        .unwrap();
    refused(options(2), "train_pairs_sha256: was");
    pair_folder(&pairs, "fog", "morning fog");

    let (record, away) = (fog.join("run.json"), dir.path().join("run.json"));
    std::fs::rename(&record, &away).unwrap();
    let mut collector = open(&zoo, &base, &encoder, options(2)).unwrap();
    let error = collector.collect(&sources, None, |_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::NoRunRecord { path, .. } if *path == record),
        "{error}"
    );
    std::fs::rename(&away, &record).unwrap();
    assert_eq!(collect_pairs(&zoo, &sources), 2);
    assert_eq!(contents(&zoo), contents(&whole));
}

#[test]
fn a_zoo_takes_no_concept_of_another_recipe_or_seed() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(&dir.path().join("pairs"));
    let zoo = dir.path().join("zoo");
    assert_eq!(collect_pairs(&zoo, &sources[..1]), 1);
    let (base, encoder) = (tiny_prompted_base(), PromptEncoder::embedded().unwrap());
    let refused = |change: fn(&mut Recipe), difference: &str| {
        let mut other = options(2);
        change(&mut other.recipe);
        let error = open(&zoo, &base, &encoder, other).unwrap_err();
        assert!(
            matches!(&error, Error::OtherRecipe { path, .. } if *path == zoo),
            "{error}"
        );
        assert!(error.to_string().contains(difference), "{error}");
    };
    refused(|recipe| recipe.epochs = 4, "  epochs: was 3, now 4");
    refused(|recipe| recipe.seed = 9, "  seed: was 0, now 9");
    refused(
        |recipe| recipe.lr_generator = 0.5,
        "  lr_generator: was 0.002, now 0.5",
    );
    // The folders of two concepts may hold different numbers of pairs.
    let fewer = CollectOptions {
        counts: PairCounts { train: 4, ..COUNTS },
        ..options(2)
    };
    assert_eq!(collect_with(fewer, &zoo, &sources), 1);
    // A field that had no name when the zoo was made has its default.
    let record = zoo.join(format!("concepts/{}.json", sources[0].0));
    let text = std::fs::read_to_string(&record).unwrap();
    let older: String = (text.lines())
        .filter(|line| !line.contains("\"gan_loss\""))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(older, text);
    std::fs::write(&record, older).unwrap();
    assert_eq!(collect_pairs(&zoo, &sources), 0);
}

#[test]
fn a_concept_ends_at_its_plateau_with_the_weights_it_has_there() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(&dir.path().join("pairs"));
    let (all, early) = (dir.path().join("all"), dir.path().join("early"));
    collect_with(options(3), &all, &sources);
    let plateau = CollectOptions {
        plateau: Some(0.99),
        ..options(1)
    };
    assert_eq!(collect_with(plateau, &early, &sources), 2);
    let second: Vec<_> = (contents(&all).into_iter())
        .filter(|(_, epoch, _)| *epoch == 2)
        .collect();
    assert_eq!(second.len(), 2);
    assert_eq!(contents(&early), second, "no epoch gains 99 %");
    let zoos = [&all, &early].map(|dir| Zoo::open(dir).unwrap());
    assert_eq!(zoos[0].entries()[1].metrics, zoos[1].entries()[0].metrics);
}

#[test]
fn a_plateau_needs_a_share_and_constant_learning_rates() {
    let dir = tempfile::tempdir().unwrap();
    let (base, encoder) = (tiny_prompted_base(), PromptEncoder::embedded().unwrap());
    for (gain, decay) in [(1.0, 0.0), (-0.1, 0.0), (f64::NAN, 0.0), (0.02, 0.5)] {
        let mut options = options(1);
        options.plateau = Some(gain);
        options.recipe.decay = decay;
        let error = open(&dir.path().join("zoo"), &base, &encoder, options).unwrap_err();
        assert!(matches!(error, Error::Plateau { .. }), "{error}");
    }
}

#[test]
fn a_concept_that_another_process_trains_comes_last() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(&dir.path().join("pairs"));
    let zoo = dir.path().join("zoo");
    let (base, encoder) = (tiny_prompted_base(), PromptEncoder::embedded().unwrap());
    let mut collector = open(&zoo, &base, &encoder, options(1)).unwrap();
    let mut other = Lock::try_take(zoo.join("work/fog.lock")).unwrap();
    assert!(other.is_some());
    let mut events = Vec::new();
    let trained = collector.collect(&sources, None, |event| match event {
        CollectEvent::Busy { concept } => {
            events.push(format!("{concept} busy"));
            // The other process is killed.
            other = None;
        }
        CollectEvent::Begin { given, .. } => {
            assert_eq!((given.train, given.test), (8, 2));
        }
        CollectEvent::Collected { concept, metrics } => {
            assert!(metrics["l1"].is_finite());
            events.push(concept.to_owned());
        }
    });
    assert_eq!(trained.unwrap(), 2);
    assert_eq!(events, ["fog busy", "ink", "fog"]);
}

#[test]
fn concepts_without_pairs_photos_or_epochs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (base, encoder) = (tiny_prompted_base(), PromptEncoder::embedded().unwrap());
    for keep in [0, 4] {
        let error = open(&dir.path().join("zoo"), &base, &encoder, options(keep)).unwrap_err();
        assert!(
            matches!(error, Error::KeptCheckpoints { epochs: 3, .. }),
            "{error}"
        );
    }
    assert!(
        !dir.path().join("zoo").exists(),
        "nothing is created before that"
    );
    let list = training_sources(None, &["charcoal-sketch".into()]).unwrap();
    let mut collector = open(&dir.path().join("zoo"), &base, &encoder, options(1)).unwrap();
    let error = collector.collect(&list, None, |_| ()).unwrap_err();
    assert!(matches!(error, Error::NoPhotos { .. }), "{error}");
    let held_out = training_sources(None, &["teal-charcoal-sketch".into()]);
    assert!(matches!(held_out, Err(Error::HeldOutConcept { .. })));
    let root = dir.path().join("pairs");
    sources(&root);
    let missing = training_sources(Some(&root), &["rain".into()]);
    assert!(matches!(missing, Err(Error::NoConceptFolder { .. })));
    std::fs::write(root.join("ink/prompt.txt"), "\u{feff} \n# nothing\r\n").unwrap();
    let empty = training_sources(Some(&root), &[]);
    assert!(matches!(empty, Err(Error::EmptyPrompt { .. })));
    std::fs::remove_file(root.join("ink/prompt.txt")).unwrap();
    let none = training_sources(Some(&root), &[]);
    assert!(matches!(none, Err(Error::NoPrompt { .. })));
}

#[test]
fn a_prompt_is_read_as_any_editor_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompt.txt");
    for text in [
        "ink drawing",
        "\u{feff}ink drawing\r\n",
        "# my style\nink drawing\n",
        "\u{feff}# my style\r\nink\r\ndrawing\r\n",
    ] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(read_prompt(dir.path()).unwrap(), "ink drawing", "{text:?}");
    }
    let utf16: Vec<u8> = ("\u{feff}ink drawing\r\n".encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    std::fs::write(&path, utf16).unwrap();
    let error = read_prompt(dir.path()).unwrap_err().to_string();
    assert!(error.contains("UTF-16 (little-endian)"), "{error}");
    assert!(error.contains("prompt.txt"), "{error}");
}

#[test]
fn any_module_is_collected_and_goes_on_after_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let network = || ModuleSpace::new(LinearConfig::new(2, 3).init(&device)).unwrap();
    let groups = network().layer_groups();
    let layout = Layout::new("linear", groups, GroupingRule::Appended, 4).unwrap();
    let mut zoo = Zoo::create(dir.path(), &layout, "base").unwrap();
    let tasks = ["a", "b", "c"].map(|name| (name.to_owned(), format!("task {name}")));
    let mut run = |fails_at: Option<&str>| {
        let mut seen = Vec::new();
        let result = collect(
            &mut zoo,
            &tasks,
            |name, prompt, states| -> Result<_, Box<dyn std::error::Error>> {
                // What an interrupted training left is there when it goes on.
                let state = states.join("state");
                if fails_at == Some(name) {
                    std::fs::create_dir_all(states)?;
                    std::fs::write(&state, "half")?;
                    return Err("killed".into());
                }
                assert_eq!(state.exists(), name == "b");
                let record = ConceptRecord {
                    concept: "set by collect".into(),
                    prompt: prompt.clone(),
                    seed: 0,
                    recipe: serde_json::Value::Null,
                    checkpoints: vec![Checkpoint {
                        epoch: 1,
                        metrics: BTreeMap::from([("accuracy".into(), 0.5)]),
                    }],
                };
                Ok((record, vec![network().read_weights()?]))
            },
            |event| {
                if let CollectEvent::Collected { concept, metrics } = event {
                    assert_eq!(metrics["accuracy"], 0.5);
                    seen.push(concept.to_owned());
                }
            },
        );
        (result.map_err(|error| error.to_string()), seen)
    };
    assert_eq!(run(Some("b")), (Err("killed".into()), vec!["a".to_owned()]));
    assert_eq!(run(None), (Ok(2), vec!["b".to_owned(), "c".to_owned()]));
    assert_eq!(run(None), (Ok(0), Vec::new()));
    let prompts: Vec<_> = (zoo.entries().iter())
        .map(|entry| (entry.concept.as_str(), entry.prompt.as_str()))
        .collect();
    assert_eq!(prompts, [("a", "task a"), ("b", "task b"), ("c", "task c")]);
    assert!(!dir.path().join("work").exists(), "states are removed");
}
