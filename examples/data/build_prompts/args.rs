//! The command line, and what it asks for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::interval;
use denoised_weights_examples::confirm::Confirm;
use denoised_weights_examples::files::{Places, read_lines};
use denoised_weights_examples::options::at_least;
use model_server_client::{Credentials, HttpSettings};
use prompt_sets::Category;
use prompt_sets::chat::{ChatClient, ChatSettings};
use prompt_sets::embed::{EmbeddingClient, TextEmbedder};
use prompt_sets::generate::{Budget, GeneratorSettings, Price, Templates};
use serde_json::Value;
use text_encoder::{StaticEncoder, TextEncoder};

/// Generate concepts and paraphrases with an OpenAI-compatible chat server, hold some concepts out,
/// combine the rest, and check for leaks. After an interruption, the same command continues the run;
/// requests that were answered are not sent again. The defaults are the paper's numbers.
///
/// OUT/set.json, OUT/combinations.jsonl, OUT/report.json, OUT/answers.jsonl
#[derive(Parser)]
pub(crate) struct Args {
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Address of the server's API [default: none; the lists must hold all concepts].
    #[arg(long, value_name = "URL")]
    pub address: Option<String>,
    /// The model's name on the server.
    #[arg(long, default_value = "default")]
    pub model: String,
    /// Environment variable that holds the server's key.
    #[arg(long, value_name = "VARIABLE")]
    pub key_env: Option<String>,
    /// Name of the request's field that limits the length of an answer; OpenAI's reasoning models need
    /// max_completion_tokens.
    #[arg(long, default_value = "max_tokens")]
    pub limit_field: String,
    /// Further field of the request as NAME=VALUE, where VALUE is JSON or plain text; may be given several times.
    /// reasoning_effort=low, or chat_template_kwargs={"enable_thinking":false}, keeps a model from using up the
    /// answer with reasoning.
    #[arg(long, value_name = "NAME=VALUE", value_parser = field)]
    pub request_field: Vec<(String, Value)>,
    /// Folder with system.txt, generate.txt, paraphrase.txt, art.txt, character.txt, facial.txt
    /// [default: the shipped texts].
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Art styles to begin with, one per line; likewise --character-list and --facial-list.
    #[arg(long, value_name = "FILE")]
    pub art_list: Option<PathBuf>,
    /// Characters to begin with, one per line.
    #[arg(long, value_name = "FILE")]
    pub character_list: Option<PathBuf>,
    /// Facial modifications to begin with, one per line.
    #[arg(long, value_name = "FILE")]
    pub facial_list: Option<PathBuf>,
    /// Concepts wanted: art, character, facial.
    #[arg(long, value_name = "A,C,F", value_parser = three, default_value = "226,441,26")]
    pub concepts: [usize; 3],
    /// Concepts to hold out of them.
    #[arg(long, value_name = "A,C,F", value_parser = three, default_value = "20,20,5")]
    pub held_out: [usize; 3],
    /// How many times to ask for replacements of concepts that the filters removed (near-duplicates, and
    /// concepts that give away a held-out one).
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Paraphrases wanted per concept.
    #[arg(long, value_name = "A,C,F", value_parser = three, default_value = "18,18,9")]
    pub paraphrases: [usize; 3],
    /// Maximum number of combinations.
    #[arg(long, default_value_t = 84_477)]
    pub combinations: usize,
    /// Pairs of words that exclude each other, such as `bald / hair`, one per line.
    #[arg(long, value_name = "FILE")]
    pub conflicts: Option<PathBuf>,
    /// What compares the meanings of prompts.
    #[arg(long, value_enum, default_value_t = Embedder::Static)]
    pub embedder: Embedder,
    /// The embedding model's name on the server, for `--embedder server`.
    #[arg(long, requires = "embedder", default_value = "default")]
    pub embedding_model: String,
    /// Cosine similarity at or above which two prompts count as the same.
    #[arg(long, default_value_t = 0.95, value_parser = cosine, allow_negative_numbers = true)]
    pub near: f32,
    /// Price of a million prompt tokens.
    #[arg(long, default_value_t = 0.0)]
    pub prompt_price: f64,
    /// Price of a million completion tokens.
    #[arg(long, default_value_t = 0.0)]
    pub completion_price: f64,
    /// Maximum cost of all runs into this folder; repeated attempts of the last requests may exceed it.
    #[arg(long)]
    pub max_cost: Option<f64>,
    /// Maximum number of tokens, likewise.
    #[arg(long)]
    pub max_tokens: Option<u64>,
    /// Maximum number of requests, likewise.
    #[arg(long)]
    pub max_requests: Option<u64>,
    /// Maximum length of an answer in tokens, its reasoning included.
    #[arg(long, default_value_t = 1024)]
    pub answer_tokens: u32,
    /// Maximum number of requests begun per minute, not counting repeated attempts [default: no limit].
    #[arg(long, allow_negative_numbers = true)]
    pub per_minute: Option<f64>,
    /// Number of requests in flight at a time while paraphrasing.
    #[arg(
        long,
        default_value_t = 4,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub workers: usize,
    /// Timeout of a request, in seconds.
    #[arg(long, default_value_t = 300)]
    pub timeout: u64,
    /// Seed of the requests, of the held-out concepts and of the choice of combinations.
    #[arg(
        long,
        default_value_t = 0,
        value_parser = at_least::<u64>(0),
        allow_negative_numbers = true
    )]
    pub seed: u64,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Embedder {
    /// The embedded static encoder.
    Static,
    /// The server's /embeddings.
    Server,
    /// None: only words are compared.
    None,
}

impl Args {
    /// Refuses outputs that would replace lists or templates.
    pub(crate) fn check_places(&self) -> Result<()> {
        let outputs = [
            "set.json",
            "combinations.jsonl",
            "report.json",
            "answers.jsonl",
        ];
        let places = Places::new()
            .reads_all(&self.templates)
            .reads_all(&self.art_list)
            .reads_all(&self.character_list)
            .reads_all(&self.facial_list)
            .reads_all(&self.conflicts)
            .writes_all(outputs.map(|name| self.out.join(name)));
        Ok(places.check()?)
    }

    /// The prices of the server's tokens.
    pub(crate) fn price(&self) -> Price {
        Price {
            prompt: self.prompt_price,
            completion: self.completion_price,
        }
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget {
            price: self.price(),
            max_cost: self.max_cost,
            max_tokens: self.max_tokens,
            max_requests: self.max_requests,
        }
    }

    /// The chat client, if there is a server.
    pub(crate) fn chat(&self) -> Result<Option<ChatClient>> {
        let Some(address) = &self.address else {
            return Ok(None);
        };
        let settings = ChatSettings {
            limit_field: self.limit_field.clone(),
            extra: self.request_field.iter().cloned().collect(),
            ..ChatSettings::new(&self.model)
        };
        let client = ChatClient::new(address, settings, self.http(), self.credentials()?)?;
        Ok(Some(client))
    }

    pub(crate) fn templates(&self) -> Result<Templates> {
        Ok(match &self.templates {
            Some(dir) => Templates::read(dir)?,
            None => Templates::default(),
        })
    }

    pub(crate) fn generator_settings(&self) -> Result<GeneratorSettings> {
        Ok(GeneratorSettings {
            max_tokens: self.answer_tokens,
            workers: self.workers,
            interval: interval(self.per_minute)?,
            seed: self.seed,
            ..GeneratorSettings::default()
        })
    }

    /// What compares the meanings of prompts, if anything does.
    pub(crate) fn embedder(&self) -> Result<Option<Box<dyn TextEmbedder>>> {
        Ok(match (self.embedder, &self.address) {
            (Embedder::None, _) => None,
            (Embedder::Server, Some(address)) => Some(Box::new(EmbeddingClient::new(
                address,
                &self.embedding_model,
                self.http(),
                self.credentials()?,
            )?)),
            (Embedder::Server, None) => return Err("--embedder server needs --address".into()),
            (Embedder::Static, _) => {
                let encoder = StaticEncoder::embedded()?;
                Some(Box::new(move |texts: &[&str]| {
                    encoder
                        .encode_pooled(texts)
                        .map_err(|error| prompt_sets::Error::Embedder {
                            source: error.into(),
                        })
                }))
            }
        })
    }

    /// The pairs of words that exclude each other.
    pub(crate) fn conflicts(&self) -> Result<Vec<(String, String)>> {
        let Some(path) = &self.conflicts else {
            return Ok(Vec::new());
        };
        read_lines(path)?
            .into_iter()
            .map(|line| match line.split_once('/') {
                Some((a, b)) => Ok((a.trim().to_owned(), b.trim().to_owned())),
                None => Err(format!("{}: {line:?} is not `WORD / WORD`", path.display()).into()),
            })
            .collect()
    }

    fn http(&self) -> HttpSettings {
        HttpSettings {
            timeout: Duration::from_secs(self.timeout),
            max_reply: 8 << 20,
            ..HttpSettings::default()
        }
    }

    fn credentials(&self) -> Result<Credentials> {
        Ok(match &self.key_env {
            Some(variable) => Credentials::bearer_from_env(variable)?,
            None => Credentials::none(),
        })
    }
}

/// Parses `226,441,26`: art, character, facial.
fn three(text: &str) -> Result<[usize; 3], String> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| "give three numbers: art,character,facial".to_owned())
}

/// Parses a cosine similarity of texts with something in common.
fn cosine(text: &str) -> Result<f32, String> {
    let number: Option<f32> = text.trim().parse().ok();
    // NaN is refused too.
    (number.filter(|cosine| *cosine > 0.0 && *cosine <= 1.0))
        .ok_or_else(|| "give a number above 0, up to 1".to_owned())
}

/// Parses `NAME=VALUE`.
fn field(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            Ok((name.trim().to_owned(), value))
        }
        _ => Err("give NAME=VALUE".to_owned()),
    }
}

/// Numbers by category.
pub(crate) fn by_category(counts: [usize; 3]) -> Vec<(Category, usize)> {
    Category::ALL.into_iter().zip(counts).collect()
}
