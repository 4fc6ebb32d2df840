use super::*;
use crate::apply::ApplyArgs;
use crate::cli::{Common, JsonArg};
use crate::confirm::Confirm;
use crate::training::TrainingArgs;

#[test]
fn every_shared_option_has_a_help_text() {
    fn check<A: Args>() {
        let command = A::augment_args(clap::Command::new("program"));
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string);
            let has_words = help.is_some_and(|help| help.contains(char::is_alphabetic));
            assert!(has_words, "{} has no help text", argument.get_id());
        }
    }
    check::<Common>();
    check::<JsonArg>();
    check::<ModelArgs>();
    check::<DataArgs>();
    check::<LeaveOutArgs>();
    check::<MemoryArgs>();
    check::<SampleArgs>();
    check::<ApplyArgs>();
    check::<TrainingArgs>();
    check::<Confirm>();
}

#[test]
fn counts_below_the_least_are_refused_with_their_range() {
    #[derive(Debug, clap::Parser)]
    struct Counts {
        #[arg(long, value_parser = at_least::<usize>(2), allow_negative_numbers = true)]
        n: usize,
    }
    let parsed = |text| <Counts as clap::Parser>::try_parse_from(["program", "--n", text]);
    assert_eq!(parsed("2").unwrap().n, 2);
    for bad in ["1", "-1", "x", "2.5"] {
        let error = parsed(bad).unwrap_err().to_string();
        let expected = "for '--n <N>': give a whole number, 2 or more";
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn numbers_out_of_range_are_refused_and_so_is_nan() {
    #[derive(Debug, clap::Parser)]
    struct Shares {
        #[arg(long, value_parser = number_in(0.0..=1.0), allow_negative_numbers = true)]
        share: f64,
    }
    let parsed = |text| <Shares as clap::Parser>::try_parse_from(["program", "--share", text]);
    assert_eq!(parsed("0.5").unwrap().share, 0.5);
    for bad in ["nan", "inf", "-0.1", "1.1", "x"] {
        let error = parsed(bad).unwrap_err().to_string();
        assert!(error.contains("give a number from 0 to 1"), "{error}");
    }
}

#[test]
fn a_training_saves_every_step_at_most() {
    #[derive(Debug, clap::Parser)]
    struct Training {
        #[command(flatten)]
        training: TrainingArgs,
    }
    let parsed = |every| {
        let line = ["program", "--out", "o", "--save-every", every];
        <Training as clap::Parser>::try_parse_from(line)
    };
    assert_eq!(parsed("1").unwrap().training.save_every, 1);
    let error = parsed("0").unwrap_err().to_string();
    assert!(error.contains("give a whole number, 1 or more"), "{error}");
}

#[test]
fn results_lie_beside_pairs_and_not_among_them() {
    let dir = tempfile::tempdir().unwrap();
    let check = |output: &str| {
        let places = reads_pairs(Places::new(), dir.path()).unwrap();
        places.writes(dir.path().join(output)).check()
    };
    std::fs::create_dir(dir.path().join("input")).unwrap();
    let image = image::RgbImage::new(8, 4);
    // The second time, there are the results of the first.
    for _ in 0..2 {
        check("grid.png").unwrap();
        check("result/grid.png").unwrap();
        image.save(dir.path().join("grid.png")).unwrap();
    }
    assert!(check("input/grid.png").is_err());
    assert!(check("train/input/grid.png").is_err());
    // Side-by-side files: grid.png would be one of them.
    std::fs::remove_dir(dir.path().join("input")).unwrap();
    assert!(check("grid.png").is_err());
    check("result/grid.png").unwrap();
}
