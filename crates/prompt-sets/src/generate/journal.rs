use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use resumable_runs::{Error as FileError, Lock, hex, io_error, sha256_parts};
use serde::{Deserialize, Serialize};

use super::budget::Spent;
use crate::Error;
use crate::chat::{ChatModel, ChatReply, ChatRequest};
use resumable_runs::workers::lock;

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 4 << 20;

/// Answers of a chat model in a JSON-lines file, one line per request, found by the request's digest.
///
/// A killed run resumes where it stopped: requests in the journal are not sent again, and an incomplete last line is
/// removed. Only one process at a time can have the journal open.
///
/// ```
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("answers.jsonl");
/// let journal = prompt_sets::generate::Journal::open(&path)?;
/// assert_eq!(journal.len(), 0);
/// assert!(prompt_sets::generate::Journal::open(&path).is_err(), "it is open already");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    state: Mutex<State>,
    _lock: Lock,
}

#[derive(Debug)]
struct State {
    file: File,
    /// The number of bytes in complete lines.
    length: u64,
    entries: HashMap<String, ChatReply>,
    spent: Spent,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    label: String,
    model: String,
    /// Missing for a request that failed after it may have been served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default)]
    cut: bool,
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Journal {
    /// Opens or creates the file, and locks it by `FILE.lock` beside it.
    ///
    /// # Errors
    /// Returns [`Error::BrokenJournal`] if a line before the last is broken, and [`Error::File`] if another run has the
    /// journal open or the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let held = Lock::take(path.with_file_name(name))?;
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .map_err(io_error("open", path))?;
        let (entries, spent, length) = read_lines(&file, path)?;
        file.set_len(length).map_err(io_error("shorten", path))?;
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                file,
                length,
                entries,
                spent,
            }),
            _lock: held,
        })
    }

    /// The number of answers.
    pub fn len(&self) -> usize {
        lock(&self.state).entries.len()
    }

    /// Whether there is no answer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all answers used, including what attempts without an answer may have used.
    pub fn spent(&self) -> Spent {
        lock(&self.state).spent
    }

    pub(super) fn get(&self, key: &str) -> Option<ChatReply> {
        lock(&self.state).entries.get(key).cloned()
    }

    pub(super) fn append(
        &self,
        key: String,
        label: &str,
        model: &str,
        request: &ChatRequest,
        reply: &ChatReply,
    ) -> Result<(), Error> {
        let used = Spent::of(request, reply);
        let written = self.write(
            &Line {
                key: key.clone(),
                label: label.to_owned(),
                model: model.to_owned(),
                text: Some(reply.text.clone()),
                cut: reply.cut,
                prompt_tokens: used.prompt_tokens,
                completion_tokens: used.completion_tokens,
            },
            used,
        );
        if let Err(Error::LongAnswer { .. }) = written {
            // An answer that cannot be kept was paid for nevertheless.
            self.lose(key, label, model, used)?;
            return written;
        }
        written?;
        lock(&self.state).entries.insert(key, reply.clone());
        Ok(())
    }

    /// Records what a request without an answer may have used, if anything.
    pub(super) fn lose(
        &self,
        key: String,
        label: &str,
        model: &str,
        used: Spent,
    ) -> Result<(), Error> {
        if used == Spent::default() {
            return Ok(());
        }
        let line = Line {
            key,
            label: label.to_owned(),
            model: model.to_owned(),
            text: None,
            cut: false,
            prompt_tokens: used.prompt_tokens,
            completion_tokens: used.completion_tokens,
        };
        self.write(&line, used)
    }

    fn write(&self, line: &Line, used: Spent) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec(line).map_err(|source| FileError::Json {
            path: self.path.clone(),
            source,
        })?;
        bytes.push(b'\n');
        if bytes.len() as u64 > MAX_LINE {
            return Err(Error::LongAnswer {
                path: self.path.clone(),
                length: bytes.len(),
                limit: MAX_LINE,
            });
        }
        let mut state = lock(&self.state);
        if let Err(source) = state.file.write_all(&bytes) {
            // The next line must not follow an incomplete one. The first error is the one to report.
            let _ = state.file.set_len(state.length);
            return Err(io_error("write", &self.path)(source).into());
        }
        state.length += bytes.len() as u64;
        state.spent = state.spent.plus(used);
        Ok(())
    }
}

/// The answers in a journal, what they used, and the number of bytes in complete lines.
fn read_lines(file: &File, path: &Path) -> Result<(HashMap<String, ChatReply>, Spent, u64), Error> {
    let (mut entries, mut spent, mut complete) = (HashMap::new(), Spent::default(), 0);
    let mut reader = BufReader::new(file);
    for number in 1.. {
        let mut line = Vec::new();
        let length = reader
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(io_error("read", path))? as u64;
        if length == 0 {
            break;
        }
        if line.last() != Some(&b'\n') && length < MAX_LINE {
            // The incomplete line of a killed run.
            break;
        }
        let entry: Line = serde_json::from_slice(&line).map_err(|source| Error::BrokenJournal {
            path: path.to_owned(),
            line: number,
            source,
        })?;
        complete += length;
        spent = spent.plus(Spent {
            requests: 1,
            prompt_tokens: entry.prompt_tokens,
            completion_tokens: entry.completion_tokens,
        });
        let Some(text) = entry.text else {
            continue;
        };
        entries.entry(entry.key).or_insert(ChatReply {
            text,
            cut: entry.cut,
            prompt_tokens: Some(entry.prompt_tokens),
            completion_tokens: Some(entry.completion_tokens),
            unanswered: 0,
        });
    }
    Ok((entries, spent, complete))
}

/// The digest of everything that decides a request's answer.
pub(super) fn key(model: &dyn ChatModel, request: &ChatRequest) -> String {
    hex(&sha256_parts(&[
        model.name().as_bytes(),
        model.parameters().to_string().as_bytes(),
        request.system.as_bytes(),
        request.user.as_bytes(),
        &request.max_tokens.to_le_bytes(),
        &request.seed.to_le_bytes(),
    ]))
}
