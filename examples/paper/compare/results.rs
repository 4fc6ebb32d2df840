//! The results of all runs, read back for the report.

use std::collections::BTreeMap;
use std::path::Path;

use denoised_weights::comparison::{ComparisonReport, ConceptReport};
use denoised_weights::pairs::ConceptSource;
use denoised_weights_examples::Result;
use serde::Serialize;

use crate::improvement::{Improvement, improvements};
use crate::store::{Store, Strip};
use crate::table::{Budget, Row, budgets, rows};

/// report.json: the shared format and the figures of this comparison.
#[derive(Serialize)]
pub(crate) struct Json {
    #[serde(flatten)]
    pub report: ComparisonReport,
    pub seeds: Vec<u64>,
    pub machine: Machine,
    /// The command that wrote this.
    pub command: String,
    /// Table 1.
    pub table: Vec<Row>,
    pub budgets: Vec<Budget>,
    pub improvements: Vec<Improvement>,
}

/// The machine.
#[derive(Serialize)]
pub(crate) struct Machine {
    pub processor: String,
    pub cores: usize,
    /// `RAYON_NUM_THREADS`, if it was set.
    pub threads: Option<String>,
    pub system: String,
}

/// The pictures of one concept, of its first seed.
pub(crate) struct Pictures {
    pub shown: Strip,
    pub methods: BTreeMap<String, Strip>,
}

pub(crate) struct Results {
    pub json: Json,
    /// In the order of the command line.
    pub methods: Vec<String>,
    /// By concept.
    pub pictures: Vec<(String, Pictures)>,
}

impl Results {
    /// Reads the runs that exist; it is an error if there are none.
    pub(crate) fn read(
        out: &Path,
        subjects: &[ConceptSource],
        seeds: &[u64],
        methods: &[String],
        quality: &str,
        device: &str,
    ) -> Result<Self> {
        let mut entries = Vec::new();
        let mut pictures = Vec::new();
        for subject in subjects {
            let mut seen = false;
            for &seed in seeds {
                let store = Store::new(out, subject.name(), seed);
                let Some(entry) = entry(&store, subject.name(), seed, methods)? else {
                    continue;
                };
                if !seen {
                    let strips = (entry.methods.keys())
                        .map(|method| Ok((method.clone(), store.strip(method)?)))
                        .collect::<Result<_>>()?;
                    let pictures_of = Pictures {
                        shown: store.shown()?,
                        methods: strips,
                    };
                    pictures.push((subject.name().to_owned(), pictures_of));
                    seen = true;
                }
                entries.push(entry);
            }
        }
        if entries.is_empty() {
            return Err(format!("{}: there are no results yet", out.display()).into());
        }
        let table = rows(&entries, methods);
        let budgets = budgets(&entries, methods);
        let improvements = improvements(&entries, methods);
        let seed = seeds.first().copied().unwrap_or(0);
        let mut report = ComparisonReport::new(seed, device, quality);
        entries.into_iter().for_each(|entry| report.add(entry));
        Ok(Self {
            json: Json {
                report,
                seeds: seeds.to_vec(),
                machine: Machine::here(),
                command: command(),
                table,
                budgets,
                improvements,
            },
            methods: methods.to_vec(),
            pictures,
        })
    }
}

fn entry(
    store: &Store,
    name: &str,
    seed: u64,
    methods: &[String],
) -> Result<Option<ConceptReport>> {
    let Some(about) = store.about()? else {
        return Ok(None);
    };
    let mut found = BTreeMap::new();
    for method in methods {
        if let Some(report) = store.method(method)? {
            found.insert(method.clone(), report);
        }
    }
    let mut entry = ConceptReport {
        name: name.to_owned(),
        prompt: about.prompt,
        seed,
        n_train: about.n_train,
        n_test: about.n_test,
        methods: found,
    };
    entry.resolve_targets();
    Ok((!entry.methods.is_empty()).then_some(entry))
}

fn command() -> String {
    let quoted = |argument: String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|a| quoted(a.to_string_lossy().into_owned()));
    std::iter::once("compare".to_owned())
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

impl Machine {
    fn here() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = (info.lines())
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned());
        Self {
            processor,
            cores: std::thread::available_parallelism().map_or(0, |n| n.get()),
            threads: std::env::var("RAYON_NUM_THREADS").ok(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}
