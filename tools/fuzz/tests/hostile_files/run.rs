//! The loop over targets and cases.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fuzz_harness::pickle::MARKER;
use fuzz_harness::{Folder, Mutator};
use peak_alloc::PeakAlloc;

/// What reads a folder: `Ok` where it was accepted, or the error as text.
pub(crate) type Read = Box<dyn Fn(&Path) -> Result<(), String>>;

/// A reader with valid files for it.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// One of these is mutated.
    pub(crate) folders: Vec<Folder>,
    /// Brings recorded digests up to date, so that a mutated file gets past them.
    pub(crate) reseal: fn(&mut Folder),
    /// Bytes that may be allocated for each byte of the files, besides [`BYTES`].
    pub(crate) times: usize,
    pub(crate) read: Read,
}

/// Allocated at most, besides what the size of the files allows.
const BYTES: usize = 64 << 20;
/// How many times the size of the files.
pub(crate) const TIMES: usize = 8;
/// A byte of a packed picture may stand for a thousand, so that a decoder can only be held to that.
pub(crate) const TIMES_OF_PICTURES: usize = 1_500;
/// The tokenizers crate makes automata of the words.
pub(crate) const TIMES_OF_TOKENIZERS: usize = 250;
/// Kept apart in a target's list of failures; equal messages count once.
const MOST_FAILURES: usize = 12;

#[derive(Default)]
struct Counts {
    cases: u64,
    accepted: u64,
    slowest: Duration,
    largest: usize,
    spent: Duration,
}

pub(crate) struct Report {
    rows: Vec<(&'static str, Counts)>,
    seed: u64,
    pub(crate) failures: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:24} {:>8} {:>8} {:>9} {:>9} {:>7}",
            "target", "cases", "read", "slowest", "peak MiB", "s"
        )?;
        let (mut cases, mut accepted) = (0, 0);
        for (name, row) in &self.rows {
            writeln!(
                f,
                "{name:24} {:>8} {:>8} {:>7}ms {:>9.1} {:>7.1}",
                row.cases,
                row.accepted,
                row.slowest.as_millis(),
                row.largest as f64 / f64::from(1 << 20),
                row.spent.as_secs_f64()
            )?;
            cases += row.cases;
            accepted += row.accepted;
        }
        let failed = self.failures.len();
        writeln!(
            f,
            "{cases} cases of seed {}, {accepted} of them read as valid, {failed} failures",
            self.seed
        )?;
        self.failures
            .iter()
            .try_for_each(|failure| writeln!(f, "{failure}"))
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The case that is being read, for the watchdog.
#[derive(Clone)]
struct Current {
    since: Instant,
    what: String,
    folder: PathBuf,
}

pub(crate) fn run(targets: &mut Vec<Target>) -> Report {
    let seconds = number("FUZZ_SECONDS").unwrap_or(50);
    let seed = number("FUZZ_SEED").unwrap_or(1);
    let only = number("FUZZ_CASE");
    if let Ok(name) = std::env::var("FUZZ_TARGET") {
        targets.retain(|target| target.name == name);
    }
    assert!(!targets.is_empty(), "no target of that name");
    let failed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz-failures");
    let work = tempfile::tempdir().unwrap();
    let current = Arc::new(Mutex::new(None));
    watch(current.clone(), failed.clone());
    for target in targets.iter() {
        for folder in &target.folders {
            let dir = work.path().join("valid");
            write(&dir, folder);
            if let Err(error) = (target.read)(&dir) {
                panic!("{}: the valid files: {error}", target.name);
            }
        }
    }
    std::panic::set_hook(Box::new(|panic| {
        PANIC.with(|text| *text.borrow_mut() = panic.to_string().replace('\n', " "));
    }));
    let mut rows: Vec<Counts> = targets.iter().map(|_| Counts::default()).collect();
    let mut failures = Vec::new();
    let mut known: Vec<BTreeSet<String>> = targets.iter().map(|_| BTreeSet::new()).collect();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(seconds) {
        // The target that had the least time so far: a slow one has fewer cases.
        let at = (0..rows.len()).min_by_key(|&i| rows[i].spent).unwrap_or(0);
        let (target, row) = (&targets[at], &mut rows[at]);
        let begin = Instant::now();
        let case = only.unwrap_or(row.cases);
        let what = format!(
            "FUZZ_TARGET={} FUZZ_SEED={seed} FUZZ_CASE={case}",
            target.name
        );
        let dir = work.path().join("case");
        let (size, how) = prepare(target, seed, case, &dir);
        *current.lock().unwrap() = Some(Current {
            since: Instant::now(),
            what: format!("{what}: {how}"),
            folder: dir.clone(),
        });
        let clock = Instant::now();
        let (result, mut peak) = measured(&target.read, &dir);
        let taken = clock.elapsed();
        let allowed = BYTES + target.times * size;
        if result.is_ok() && peak > allowed {
            // The count is of the whole process: what a thread of an earlier case still allocates is in it. A reader that
            // allocates too much does so every time.
            peak = peak.min(measured(&target.read, &dir).1);
        }
        *current.lock().unwrap() = None;
        row.cases += 1;
        row.accepted += u64::from(matches!(result, Ok(Ok(()))));
        row.slowest = row.slowest.max(taken);
        row.largest = row.largest.max(peak);
        let wrong = match result {
            Err(_) => Some(PANIC.with(|text| text.borrow().clone())),
            Ok(Err(message)) if message.trim().is_empty() => Some("an error without a word".into()),
            Ok(_) if Path::new(MARKER).exists() => Some("a pickled call was run".into()),
            Ok(_) if peak > allowed => Some(format!("{} MiB", peak >> 20)),
            Ok(_) => None,
        };
        if let Some(wrong) = wrong {
            let kind = wrong
                .chars()
                .filter(|c| !c.is_ascii_digit())
                .take(100)
                .collect();
            if known[at].len() < MOST_FAILURES && known[at].insert(kind) {
                let kept = keep(&failed, target.name, case, &dir);
                let text = format!(
                    "{what}\n    {how}\n    {wrong} (of {size} bytes; files in {})",
                    kept.display()
                );
                eprintln!("FAILED {text}");
                failures.push(text);
            }
        }
        row.spent += begin.elapsed();
        if only.is_some() {
            break;
        }
    }
    drop(std::panic::take_hook());
    Report {
        rows: targets.iter().map(|target| target.name).zip(rows).collect(),
        seed,
        failures,
    }
}

/// Reads a folder; gives what came of it, and the bytes that were allocated at most meanwhile.
fn measured(read: &Read, dir: &Path) -> (std::thread::Result<Result<(), String>>, usize) {
    let before = PeakAlloc.current_usage();
    PeakAlloc.reset_peak_usage();
    let result = catch_unwind(AssertUnwindSafe(|| read(dir)));
    (result, PeakAlloc.peak_usage().saturating_sub(before))
}

/// The files of a case on disk; their size and what was done.
fn prepare(target: &Target, seed: u64, case: u64, dir: &Path) -> (usize, String) {
    let index = case as usize % target.folders.len();
    let mut folder = target.folders[index].clone();
    let mut mutator = Mutator::new(seed, case);
    let how = mutator.folder(&mut folder);
    // A digest that fits lets the file through to the parser; one that does not is checked too.
    if !case.is_multiple_of(8) {
        (target.reseal)(&mut folder);
    }
    write(dir, &folder);
    (folder.values().map(Vec::len).sum(), how)
}

fn write(dir: &Path, folder: &Folder) {
    if dir.exists() {
        fs::remove_dir_all(dir).unwrap();
    }
    fs::create_dir_all(dir).unwrap();
    for (name, bytes) in folder {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

pub(crate) fn folder_of(dir: &Path) -> Folder {
    let mut folder = Folder::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                folder.insert(name, fs::read(path).unwrap());
            }
        }
    }
    folder
}

fn keep(failed: &Path, target: &str, case: u64, dir: &Path) -> PathBuf {
    let kept = failed.join(format!("{target}-{case}"));
    write(&kept, &folder_of(dir));
    kept
}

/// Ends the process where a case takes far longer than any should.
fn watch(current: Arc<Mutex<Option<Current>>>, failed: PathBuf) {
    let limit = Duration::from_secs(number("FUZZ_CASE_SECONDS").unwrap_or(60));
    std::thread::spawn(move || {
        let mut last = String::new();
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let Some(case) = current.lock().unwrap().clone() else {
                continue;
            };
            // An abort leaves no word of its own: which case it was is written beside the failures.
            if case.what != last && case.since.elapsed() > Duration::from_millis(400) {
                last.clone_from(&case.what);
                let _ = fs::create_dir_all(&failed);
                let _ = fs::write(failed.join("slow-case.txt"), &case.what);
            }
            if case.since.elapsed() > limit {
                let kept = keep(&failed, "hang", std::process::id().into(), &case.folder);
                eprintln!("HANGS {} (files in {})", case.what, kept.display());
                std::process::exit(101);
            }
        }
    });
}
