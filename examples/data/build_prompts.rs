//! Builds a data set of prompts as the paper's: three categories, held-out concepts, combinations, paraphrases.
//!
//! ```sh
//! cargo run --release --example build_prompts -- \
//!     --address http://127.0.0.1:11434/v1 --model llama3.2 --out out/prompts --dry-run
//! ```

use std::cell::{Cell, OnceCell};
use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use concepts::http::{ChatClient, ChatSettings, Credentials, EmbeddingClient, HttpSettings};
use concepts::prompts::{
    Budget, Category, Combination, CombineRules, Dropped, Embed, Generator, GeneratorSettings,
    HeldOut, Journal, LeakCheck, LeakSettings, Outcome, Price, PromptSet, Reason, Refill,
    Screening, Shortfall, Spent, Statistics, Step, Stop, Templates, combine_where,
};
use denoised_weights_examples::assets::display;
use denoised_weights_examples::cli::run;
use denoised_weights_examples::confirm::Confirm;
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use serde::Serialize;
use text_encoder::{StaticEncoder, TextEncoder};

/// Generate concepts and paraphrases with an OpenAI-compatible chat server, hold concepts out,
/// combine the rest, and check for leaks. Interrupted at any time, the same command goes on; what
/// was answered is not asked again. The paper's numbers are the defaults.
///
/// OUT/set.json, OUT/combinations.jsonl, OUT/report.json, OUT/answers.jsonl
#[derive(Parser)]
struct Args {
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The server's API [default: none; the lists must hold all concepts].
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// The model's name on the server.
    #[arg(long, default_value = "default")]
    model: String,
    /// Environment variable that holds the server's key.
    #[arg(long, value_name = "VARIABLE")]
    key_env: Option<String>,
    /// Name of the field for the longest answer; OpenAI's reasoning models want
    /// max_completion_tokens.
    #[arg(long, default_value = "max_tokens")]
    limit_field: String,
    /// Folder with system.txt, generate.txt, paraphrase.txt, art.txt, character.txt, facial.txt
    /// [default: the shipped texts].
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Art styles that are there already, one per line; likewise --character-list, --facial-list.
    #[arg(long, value_name = "FILE")]
    art_list: Option<PathBuf>,
    /// Characters, one per line.
    #[arg(long, value_name = "FILE")]
    character_list: Option<PathBuf>,
    /// Facial modifications, one per line.
    #[arg(long, value_name = "FILE")]
    facial_list: Option<PathBuf>,
    /// Concepts wanted: art, character, facial.
    #[arg(long, value_name = "A,C,F", value_parser = three, default_value = "226,441,26")]
    concepts: [usize; 3],
    /// Concepts to hold out of them.
    #[arg(long, value_name = "A,C,F", value_parser = three, default_value = "20,20,5")]
    held_out: [usize; 3],
    /// How often as many concepts as the filters took away (near-duplicates, and what says a
    /// held-out one) are asked for again.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Paraphrases wanted per concept.
    #[arg(long, value_name = "A,C,F", value_parser = three, default_value = "18,18,9")]
    paraphrases: [usize; 3],
    /// Most combinations.
    #[arg(long, default_value_t = 84_477)]
    combinations: usize,
    /// Pairs of words that exclude each other, `bald / hair`, one per line.
    #[arg(long, value_name = "FILE")]
    conflicts: Option<PathBuf>,
    /// What tells meanings apart.
    #[arg(long, value_enum, default_value_t = Embedder::Static)]
    embedder: Embedder,
    /// The embedding model's name on the server, for `--embedder server`.
    #[arg(long, default_value = "default")]
    embedding_model: String,
    /// Cosine from which on two prompts mean the same.
    #[arg(long, default_value_t = 0.95)]
    near: f32,
    /// Price of a million prompt tokens.
    #[arg(long, default_value_t = 0.0)]
    prompt_price: f64,
    /// Price of a million completion tokens.
    #[arg(long, default_value_t = 0.0)]
    completion_price: f64,
    /// Most money to spend, over all runs into this folder; repeated attempts of the last requests
    /// may exceed it.
    #[arg(long)]
    max_cost: Option<f64>,
    /// Most tokens, likewise.
    #[arg(long)]
    max_tokens: Option<u64>,
    /// Most requests, likewise.
    #[arg(long)]
    max_requests: Option<u64>,
    /// Longest answer in tokens.
    #[arg(long, default_value_t = 1024)]
    answer_tokens: u32,
    /// Most requests begun per minute, repeated attempts not counted [default: no limit].
    #[arg(long)]
    per_minute: Option<f64>,
    /// Requests under way at a time, when paraphrasing.
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Longest time for one request, in seconds.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Seed of the requests, the held-out concepts and the choice of combinations.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    confirm: Confirm,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Embedder {
    /// The embedded static encoder
    Static,
    /// The server's /embeddings
    Server,
    /// Words only
    None,
}

#[derive(Serialize)]
struct Report {
    statistics: Statistics,
    stop: Vec<Stop>,
    /// Categories with fewer concepts than wanted.
    missing: Vec<Shortfall>,
    /// How often was asked again for what filters took away.
    rounds: usize,
    dropped: Vec<Dropped>,
    leaks_removed: Vec<String>,
    /// Combinations left out since they say what is held out.
    combinations_left_out: usize,
    spent: Spent,
    cost: f64,
}

/// What the stages share.
struct Build<'a> {
    args: &'a Args,
    embed: Option<Box<dyn Embed>>,
    leaks: LeakSettings,
    dropped: Vec<Dropped>,
    stops: Vec<Stop>,
    refill: Refill,
}

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| build(&args))
}

fn build(args: &Args) -> Result<()> {
    let mut build = Build {
        args,
        embed: embedder(args)?,
        leaks: LeakSettings {
            cosine: args.near,
            ..LeakSettings::default()
        },
        dropped: Vec::new(),
        stops: Vec::new(),
        refill: Refill::new(args.rounds),
    };
    let mut set = PromptSet::default();
    for (category, list) in
        Category::ALL
            .into_iter()
            .zip([&args.art_list, &args.character_list, &args.facial_list])
    {
        if let Some(path) = list {
            build
                .dropped
                .extend(set.add(category, &lines(path)?, &Screening::default()));
        }
    }
    // A dry run leaves nothing behind.
    let scratch = tempfile::tempdir()?;
    let answers = args.out.join("answers.jsonl");
    let journal = if args.confirm.dry_run && !answers.exists() {
        Journal::open(&scratch.path().join("answers.jsonl"))?
    } else {
        Journal::open(&answers)?
    };
    let price = Price {
        prompt: args.prompt_price,
        completion: args.completion_price,
    };
    let chat = args
        .address
        .as_ref()
        .map(|address| chat(args, address))
        .transpose()?;
    let templates = match &args.templates {
        Some(dir) => Templates::read(dir)?,
        None => Templates::default(),
    };
    let generator = match &chat {
        Some(chat) => Some(Generator::new(
            chat,
            &templates,
            &journal,
            Budget {
                price,
                max_cost: args.max_cost,
                max_tokens: args.max_tokens,
                max_requests: args.max_requests,
            },
            generator_settings(args)?,
        )),
        None => None,
    };
    if let Some(generator) = &generator {
        let estimate =
            generator.estimate(&set, &wanted(&args.concepts), &wanted(&args.paraphrases));
        println!(
            "about {} requests, {} prompt and {} completion tokens; cost about {:.2}, at most {:.2}; {} answers \
             are there",
            estimate.requests,
            estimate.prompt_tokens,
            estimate.completion_tokens,
            estimate.cost,
            estimate.cost_at_most,
            journal.len()
        );
        if !args.confirm.go_on()? {
            return Ok(());
        }
    } else if args.confirm.dry_run {
        println!(
            "{} concepts from the lists; no server, so nothing is generated",
            set.concepts.len()
        );
        return Ok(());
    }
    let leaks_removed = build.fill(&mut set, generator.as_ref())?;
    let missing = match generator {
        Some(_) => build.refill.shortfalls(&set, &wanted(&args.concepts)),
        None => Vec::new(),
    };
    missing.iter().for_each(|short| println!("{short}"));
    let (statistics, combinations_left_out) = build.combine(&set)?;
    println!("{statistics}");
    println!("{combinations_left_out} combinations left out: they say what is held out");
    let spent = journal.spent();
    let report = Report {
        statistics,
        stop: build.stops,
        missing,
        rounds: build.refill.rounds(),
        dropped: build.dropped,
        leaks_removed,
        combinations_left_out,
        spent,
        cost: price.of(spent.prompt_tokens, spent.completion_tokens),
    };
    files::write_json(&args.out.join("report.json"), &report)?;
    println!("done: {}", display(&args.out));
    Ok(())
}

impl Build<'_> {
    /// Generates, filters, holds out, paraphrases; gives the training texts that leaked and were removed.
    fn fill(
        &mut self,
        set: &mut PromptSet,
        generator: Option<&Generator<'_>>,
    ) -> Result<Vec<String>> {
        let args = self.args;
        // Near-duplicates go before any is held out, and what is asked for in their place is looked at too.
        self.concepts(set, generator, None)?;
        let held_out = HeldOut {
            art: args.held_out[0],
            character: args.held_out[1],
            facial: args.held_out[2],
        };
        if let Err(error) = set.hold_out(held_out, args.seed) {
            let why = match generator {
                Some(_) => self.refill.shortfalls(set, &wanted(&args.concepts)),
                None => Vec::new(),
            };
            let why: Vec<String> = why.iter().map(|short| format!("; {short}")).collect();
            return Err(format!("{error}{}", why.concat()).into());
        }
        let (mut removed, mut paraphrased) = (Vec::new(), HashSet::new());
        loop {
            self.concepts(set, generator, Some(&mut removed))?;
            let Some(generator) = generator else { break };
            // What was asked for since, in place of what says a held-out paraphrase, wants paraphrases too.
            let there: HashSet<String> = set.concepts.iter().map(|c| c.text.clone()).collect();
            if there.is_subset(&paraphrased) {
                break;
            }
            paraphrased = there;
            let per = wanted(&args.paraphrases);
            let of = |c: Category| per.iter().find(|(of, _)| *of == c).map_or(0, |(_, n)| *n);
            let total: usize = set.concepts.iter().map(|c| of(c.category)).sum();
            let progress = Mutex::new(Progress::new("paraphrases", total as u64, 0));
            let outcome = generator.paraphrases(set, &per, &|step| show(&progress, step))?;
            self.note("paraphrases", outcome);
        }
        set.write(&args.out.join("set.json"))?;
        Ok(removed)
    }

    /// Asks for the concepts that are missing and drops those that mean the same, and after holding out (`leaks`) those
    /// that say what is held out.
    fn concepts(
        &mut self,
        set: &mut PromptSet,
        generator: Option<&Generator<'_>>,
        mut leaks: Option<&mut Vec<String>>,
    ) -> Result<()> {
        let args = self.args;
        let (embed, settings) = (self.embed.as_deref(), &self.leaks);
        let mut filter = |set: &mut PromptSet| {
            let mut dropped = match embed {
                Some(embed) => set.drop_near(embed, args.near)?,
                None => Vec::new(),
            };
            if let Some(leaks) = &mut leaks {
                for text in set.drop_leaks(settings, embed)? {
                    leaks.push(text.clone());
                    dropped.push(Dropped {
                        text,
                        reason: Reason::Leak,
                    });
                }
            }
            Ok(dropped)
        };
        let Some(generator) = generator else {
            let dropped = filter(set)?;
            self.dropped.extend(dropped);
            return Ok(());
        };
        let wanted = wanted(&args.concepts);
        let total: usize = args.concepts.iter().sum();
        let progress: OnceCell<Mutex<Progress>> = OnceCell::new();
        let observe = |step| {
            let new = || Mutex::new(Progress::new("concepts", total as u64, 0));
            show(progress.get_or_init(new), step);
        };
        let outcome =
            generator.concepts_until(set, &wanted, &mut self.refill, &mut filter, &observe)?;
        self.note("concepts", outcome);
        Ok(())
    }

    /// Writes the combinations one by one, without those that say what is held out; gives their number too.
    fn combine(&self, set: &PromptSet) -> Result<(Statistics, usize)> {
        let args = self.args;
        let check = LeakCheck::new(set, self.leaks.clone());
        let rules = CombineRules {
            limit: Some(args.combinations),
            seed: args.seed,
            conflicts: match &args.conflicts {
                Some(path) => conflicts(path)?,
                None => Vec::new(),
            },
            ..CombineRules::default()
        };
        std::fs::create_dir_all(&args.out)?;
        let mut file = tempfile::NamedTempFile::new_in(&args.out)?;
        let mut count = 0;
        let leaks = Cell::new(0);
        let keep = |combination: &Combination| {
            let leak = check.text(&combination.text).is_some();
            leaks.set(leaks.get() + usize::from(leak));
            !leak
        };
        // Counts all that are to be left out, since the rules have a limit; the draw below asks again.
        let combinations = combine_where(set, &rules, &keep)?;
        let left_out = leaks.get();
        {
            let mut out = std::io::BufWriter::new(&mut file);
            for combination in combinations {
                serde_json::to_writer(&mut out, &combination)?;
                out.write_all(b"\n")?;
                count += 1;
            }
            out.flush()?;
        }
        file.persist(args.out.join("combinations.jsonl"))?;
        Ok((Statistics::new(set, count), left_out))
    }

    fn note(&mut self, what: &str, outcome: Outcome) {
        let nothing = outcome.added == 0 && outcome.dropped.is_empty();
        if nothing && outcome.stop == Stop::Complete {
            return;
        }
        let end = match outcome.stop {
            Stop::Complete => "complete",
            Stop::Dry => "the model had nothing new to say",
            Stop::Rounds => "what was refused was asked for again as often as --rounds allows",
            Stop::Budget => "the budget is used up",
        };
        println!(
            "{what}: {} added, {} refused; {end}",
            outcome.added,
            outcome.dropped.len()
        );
        self.dropped.extend(outcome.dropped);
        self.stops.push(outcome.stop);
    }
}

fn show(progress: &Mutex<Progress>, step: Step) {
    if let Ok(mut progress) = progress.lock() {
        progress.set(step.done as u64, format!("{} answers", step.requests));
    }
}

/// `226,441,26`: art, character, facial.
fn three(text: &str) -> Result<[usize; 3], String> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| "give three numbers: art,character,facial".to_owned())
}

fn wanted(counts: &[usize]) -> Vec<(Category, usize)> {
    Category::ALL
        .into_iter()
        .zip(counts.iter().copied())
        .collect()
}

fn http(args: &Args) -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(args.timeout),
        max_reply: 8 << 20,
        ..HttpSettings::default()
    }
}

fn credentials(args: &Args) -> Result<Credentials> {
    Ok(match &args.key_env {
        Some(variable) => Credentials::bearer_from_env(variable)?,
        None => Credentials::none(),
    })
}

fn chat(args: &Args, address: &str) -> Result<ChatClient> {
    let settings = ChatSettings {
        limit_field: args.limit_field.clone(),
        ..ChatSettings::new(&args.model)
    };
    Ok(ChatClient::new(
        address,
        settings,
        http(args),
        credentials(args)?,
    )?)
}

fn generator_settings(args: &Args) -> Result<GeneratorSettings> {
    Ok(GeneratorSettings {
        max_tokens: args.answer_tokens,
        workers: args.workers,
        interval: match args.per_minute {
            Some(rate) if rate > 0.0 => Duration::try_from_secs_f64(60.0 / rate)?,
            Some(_) => return Err("--per-minute must be above 0".into()),
            None => Duration::ZERO,
        },
        seed: args.seed,
        ..GeneratorSettings::default()
    })
}

fn embedder(args: &Args) -> Result<Option<Box<dyn Embed>>> {
    Ok(match (args.embedder, &args.address) {
        (Embedder::None, _) => None,
        (Embedder::Server, Some(address)) => Some(Box::new(EmbeddingClient::new(
            address,
            &args.embedding_model,
            http(args),
            credentials(args)?,
        )?)),
        (Embedder::Server, None) => return Err("--embedder server needs --address".into()),
        (Embedder::Static, _) => {
            let encoder = StaticEncoder::embedded()?;
            Some(Box::new(move |texts: &[&str]| {
                encoder
                    .encode_pooled(texts)
                    .map_err(|error| concepts::Error::BadSetting {
                        setting: "embedding",
                        message: error.to_string(),
                    })
            }))
        }
    })
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

fn conflicts(path: &Path) -> Result<Vec<(String, String)>> {
    lines(path)?
        .into_iter()
        .map(|line| match line.split_once('/') {
            Some((a, b)) => Ok((a.trim().to_owned(), b.trim().to_owned())),
            None => Err(format!("{}: {line:?} is not `WORD / WORD`", path.display()).into()),
        })
        .collect()
}
