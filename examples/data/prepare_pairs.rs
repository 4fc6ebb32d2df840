//! Writes folders of pairs (photo, edited photo).
//!
//! ```sh
//! cargo run --release --example prepare_pairs -- --out out/pairs --only charcoal-sketch,oil-painting
//! ```

use std::fs::read_dir;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use concepts::pairs::PairLayout;
use concepts::{Concept, Pair, Split, art_concepts, find};
use denoised_weights::pairs::{PhotoSplits, edit_photos};
use denoised_weights_examples::cli::{JsonArg, display, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::limits::limit;
use denoised_weights_examples::options::{AssetArgs, Layout, PhotosArg, at_least};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use image::RgbImage;
use serde::Serialize;

/// Edit the photos with concepts of the shipped list and write OUT/CONCEPT/{train,val,test}/
/// {input,target}/NAME.png (or another layout), with the concept's text in OUT/CONCEPT/prompt.txt. The
/// photos are split by source. Concepts that are already complete are not changed.
#[derive(Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    assets: AssetArgs,
    #[command(flatten)]
    photos: PhotosArg,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// Only these concepts, comma-separated [default: all of --split].
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Your own concepts instead of the shipped list: JSON like that of examples/data/fresh_concepts.json.
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    concepts: Option<PathBuf>,
    /// Which concepts of the shipped list.
    #[arg(long, value_enum, default_value_t = Which::Train)]
    split: Which,
    /// Training pairs per concept.
    #[arg(
        long,
        default_value_t = 64,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    n_train: usize,
    /// Validation pairs, and test pairs, per concept.
    #[arg(
        long,
        default_value_t = 60,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    n_test: usize,
    /// Edge of the square images in pixels [default: the preset's].
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
    size: Option<usize>,
    /// How the pairs are laid out.
    #[arg(long, value_enum, default_value_t = Layout::Folders)]
    layout: Layout,
    /// Print the concepts with their prompts and splits, and exit.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Which {
    Train,
    Validation,
    Test,
    All,
}

#[derive(Serialize)]
struct Report {
    out: PathBuf,
    concepts: Vec<String>,
    pairs: usize,
}

/// A concept's text in its folder. It is written last, so its presence means that the concept is complete.
const PROMPT: &str = "prompt.txt";

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| prepare(&args))
}

pub(crate) fn prepare(args: &Args) -> Result<()> {
    let list = match &args.concepts {
        Some(path) => concepts::read_concepts(path)?,
        None => art_concepts(),
    };
    let chosen = args.choose(&list)?;
    if args.list {
        for concept in chosen {
            println!(
                "{:32} {:10} {}",
                concept.name,
                format!("{:?}", concept.split),
                concept.prompt
            );
        }
        return Ok(());
    }
    let out = (args.out.as_deref()).ok_or("name the folder to write to with --out")?;
    let photos = args.photos.of(args.assets.paths()).photos;
    let places = Places::new()
        .reads_directly_in(&photos)
        .reads_all(&args.concepts)
        .writes_all(chosen.iter().map(|concept| out.join(&concept.name)));
    args.json.check_places(places)?;
    let unfinished = |dir: &PathBuf| !dir.join(PROMPT).exists();
    let mut folders = chosen.iter().map(|concept| out.join(&concept.name));
    folders.try_for_each(|dir| match unfinished(&dir) {
        true => refuse_foreign_pairs(&dir),
        false => Ok(()),
    })?;
    let size = args
        .size
        .unwrap_or(args.assets.preset.generator().image_size);
    let photos = PhotoSplits::read(&photos, size)?;
    args.say_limits(&photos);
    let mut progress = Progress::new("pairs", chosen.len() as u64, 0);
    let mut report = Report {
        out: out.to_owned(),
        concepts: Vec::new(),
        pairs: 0,
    };
    for (done, concept) in (1u64..).zip(&chosen) {
        let dir = out.join(&concept.name);
        if unfinished(&dir) {
            // An interrupted run may have had other options.
            PairLayout::clear(&dir)?;
            report.pairs += args.write_pairs(&dir, concept, &photos)?;
            files::write(
                &dir.join(PROMPT),
                format!("{}\n", concept.prompt).as_bytes(),
            )?;
        }
        report.concepts.push(concept.name.clone());
        progress.set(done, concept.name.clone());
    }
    progress.finish();
    println!(
        "{} concepts, {} new pairs in {}",
        report.concepts.len(),
        report.pairs,
        display(out)
    );
    args.json.write_json(&report)
}

impl Args {
    /// The concepts of --only, or those of the split.
    fn choose<'c>(&self, list: &'c [Concept]) -> Result<Vec<&'c Concept>> {
        if !self.only.is_empty() {
            let found = self.only.iter().map(|name| Ok(find(list, name)?));
            return found.collect();
        }
        let wanted = |split| match self.split {
            _ if self.concepts.is_some() => true,
            Which::Train => split == Split::Train,
            Which::Validation => split == Split::Validation,
            Which::Test => split == Split::Test,
            Which::All => true,
        };
        Ok(list.iter().filter(|c| wanted(c.split)).collect())
    }

    /// Says which photos are left out.
    fn say_limits(&self, photos: &PhotoSplits) {
        for (what, given, count, option) in [
            (
                "training photos",
                photos.train.len(),
                self.n_train,
                "--n-train",
            ),
            (
                "validation photos",
                photos.validation.len(),
                self.n_test,
                "--n-test",
            ),
            ("test photos", photos.test.len(), self.n_test, "--n-test"),
        ] {
            if let Some(note) = limit(what, count, given, option) {
                println!("{note}");
            }
        }
    }

    /// Writes the pairs of a concept for every split; returns their number.
    fn write_pairs(&self, dir: &Path, concept: &Concept, photos: &PhotoSplits) -> Result<usize> {
        let mut written = 0;
        for (split, photos, count) in [
            (Split::Train, &photos.train, self.n_train),
            (Split::Validation, &photos.validation, self.n_test),
            (Split::Test, &photos.test, self.n_test),
        ] {
            let edited = edit_photos(&photos[..count.min(photos.len())], concept);
            let pairs: Vec<Pair> = edited.into_iter().enumerate().map(pair).collect();
            PairLayout::from(self.layout).write(dir, split, &pairs, &concept.prompt)?;
            written += pairs.len();
        }
        Ok(written)
    }
}

/// Refuses a folder with pairs that no interrupted run of this program can have left, since they would be removed.
fn refuse_foreign_pairs(dir: &Path) -> Result<()> {
    for pairs in PairLayout::find(dir)?.iter().filter(|path| path.is_dir()) {
        if let Some(file) = foreign_file(pairs)? {
            return Err(format!(
                "{}: this program did not write this file and would remove it; choose another --out, or write the concept's \
                 text to {} to keep these pairs",
                file.display(),
                dir.join(PROMPT).display()
            )
            .into());
        }
    }
    Ok(())
}

/// A file below `dir` that is not named as [`pair`] names pairs, hidden files aside.
fn foreign_file(dir: &Path) -> Result<Option<PathBuf>> {
    let cannot = |error| format!("cannot list {}: {error}", dir.display());
    for entry in read_dir(dir).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let stem = name.strip_suffix(".png").unwrap_or_default();
        let found = match stem.parse() {
            _ if path.is_dir() => foreign_file(&path)?,
            Ok(index) if stem == file_stem(index) => None,
            _ => (!name.starts_with('.')).then_some(path),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn file_stem(index: usize) -> String {
    format!("{index:04}")
}

fn pair((index, (input, target)): (usize, (RgbImage, RgbImage))) -> Pair {
    Pair {
        name: file_stem(index),
        input,
        target,
    }
}
