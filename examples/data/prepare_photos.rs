//! Prepares a folder of photos: square crops, split by person or photograph, with a manifest.
//!
//! ```sh
//! cargo run --release --example prepare_photos -- --photos ffhq/ --out out/photos --size 256
//! ```

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use clap::{Parser, ValueEnum};
use concepts::Split;
use concepts::images::composed;
use concepts::prepare::{
    Crop, FaceBoxes, Fractions, Grouping, Identities, PlannedPhoto, PrepareSettings, plan, prepare,
};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{display, run};
use denoised_weights_examples::files::{Places, read_json};
use denoised_weights_examples::options::at_least;
use denoised_weights_examples::progress::Progress;

/// Crop photos to squares, resize them with an antialiasing filter and write
/// OUT/{train,val,test}/NAME.png and OUT/manifest.json. Photos of one person, or crops of one
/// photograph (NAME-01.jpg, NAME-02.jpg), stay in one split.
#[derive(Parser)]
pub(crate) struct Args {
    /// Folder with the photos (jpg, png, webp).
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Edge of the square results in pixels.
    #[arg(
        long,
        default_value_t = 256,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    size: usize,
    /// Crop faces: JSON {"NAME.jpg": [x, y, width, height], ...} in pixels of the upright photo
    /// [default: the middle of the photo].
    #[arg(long, value_name = "FILE")]
    faces: Option<PathBuf>,
    /// Edge of a face's crop, relative to the longer edge of its box.
    #[arg(
        long,
        requires = "faces",
        default_value_t = 1.8,
        allow_negative_numbers = true
    )]
    face_margin: f64,
    /// Who is on which photo: JSON {"NAME.jpg": "person", ...} [default: --group-by decides].
    #[arg(long, value_name = "FILE")]
    identities: Option<PathBuf>,
    /// Which photos stay in one split, if --identities does not say it.
    #[arg(long, value_enum, default_value_t = GroupBy::Name)]
    group_by: GroupBy,
    /// Share of the people or photographs to use for validation.
    #[arg(long, default_value_t = 0.1, allow_negative_numbers = true)]
    val: f64,
    /// Share of them to use for testing.
    #[arg(long, default_value_t = 0.1, allow_negative_numbers = true)]
    test: f64,
    /// Seed of the split.
    #[arg(
        long,
        default_value_t = 0,
        value_parser = at_least::<u64>(0),
        allow_negative_numbers = true
    )]
    seed: u64,
    /// Number of threads.
    #[arg(
        long,
        default_value_t = 2,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    workers: usize,
    /// Print which photo would go into which split, and exit.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum GroupBy {
    /// Files NAME-01.jpg, NAME-02.jpg are crops of one photograph NAME.
    Name,
    /// Each file is a photograph of its own.
    File,
}

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| main_with(&args))
}

pub(crate) fn main_with(args: &Args) -> Result<()> {
    Places::new()
        .reads_directly_in(&args.photos)
        .reads_all(&args.faces)
        .reads_all(&args.identities)
        .writes_all(["manifest.json", "train", "val", "test"].map(|name| args.out.join(name)))
        .check()?;
    let settings = PrepareSettings {
        size: args.size,
        crop: match &args.faces {
            Some(file) => Crop::Face {
                boxes: FaceBoxes::read(file)?,
                margin: args.face_margin,
            },
            None => Crop::Centre,
        },
        identities: match &args.identities {
            Some(file) => Identities::read(file)?,
            None => Identities::default(),
        },
        grouping: match args.group_by {
            GroupBy::Name => Grouping::Source,
            GroupBy::File => Grouping::File,
        },
        fractions: Fractions {
            validation: args.val,
            test: args.test,
        },
        seed: args.seed,
        workers: args.workers,
    };
    let planned = plan(&args.photos, &settings)?;
    if let Some(file) = &args.identities {
        warn_of_names(file, &names_without_photo(file, &planned)?);
    }
    let count = |split| planned.iter().filter(|photo| photo.split == split).count();
    let groups: BTreeSet<&str> = planned.iter().map(|photo| photo.group.as_str()).collect();
    println!(
        "{} photos of {} people or photographs: {} to train on, {} for validation, {} for test",
        planned.len(),
        groups.len(),
        count(Split::Train),
        count(Split::Validation),
        count(Split::Test)
    );
    if args.dry_run {
        let mut out = std::io::stdout().lock();
        for photo in &planned {
            let (split, group) = (photo.split, &photo.group);
            let line = writeln!(out, "{split:?}\t{group}\t{}", photo.path.display());
            // `| head` closes the pipe when it has read enough.
            if line.is_err() {
                break;
            }
        }
        return Ok(());
    }
    let progress = Mutex::new(Progress::new("photos", planned.len() as u64, 0));
    let manifest = prepare(&planned, &args.out, &settings, &|done, name| {
        if let Ok(mut progress) = progress.lock() {
            progress.set(done as u64, name.to_owned());
        }
    })?;
    if let Ok(progress) = progress.into_inner() {
        progress.finish();
    }
    println!(
        "{} photos of {}x{} pixels in {}",
        manifest.photos.len(),
        manifest.size,
        manifest.size,
        display(&args.out)
    );
    Ok(())
}

/// The names in the file of --identities that no photo has, as they are given there.
fn names_without_photo(file: &Path, planned: &[PlannedPhoto]) -> Result<Vec<String>> {
    let named: BTreeMap<String, String> = read_json(file)?;
    let mut photos = HashSet::new();
    for photo in planned {
        let name = photo.path.file_name().unwrap_or_default();
        let name = composed(&name.to_string_lossy());
        photos.extend(name.rsplit_once('.').map(|(stem, _)| stem.to_owned()));
        photos.insert(name);
    }
    let count = named.len();
    let names = named.into_keys();
    let missing: Vec<String> = names
        .filter(|name| !photos.contains(&composed(name)))
        .collect();
    if missing.len() < count {
        return Ok(missing);
    }
    let given = match missing.first() {
        Some(first) => format!("the first name is {first}"),
        None => "it is empty".to_owned(),
    };
    Err(format!(
        "{}: it names none of the photos ({given}); its keys are the file names of the photos, with or without the extension",
        file.display()
    )
    .into())
}

/// Names that a warning lists.
const LISTED: usize = 5;

fn warn_of_names(file: &Path, missing: &[String]) {
    if missing.is_empty() {
        return;
    }
    let listed = &missing[..missing.len().min(LISTED)];
    let others = match missing.len() - listed.len() {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    eprintln!(
        "warning: {}: no photo has the name {}{others}",
        file.display(),
        listed.join(", ")
    );
}
