//! Fine-tunings that are measured, and continued after an interruption.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;
use denoised_weights::comparison::{Comparison, Measurement, Outcome};
use denoised_weights::pairs::{ConceptPairs, PairCounts};
use denoised_weights::run::claim;
use denoised_weights::{Error, PlannedEdit, WholeSize, plan_edits};
use finetune::{Initializer, Start, Zero};
use lora_gan::BaseGenerator;
use weight_blocks::WeightSpace;

use crate::common::{Quarters, SIZE, pair_folder, photo, tiny_base, tiny_recipe};

/// The zero start, and how often it was made.
struct Counted {
    zero: Zero,
    made: Cell<usize>,
}

impl Initializer for Counted {
    fn name(&self) -> &str {
        "counted"
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        self.made.set(self.made.get() + 1);
        let origin = Some("a long search".to_owned());
        let start = self.zero.start(prompt)?;
        Ok(Start { origin, ..start })
    }
}

#[test]
fn a_measured_fine_tuning_continues_with_its_start_and_ends_with_the_same_weights() {
    let device = Device::flex();
    let dir = tempfile::tempdir().unwrap();
    let counts = PairCounts {
        train: 8,
        test: 2,
        shown: 1,
    };
    let folder = pair_folder(dir.path(), "negative", "negative");
    let pairs = ConceptPairs::folder(&folder, "negative", counts, SIZE, &device).unwrap();
    let base = BaseGenerator {
        prompt: Some("negative".into()),
        ..tiny_base()
    };
    let start = Counted {
        zero: Zero::new(base.generator.read_weights().unwrap()),
        made: Cell::new(0),
    };
    let recipe = tiny_recipe(3);
    let comparison = Comparison::new(&base, &pairs, &Quarters, &recipe, &device).unwrap();
    let expected = comparison.fine_tune(&start, |_| ()).unwrap();

    let state = dir.path().join("state");
    let saved = |stop_at: f64| -> Outcome {
        let observe = |point: &Measurement| assert!(point.epoch < stop_at, "interrupted");
        comparison.fine_tune_saved(&start, &state, observe).unwrap()
    };
    for stop_at in [0.0, 0.5, 2.0] {
        assert!(catch_unwind(AssertUnwindSafe(|| saved(stop_at))).is_err());
        assert!(Comparison::has_begun(&state));
    }
    // The second time, there is nothing left to train.
    for _ in 0..2 {
        let outcome = saved(f64::INFINITY);
        assert_eq!(outcome.trained, expected.trained);
        assert_eq!(outcome.start, expected.start);
        assert_eq!(outcome.before, expected.before);
        assert_eq!(outcome.after, expected.after);
        assert_eq!(outcome.report.origin.as_deref(), Some("a long search"));
        let measured = |outcome: &Outcome| -> Vec<(f64, f64)> {
            let curve = outcome.report.curve.iter();
            curve.map(|point| (point.epoch, point.l1)).collect()
        };
        assert_eq!(measured(&outcome), measured(&expected));
    }
    assert_eq!(start.made.get(), 2, "once for each training");

    // Another training is told from this one by what differs.
    let path = dir.path().join("run.json");
    claim(&path, false, &comparison.identity(&start).unwrap()).unwrap();
    let reversed = ConceptPairs::folder(&folder, "negative", counts, SIZE, &device)
        .unwrap()
        .reversed();
    let longer = tiny_recipe(4);
    for (pairs, recipe, difference) in [
        (&reversed, &recipe, "train_pairs_sha256"),
        (&pairs, &longer, "epochs: was 3, now 4"),
    ] {
        let other = Comparison::new(&base, pairs, &Quarters, recipe, &device).unwrap();
        let error = claim(&path, true, &other.identity(&start).unwrap()).unwrap_err();
        assert!(error.to_string().contains(difference), "{error}");
    }
}

#[test]
fn photos_that_cannot_be_edited_are_found_beforehand() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    photo(40, 24, 1).save(photos.join("a.png")).unwrap();
    let check = |whole| {
        let plan = plan_edits(&photos, &dir.path().join("edited")).unwrap();
        PlannedEdit::check_all(&plan, whole)
    };
    check(None).unwrap();
    photo(2048, 600, 1).save(photos.join("b.png")).unwrap();
    check(None).unwrap();
    check(Some(WholeSize::ShorterSide(150))).unwrap();
    let error = check(Some(WholeSize::Own)).unwrap_err();
    assert!(matches!(&error, Error::Photo { path, .. } if path.ends_with("b.png")));
    assert!(error.to_string().contains("2048×600"), "{error}");
    let bytes = std::fs::read(photos.join("a.png")).unwrap();
    std::fs::write(photos.join("c.png"), &bytes[..bytes.len() / 2]).unwrap();
    let error = check(None).unwrap_err().to_string();
    assert!(error.contains("c.png"), "{error}");
    assert!(!dir.path().join("edited").exists());
}
