//! Edits photos with diffusion models behind servers and keeps the best editor for each concept.
//!
//! ```sh
//! cargo run --release --example edit_photos -- \
//!     --photos out/photos --prompts prompts.txt --editors editors.json --out out/pairs --dry-run
//! ```

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use burn::tensor::Device;
use clap::Parser;
use concepts::editing::{
    Best, EditConcept, EditRun, EditSettings, EditorScore, NamedImage, NoReference, QualityScore,
};
use concepts::http::{EditorConfig, HttpSettings};
use concepts::prepare::PairLayout;
use concepts::{ClassicalEditor, ImageEditor, Pair, Photo, Split, read_photos};
use denoised_weights_examples::assets::display;
use denoised_weights_examples::cli::run;
use denoised_weights_examples::clip_score::ClipScore;
use denoised_weights_examples::confirm::Confirm;
use denoised_weights_examples::layout::Layout;
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use indicatif::HumanDuration;
use serde::{Deserialize, Serialize};

/// Edit photos for each prompt with each editor, and write the pairs of the best editor, a sheet to
/// look at, and a record of every edit. Interrupted at any time, the same command goes on. Pairs of
/// an earlier run into the same folder are replaced; its edits are kept.
///
/// OUT/CONCEPT/edits/EDITOR/PHOTO.{png,json}, OUT/CONCEPT/{train,val,test}/...,
/// OUT/CONCEPT/{prompt.txt,sheet.png,best.json}
#[derive(Parser)]
struct Args {
    /// Folder of prepare_photos (with train/, val/, test/), or with photos themselves.
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// Prompts, one per line; `NAME: PROMPT` names the folder, else it is made from the prompt.
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    /// JSON list of editors (docs/data.md) [default: the classical filters, which need no server].
    #[arg(long, value_name = "FILE")]
    editors: Option<PathBuf>,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Edge of the square images in pixels.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// How the pairs are laid out.
    #[arg(long, value_enum, default_value_t = Layout::Folders)]
    layout: Layout,
    /// Edits under way at a time.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Most edits begun per minute, repeated attempts not counted [default: no limit].
    #[arg(long)]
    per_minute: Option<f64>,
    /// Longest time for one request, in seconds.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// How often a request is sent at most.
    #[arg(long, default_value_t = 5)]
    attempts: u32,
    /// Failed edits in a row that end the run.
    #[arg(long, default_value_t = 8)]
    max_failures: usize,
    /// Price of an edit, for the estimate.
    #[arg(long, default_value_t = 0.0)]
    price: f64,
    /// Time of an edit in seconds, for the estimate [default: what earlier edits took].
    #[arg(long)]
    seconds: Option<f64>,
    /// Folder of a whole CLIP model (config.json, model.safetensors, tokenizer.json): the best editor
    /// is the one whose edits go where the prompt does [default: the sharpest, cleanest edits].
    #[arg(long, value_name = "DIR")]
    clip: Option<PathBuf>,
    /// What --clip takes unedited photos for.
    #[arg(long, value_name = "TEXT", default_value = "a photo of a person")]
    neutral: String,
    /// Photos on a sheet.
    #[arg(long, default_value_t = 8)]
    sheet_rows: usize,
    /// Seed of the edits' seeds.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    confirm: Confirm,
}

/// OUT/CONCEPT/best.json.
#[derive(Serialize)]
struct BestReport<'a> {
    concept: &'a str,
    prompt: &'a str,
    editor: &'a str,
    #[serde(flatten)]
    chosen_by: &'a ChosenBy,
    ranking: &'a [EditorScore],
}

/// What chose the editor; scores of another are not comparable.
#[derive(PartialEq, Serialize, Deserialize)]
struct ChosenBy {
    score: String,
    /// Digest of --clip's files and of --neutral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score_sha256: Option<String>,
}

/// The score, and what to call it.
struct Judge {
    score: Box<dyn QualityScore>,
    chosen_by: ChosenBy,
}

impl Judge {
    fn new(args: &Args) -> Result<Self> {
        let (score, digest): (Box<dyn QualityScore>, _) = match &args.clip {
            Some(dir) => {
                let clip = ClipScore::open(dir, &args.neutral, &Device::default())?;
                let digest = clip.digest().to_owned();
                (Box::new(clip), Some(digest))
            }
            None => (Box::new(NoReference), None),
        };
        Ok(Self {
            chosen_by: ChosenBy {
                score: score.name().to_owned(),
                score_sha256: digest,
            },
            score,
        })
    }

    /// Says so where an earlier run into this folder chose by something else: its choice is made anew.
    fn compare(&self, concept: &EditConcept, best: &Path) {
        let found = std::fs::read(best).ok();
        let found = found.and_then(|bytes| serde_json::from_slice::<ChosenBy>(&bytes).ok());
        if let Some(found) = found.filter(|found| *found != self.chosen_by) {
            println!(
                "{}: was chosen by {}, is chosen anew by {}",
                concept.name,
                found.label(),
                self.chosen_by.label()
            );
        }
    }
}

impl ChosenBy {
    fn label(&self) -> String {
        let digest = self.score_sha256.as_deref().and_then(|hex| hex.get(..12));
        match digest {
            Some(digest) => format!("{} {digest}", self.score),
            None => self.score.clone(),
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| edit(&args))
}

fn edit(args: &Args) -> Result<()> {
    let concepts = read_prompts(&args.prompts)?;
    let (photos, splits) = read_split_photos(&args.photos, args.size)?;
    let http = HttpSettings {
        timeout: Duration::from_secs(args.timeout),
        attempts: args.attempts,
        ..HttpSettings::default()
    };
    let mut editors: Vec<Box<dyn ImageEditor + Sync>> = Vec::new();
    match &args.editors {
        Some(file) => {
            for config in EditorConfig::read_list(file)? {
                editors.push(config.open(&http)?);
            }
        }
        None => editors.push(Box::new(ClassicalEditor::default())),
    }
    if editors.is_empty() {
        return Err("the list of editors is empty".into());
    }
    let editors: Vec<&(dyn ImageEditor + Sync)> = editors.iter().map(AsRef::as_ref).collect();
    let settings = EditSettings {
        seed: args.seed,
        workers: args.workers,
        interval: match args.per_minute {
            Some(rate) if rate > 0.0 => Duration::try_from_secs_f64(60.0 / rate)?,
            Some(_) => return Err("--per-minute must be above 0".into()),
            None => Duration::ZERO,
        },
        max_failures: args.max_failures,
    };
    // Before any edit is paid for.
    let judge = Judge::new(args)?;
    let run = EditRun::new(&args.out, &concepts, &photos, &editors, settings)?;

    let plan = run.plan();
    println!(
        "{} prompts x {} photos x {} editors: {} edits are there, {} to make ({} of them replace others)",
        concepts.len(),
        photos.len(),
        editors.len(),
        plan.done,
        plan.todo,
        plan.stale
    );
    if plan.todo > 0 {
        match plan.seconds(args.seconds) {
            Some(seconds) => println!(
                "about {}",
                HumanDuration(Duration::try_from_secs_f64(seconds)?)
            ),
            None => println!("time unknown: no edit was made yet; pass --seconds"),
        }
        if args.price > 0.0 {
            println!(
                "cost {:.2}, and more where attempts fail after they were charged",
                plan.cost(args.price)
            );
        }
        if !args.confirm.go_on()? {
            return Ok(());
        }
    } else if args.confirm.dry_run {
        return Ok(());
    }
    // What was made is used, whatever failed: a photo may be one that an editor always refuses.
    let failed = if plan.todo > 0 {
        make(&run, plan.done, plan.todo)?
    } else {
        None
    };
    for concept in &concepts {
        match run.choose(concept, judge.score.as_ref()) {
            Ok(best) => write(args, concept, &best, &judge, &splits)?,
            Err(concepts::Error::EmptyFolder { .. }) => {
                println!("{}: no edit, so no pairs", concept.name);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match failed {
        Some(failed) => Err(failed.into()),
        None => {
            println!("done: {}", display(&args.out));
            Ok(())
        }
    }
}

/// Makes the edits; says what failed.
fn make(run: &EditRun<'_>, done: usize, todo: usize) -> Result<Option<String>> {
    let progress = Progress::new("edits", (done + todo) as u64, done as u64);
    let progress = Mutex::new(progress);
    let summary = run.run(&|event| {
        let Ok(mut progress) = progress.lock() else {
            return;
        };
        if let Some(error) = event.error {
            progress.line(&format!("{} {}: {error}", event.concept, event.photo));
        }
        progress.set(
            event.done as u64,
            format!("{} {}", event.concept, event.editor),
        );
    })?;
    if let Ok(progress) = progress.into_inner() {
        progress.finish();
    }
    Ok(summary.failures.first().map(|first| {
        format!(
            "{} edits made, {} failed, {} not begun; the first: {}. Pairs were written of what is there; run the \
             command again for the rest",
            summary.made,
            summary.failures.len(),
            summary.skipped,
            first.error
        )
    }))
}

/// Writes the pairs of the best editor, in place of an earlier run's, and what was compared.
fn write(
    args: &Args,
    concept: &EditConcept,
    best: &Best,
    judge: &Judge,
    splits: &HashMap<String, Split>,
) -> Result<()> {
    let dir = args.out.join(&concept.name);
    let layout = PairLayout::from(args.layout);
    let report = dir.join("best.json");
    judge.compare(concept, &report);
    // Written last: what it says was chosen is there.
    match std::fs::remove_file(&report) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("{}: cannot be removed: {error}", report.display()).into());
        }
        _ => {}
    }
    PairLayout::clear(&dir)?;
    for split in [Split::Train, Split::Validation, Split::Test] {
        let of_split = |pair: &&Pair| splits.get(&pair.name) == Some(&split);
        let pairs: Vec<Pair> = best.pairs().iter().filter(of_split).cloned().collect();
        layout.write(&dir, split, &pairs, &concept.prompt)?;
    }
    files::write_png(&dir.join("sheet.png"), &best.sheet(args.sheet_rows, 128)?)?;
    files::write(
        &dir.join("prompt.txt"),
        format!("{}\n", concept.prompt).as_bytes(),
    )?;
    files::write_json(
        &report,
        &BestReport {
            concept: &concept.name,
            prompt: &concept.prompt,
            editor: &best.editor,
            chosen_by: &judge.chosen_by,
            ranking: &best.ranking,
        },
    )?;
    println!(
        "{}: {} ({} {:.4})",
        concept.name, best.editor, best.score, best.ranking[0].mean
    );
    Ok(())
}

/// The photos, and which split each name belongs to; all for training where there are no subfolders.
fn read_split_photos(dir: &Path, size: usize) -> Result<(Vec<NamedImage>, HashMap<String, Split>)> {
    let mut photos: Vec<NamedImage> = Vec::new();
    let mut splits = HashMap::new();
    let mut add = |read: Vec<Photo>, split| {
        for photo in read {
            let photo = NamedImage::from(photo);
            splits.insert(photo.name.clone(), split);
            photos.push(photo);
        }
    };
    let parts = [
        ("train", Split::Train),
        ("val", Split::Validation),
        ("test", Split::Test),
    ];
    if parts.iter().any(|(name, _)| dir.join(name).is_dir()) {
        for (name, split) in parts {
            if dir.join(name).is_dir() {
                add(read_photos(&dir.join(name), size)?, split);
            }
        }
    } else {
        add(read_photos(dir, size)?, Split::Train);
    }
    Ok((photos, splits))
}

fn read_prompts(path: &Path) -> Result<Vec<EditConcept>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    let concepts: Vec<EditConcept> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| match line.split_once(": ") {
            Some((name, prompt)) => EditConcept {
                name: name.trim().to_owned(),
                prompt: prompt.trim().to_owned(),
            },
            None => EditConcept {
                name: slug(line),
                prompt: line.to_owned(),
            },
        })
        .collect();
    if concepts.is_empty() {
        return Err(format!("{}: holds no prompt; write one per line", path.display()).into());
    }
    Ok(concepts)
}

fn slug(prompt: &str) -> String {
    let words: Vec<String> = prompt
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.join("-")
}
