use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::budget::Spent;
use super::chat::{ChatModel, ChatReply, ChatRequest};
use crate::Error;
use crate::parallel::lock;
use crate::store::{self, Lock, io};

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 4 << 20;

/// Answers of a chat model in a JSON-lines file, one line per request, by the request's digest.
///
/// A run that is killed goes on where it stopped: requests that are in the journal are not sent again, and half a
/// line at the end is cut off. One process at a time can have it open.
///
/// ```
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("answers.jsonl");
/// let journal = concepts::prompts::Journal::open(&path)?;
/// assert_eq!(journal.len(), 0);
/// assert!(concepts::prompts::Journal::open(&path).is_err(), "it is open already");
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
    /// Bytes of whole lines in it.
    length: u64,
    entries: HashMap<String, ChatReply>,
    spent: Spent,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    label: String,
    model: String,
    /// Not there for a request that failed after it may have been served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default)]
    cut: bool,
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Journal {
    /// Opens or creates the file; beside it lies `FILE.lock`.
    ///
    /// # Errors
    /// [`Error::Busy`] when another run has it open; [`Error::BadFile`] when a line before the last is broken;
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let held = Lock::take(path.with_file_name(name))?;
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .map_err(io("open", path))?;
        let (mut entries, mut spent, mut whole) = (HashMap::new(), Spent::default(), 0u64);
        let mut reader = BufReader::new(&file);
        for number in 1.. {
            let mut line = Vec::new();
            let length = reader
                .by_ref()
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)
                .map_err(io("read", path))? as u64;
            if length == 0 {
                break;
            }
            if line.last() != Some(&b'\n') && length < MAX_LINE {
                // What a killed run left.
                break;
            }
            let entry: Line = serde_json::from_slice(&line).map_err(|error| Error::BadFile {
                path: path.to_owned(),
                message: format!(
                    "line {number} is not an answer of a chat model: {error}; remove the line, and it is asked again"
                ),
            })?;
            whole += length;
            spent.requests += 1;
            spent.prompt_tokens = spent.prompt_tokens.saturating_add(entry.prompt_tokens);
            spent.completion_tokens = spent
                .completion_tokens
                .saturating_add(entry.completion_tokens);
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
        file.set_len(whole).map_err(io("shorten", path))?;
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                file,
                length: whole,
                entries,
                spent,
            }),
            _lock: held,
        })
    }

    /// Number of answers.
    pub fn len(&self) -> usize {
        lock(&self.state).entries.len()
    }

    /// Whether there is no answer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all answers together used, with what attempts without an answer may have used.
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
        if let Err(Error::BadFile { .. }) = written {
            // An answer that cannot be kept was paid for all the same.
            self.lose(key, label, model, used)?;
            return written;
        }
        written?;
        lock(&self.state).entries.insert(key, reply.clone());
        Ok(())
    }

    /// Keeps what a request may have used that has no answer; writes nothing where that is nothing.
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
        let mut bytes = serde_json::to_vec(line).map_err(|error| Error::BadFile {
            path: self.path.clone(),
            message: format!("cannot be written as JSON: {error}"),
        })?;
        bytes.push(b'\n');
        if bytes.len() as u64 > MAX_LINE {
            return Err(Error::BadFile {
                path: self.path.clone(),
                message: format!(
                    "an answer of {} bytes does not fit into a line of {MAX_LINE}; ask for fewer tokens",
                    bytes.len()
                ),
            });
        }
        let mut state = lock(&self.state);
        if let Err(source) = state.file.write_all(&bytes) {
            // The next line must not follow half a one. The first error is the one to report.
            let _ = state.file.set_len(state.length);
            return Err(io("write", &self.path)(source));
        }
        state.length += bytes.len() as u64;
        state.spent = state.spent.plus(used);
        Ok(())
    }
}

/// What a request is known by: everything that decides its answer.
pub(super) fn key(model: &dyn ChatModel, request: &ChatRequest) -> String {
    store::hex(&store::sha256_parts(&[
        model.name().as_bytes(),
        model.parameters().to_string().as_bytes(),
        request.system.as_bytes(),
        request.user.as_bytes(),
        &request.max_tokens.to_le_bytes(),
        &request.seed.to_le_bytes(),
    ]))
}
