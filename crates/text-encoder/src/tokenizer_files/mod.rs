//! A folder's tokenizer: `tokenizer.json`, or the files of an older kind of which one is put together.

mod bpe;
mod declared;
mod word_piece;

use std::path::Path;

use serde_json::{Map, Value};

use crate::Error;
use crate::digest::CheckpointDigest;
use crate::files::read_optional;
use crate::tokens::PromptTokenizer;

/// Which files a model's tokenizer is in, if not in `tokenizer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Byte-level BPE: `vocab.json` and `merges.txt`.
    Clip,
    /// WordPiece: `vocab.txt`.
    Bert,
}

/// What a tokenizer is needed for.
pub(crate) struct Wanted<'a> {
    pub(crate) family: Family,
    /// Most tokens of a prompt.
    pub(crate) max_tokens: usize,
    /// Rows of the embedding table that the ids are for.
    pub(crate) vocabulary: usize,
    /// The file that says so.
    pub(crate) config: &'a Path,
}

/// Reads the tokenizer of a folder; its files go into `digest`.
pub(crate) fn load(
    dir: &Path,
    wanted: &Wanted<'_>,
    digest: &mut CheckpointDigest,
) -> Result<PromptTokenizer, Error> {
    let path = dir.join("tokenizer.json");
    let (bytes, file) = match read_optional(&path)? {
        Some(bytes) => {
            digest.bytes("tokenizer.json", &bytes);
            (bytes, path.display().to_string())
        }
        None => {
            let put = match wanted.family {
                Family::Clip => bpe::put_together(dir, digest)?,
                Family::Bert => word_piece::put_together(dir, digest)?,
            };
            let bytes = serde_json::to_vec(&put.tokenizer).map_err(|source| Error::Json {
                file: put.files.clone(),
                source,
            })?;
            (bytes, put.files)
        }
    };
    let tokenizer = PromptTokenizer::parse(&bytes, &file, wanted.max_tokens, wanted.vocabulary)?;
    if tokenizer.rows() > wanted.vocabulary {
        return Err(Error::VocabularyMismatch {
            weights: wanted.config.display().to_string(),
            rows: wanted.vocabulary,
            tokenizer: file,
            vocabulary: tokenizer.rows(),
        });
    }
    Ok(tokenizer)
}

/// A `tokenizer.json` made of other files.
struct PutTogether {
    tokenizer: Value,
    /// The files, for errors.
    files: String,
}

/// Id of a token that must be there.
fn id_of(vocabulary: &Map<String, Value>, token: &str, path: &Path) -> Result<u64, Error> {
    let id = vocabulary.get(token).and_then(Value::as_u64);
    id.ok_or_else(|| Error::Tokenizer {
        file: path.display().to_string(),
        message: format!("it has no token {token:?}"),
    })
}

/// A file's bytes as text.
fn text(bytes: Vec<u8>, path: &Path) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|e| Error::Tokenizer {
        file: path.display().to_string(),
        message: e.to_string(),
    })
}
