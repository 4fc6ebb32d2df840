//! Collecting concepts into a zoo.

use std::path::Path;

use burn::tensor::Device;
use denoised_weights::Error;
use denoised_weights::collecting::{CollectEvent, CollectOptions, Collector};
use denoised_weights::pairs::{ConceptSource, PairCounts, read_prompt, training_sources};
use denoised_weights::run::Lock;
use weight_blocks::{NamedTensors, Zoo};

use crate::common::{Quarters, pair_folder, tiny_base, tiny_recipe};

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
fn collect(dir: &Path, sources: &[(String, ConceptSource)]) -> usize {
    let base = tiny_base();
    let mut collector = open(dir, &base, 2).unwrap();
    collector.collect(sources, None, |_| ()).unwrap()
}

fn open<'a>(
    dir: &Path,
    base: &'a lora_gan::BaseGenerator,
    keep: usize,
) -> Result<Collector<'a>, Error> {
    let options = CollectOptions {
        recipe: tiny_recipe(3),
        keep,
        counts: COUNTS,
    };
    Collector::open(dir, base, &Quarters, options, &Device::flex())
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
    assert_eq!(collect(&whole, &sources), 2);
    assert_eq!(collect(&parts, &sources[1..]), 1);
    assert_eq!(collect(&parts, &sources), 1);
    assert_eq!(collect(&parts, &sources), 0);
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

#[test]
fn a_concept_that_another_process_trains_comes_last() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(&dir.path().join("pairs"));
    let zoo = dir.path().join("zoo");
    let base = tiny_base();
    let mut collector = open(&zoo, &base, 1).unwrap();
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
        CollectEvent::Collected { concept, l1 } => {
            assert!(l1.is_finite());
            events.push(concept.to_owned());
        }
    });
    assert_eq!(trained.unwrap(), 2);
    assert_eq!(events, ["fog busy", "ink", "fog"]);
}

#[test]
fn concepts_without_pairs_photos_or_epochs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let base = tiny_base();
    for keep in [0, 4] {
        let error = open(&dir.path().join("zoo"), &base, keep).err().unwrap();
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
    let mut collector = open(&dir.path().join("zoo"), &base, 1).unwrap();
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
