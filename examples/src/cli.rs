//! What every program does with its command line: common options, devices, errors.

use std::any::Any;
use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use burn::tensor::Device;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser};
use device_names::DeviceError;

use crate::Result;
use crate::files::{Places, trimmed};
use crate::options::at_least;

/// `--seed`, `--device`, `--json`.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Seed of everything random; the same seed, device and build give the same result.
    #[arg(long, default_value_t = 0, value_parser = at_least::<u64>(0), allow_negative_numbers = true)]
    pub seed: u64,
    /// Where to compute: flex (the CPU), wgpu, vulkan or cuda, or one of several devices such as cuda:1. All
    /// but flex need the Cargo feature of that name.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Print the devices of this build and machine, and exit.
    #[arg(long)]
    list_devices: bool,
    #[command(flatten)]
    json: JsonArg,
}

impl Common {
    /// Opens the device that `--device` names.
    ///
    /// # Errors
    /// As [`device_names::open`].
    pub fn device(&self) -> Result<Device, DeviceError> {
        device_names::open(&self.device)
    }

    /// As [`JsonArg::check_places`].
    ///
    /// # Errors
    /// As [`JsonArg::check_places`].
    pub fn check_places(&self, places: Places) -> Result<()> {
        self.json.check_places(places)
    }

    /// As [`JsonArg::write_json`].
    ///
    /// # Errors
    /// As [`JsonArg::write_json`].
    pub fn write_json(&self, value: &impl serde::Serialize) -> Result<()> {
        self.json.write_json(value)
    }
}

/// `--json`, for programs that need not all of [`Common`].
#[derive(Debug, Clone, Args)]
pub struct JsonArg {
    /// Also write the result as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl JsonArg {
    /// Checks where the program writes, the file of `--json` included, against what it reads, before anything is read.
    ///
    /// # Errors
    /// As [`Places::check`], and if `--json` names a folder.
    pub fn check_places(&self, places: Places) -> Result<()> {
        if let Some(path) = self.json.as_ref().filter(|path| path.is_dir()) {
            return Err(format!("--json {}: this is a folder; name a file", path.display()).into());
        }
        Ok(places.writes_all(&self.json).check()?)
    }

    /// Writes `value` to the file of `--json`, if it was given.
    ///
    /// # Errors
    /// Names the file if it cannot be written.
    pub fn write_json(&self, value: &impl serde::Serialize) -> Result<()> {
        match &self.json {
            Some(path) => Ok(crate::files::write_json(path, value)?),
            None => Ok(()),
        }
    }
}

/// Reads one of `names`, which `FromStr` of `T` knows; help texts list them.
pub fn one_of<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name: String| name.parse::<T>())
}

/// [`Parser::parse`], preceded by `--list-devices`, which needs no other argument: it prints the devices and exits.
pub fn parse<A: Parser>() -> A {
    if std::env::args_os()
        .skip(1)
        .any(|argument| argument == "--list-devices")
    {
        let mut out = std::io::stdout().lock();
        let printed =
            (device_names::list().into_iter()).try_for_each(|line| writeln!(out, "{line}"));
        // Whoever reads the list may have closed it.
        let failed = printed.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe);
        std::process::exit(i32::from(failed));
    }
    A::parse()
}

/// Starts the logger and runs `main`; an error, or the loss of a remote device, is printed with its causes and gives exit
/// status 1. If the reader of the standard output closes it (`| head -1`), the program ends silently at the next line that it
/// prints, as other programs do: write results before printing about them.
pub fn run(main: impl FnOnce() -> Result<()>) -> std::process::ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let report = take_hook();
    set_hook(Box::new(move |panic| {
        if unprinted(panic.payload()).is_none() {
            report(panic);
        }
    }));
    let result = catch_unwind(AssertUnwindSafe(main)).unwrap_or_else(|panic| {
        match (unprinted(&*panic), device_names::lost(&*panic)) {
            (Some(Unprinted::Closed), _) => std::process::exit(CLOSED),
            (Some(Unprinted::Failed(why)), _) => Err(why.into()),
            (None, Some(error)) => Err(error.into()),
            (None, None) => resume_unwind(panic),
        }
    });
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(inner) = cause {
                if !error.to_string().contains(&inner.to_string()) {
                    eprintln!("  because: {inner}");
                }
                cause = inner.source();
            }
            if let Some(advice) = advice(&error.to_string()) {
                eprintln!("  what to do: {advice}");
            }
            std::process::ExitCode::FAILURE
        }
    }
}

/// The status that shells report for a program that SIGPIPE ended.
const CLOSED: i32 = 128 + 13;

/// Why `println!` panicked.
#[derive(Debug, PartialEq, Eq)]
enum Unprinted {
    Closed,
    Failed(String),
}

/// Tells the panics of `println!` from others, by their message: nothing else is left of the error.
fn unprinted(panic: &(dyn Any + Send)) -> Option<Unprinted> {
    let message = panic.downcast_ref::<String>()?;
    if !message.starts_with("failed printing to stdout") {
        return None;
    }
    // EPIPE, and ERROR_NO_DATA of Windows.
    let closed = ["(os error 32)", "(os error 232)"];
    Some(match closed.iter().any(|code| message.contains(code)) {
        true => Unprinted::Closed,
        false => Unprinted::Failed(message.clone()),
    })
}

/// Parses a prompt of the command line, so that an empty one is refused before anything begins.
///
/// # Errors
/// Says so if there is nothing but white space.
pub fn prompt(text: &str) -> Result<String, String> {
    match trimmed(text) {
        "" => Err("it is empty; describe the concept in words".to_owned()),
        prompt => Ok(prompt.to_owned()),
    }
}

/// The time between two requests that `--per-minute` asks for; zero if it was not given.
///
/// # Errors
/// Returns an error unless the rate is above 0, or if the time is too long to be told.
pub fn interval(per_minute: Option<f64>) -> Result<Duration> {
    match per_minute {
        Some(rate) if rate > 0.0 => Duration::try_from_secs_f64(60.0 / rate).map_err(|_| {
            format!("--per-minute {rate} is too slow to wait for; give a larger number").into()
        }),
        Some(_) => Err("--per-minute must be above 0".into()),
        None => Ok(Duration::ZERO),
    }
}

/// `path` as people type it: relative to the current folder if it lies in it.
pub fn display(path: &Path) -> String {
    let shown = std::env::current_dir()
        .ok()
        .and_then(|dir| path.strip_prefix(dir).ok())
        .unwrap_or(path);
    shown.display().to_string()
}

/// What to do about a file or disk that cannot be read or written to. It looks at the text, since some libraries keep nothing else of an
/// error.
fn advice(error: &str) -> Option<&'static str> {
    let says = |texts: &[&str]| texts.iter().any(|text| error.contains(text));
    if says(&[
        "No space left on device",
        "Disk quota exceeded",
        "File too large",
    ]) {
        Some(
            "make room there or raise the limit, and run the same command again; what was saved so far is kept",
        )
    } else if says(&["Read-only file system"]) {
        Some("give write access there, or choose another folder, and run the same command again")
    } else if !says(&["Permission denied", "not permitted"]) {
        None
    } else if says(&["cannot read", "cannot open", "cannot list"]) {
        Some("give read access there, and run the same command again")
    } else if says(&["cannot write", "cannot create", "cannot remove"]) {
        Some("give write access there, or choose another folder, and run the same command again")
    } else {
        Some(
            "give access there (to read what is read, to write where results go), and run the same command again",
        )
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn prompts_have_words() {
        assert_eq!(prompt("\u{feff} red fog\r\n"), Ok("red fog".to_owned()));
        for empty in ["", " \t", "\u{feff}\n"] {
            assert!(prompt(empty).is_err_and(|error| error.contains("empty")));
        }
    }

    #[test]
    fn a_closed_output_is_told_from_other_panics() {
        use std::io::Error;
        let caught = |panic: Box<dyn FnOnce()>| {
            let payload = catch_unwind(AssertUnwindSafe(panic)).unwrap_err();
            unprinted(&*payload)
        };
        // As std's `print_to` has it.
        let print = |code: i32| -> Box<dyn FnOnce()> {
            let error = Error::from_raw_os_error(code);
            Box::new(move || panic!("failed printing to stdout: {error}"))
        };
        assert_eq!(caught(print(32)), Some(Unprinted::Closed));
        let full = caught(print(28));
        assert!(matches!(full, Some(Unprinted::Failed(why)) if advice(&why).is_some()));
        assert_eq!(caught(Box::new(|| panic!("index out of bounds"))), None);
    }

    #[test]
    fn a_full_and_a_read_only_disk_get_advice() {
        use std::io::Error;
        let full = format!("a.json: {}", Error::from_raw_os_error(28));
        assert!(advice(&full).is_some_and(|advice| advice.contains("make room")));
        let locked = format!("a.json: {}", Error::from_raw_os_error(30));
        assert!(advice(&locked).is_some_and(|advice| advice.contains("write access")));
        let secret = |action: &str| {
            let error = Error::from_raw_os_error(13);
            advice(&format!("cannot {action} a.png: {error}")).unwrap_or_default()
        };
        assert!(secret("read").contains("read access"));
        assert!(secret("write").contains("write access"));
        assert_eq!(advice("a.json: No such file or directory"), None);
    }
}
