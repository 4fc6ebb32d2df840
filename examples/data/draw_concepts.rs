//! Draws concepts from the grammar: prompts, paraphrases and edits.
//!
//! ```sh
//! cargo run --release --example draw_concepts -- --count 1000 --out out/concepts.json --sheet out/concepts.png
//! cargo run --release --example prepare_pairs -- --concepts out/concepts.json --out out/pairs
//! cargo run --release --example collect -- --pairs out/pairs --out out/zoo
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use concepts::grammar::{DrawnConcept, Grammar, Region};
use concepts::read_photos;
use denoised_weights::pairs::spread;
use denoised_weights_examples::cli::{JsonArg, display, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::options::{AssetArgs, PhotosArg, at_least};
use denoised_weights_examples::{Result, files};
use image::RgbImage;
use result_figures::{Column, write_grid};

/// Draw concepts that a seed decides, and write them as a list that `prepare_pairs --concepts` takes.
#[derive(Parser)]
#[command(mut_arg("photos", |photos| photos.requires("sheet")))]
pub(crate) struct Args {
    /// Seed of the draw; the same seed gives the same concepts.
    #[arg(
        long,
        default_value_t = 0,
        value_parser = at_least::<u64>(0),
        allow_negative_numbers = true
    )]
    seed: u64,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    assets: AssetArgs,
    #[command(flatten)]
    photos: PhotosArg,
    /// The list to write, as JSON.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Number of concepts; their prompts are all different.
    #[arg(
        long,
        default_value_t = 1000,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    count: usize,
    /// What to draw from.
    #[arg(long, value_enum, default_value_t = Which::Training)]
    region: Which,
    /// Also draw a picture of the first concepts, each applied to three of the photos.
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// What models train on.
    Training,
    /// Colour words that no training prompt contains, to test on.
    NewWords,
    /// Filters that no concept of the training region has (the shipped list has some), to test on.
    NewEdits,
}

impl From<Which> for Region {
    fn from(which: Which) -> Self {
        match which {
            Which::Training => Self::Training,
            Which::NewWords => Self::NewWords,
            Which::NewEdits => Self::NewEdits,
        }
    }
}

/// Concepts on the sheet.
const SHOWN: usize = 12;
/// Photos on the sheet.
const PHOTOS: usize = 3;
/// Edge of an image on the sheet.
const SIZE: usize = 64;
/// Characters of a caption's line that fit above an image of the sheet.
const LINE: usize = 20;

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| draw(&args))
}

pub(crate) fn draw(args: &Args) -> Result<()> {
    let grammar = Grammar::new(args.region.into(), args.seed);
    let places = Places::new()
        .writes(&args.out)
        .writes_all(&args.sheet)
        .reads_directly_in(args.photos.of(args.assets.paths()).photos);
    args.json.check_places(places)?;
    let sheet = args.sheet()?;
    let drawn = grammar.distinct(args.count)?;
    files::write_json(&args.out, &drawn)?;
    let paraphrases: usize = drawn.iter().map(|d| d.paraphrases.len()).sum();
    for DrawnConcept { concept, .. } in drawn.iter().take(SHOWN) {
        println!("{}", concept.prompt);
    }
    println!(
        "{} concepts with {paraphrases} paraphrases in {}",
        drawn.len(),
        display(&args.out)
    );
    if let Some((path, photos)) = sheet {
        draw_sheet(path, photos, &drawn)?;
    }
    args.json.write_json(&drawn)
}

impl Args {
    /// The sheet to draw, if there is one, and the photos on it.
    fn sheet(&self) -> Result<Option<(&Path, Vec<RgbImage>)>> {
        let Some(path) = &self.sheet else {
            return Ok(None);
        };
        let extension = path.extension();
        if !extension.is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
            let path = path.display();
            return Err(format!("--sheet {path}: the picture is a PNG; name it NAME.png").into());
        }
        let photos = read_photos(&self.photos.of(self.assets.paths()).photos, SIZE)?;
        let photos: Vec<_> = photos.into_iter().map(|photo| photo.image).collect();
        Ok(Some((path, spread(&photos, PHOTOS, 0.5))))
    }
}

fn draw_sheet(path: &Path, photos: Vec<RgbImage>, drawn: &[DrawnConcept]) -> Result<()> {
    let mut columns = vec![Column::new("photo", photos.clone())];
    for DrawnConcept { concept, .. } in drawn.iter().take(SHOWN) {
        let edited = photos.iter().map(|photo| concept.apply(photo)).collect();
        columns.push(Column::new(caption(&concept.prompt), edited));
    }
    write_grid(path, &columns)?;
    println!("sheet {}", display(path));
    Ok(())
}

/// The beginning of a prompt in two lines.
fn caption(prompt: &str) -> String {
    let mut lines = [String::new(), String::new()];
    let mut line = 0;
    for word in prompt.split(' ') {
        if line == 0 && lines[0].len() + word.len() > LINE {
            line = 1;
        }
        if !lines[line].is_empty() {
            lines[line].push(' ');
        }
        lines[line].push_str(word);
    }
    lines
        .map(|line| line.chars().take(LINE).collect::<String>())
        .join("\n")
}
