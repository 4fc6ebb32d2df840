//! A folder's tokenizer: `tokenizer.json`, or one assembled from older files.

mod bpe;
mod declared;
mod overrides;
mod word_piece;

use std::path::Path;

use serde_json::{Map, Value};
use tensor_file::decode_text;

use crate::Error;
use crate::digest::CheckpointDigest;
use crate::files::{read_json, read_optional};
use crate::tokens::PromptTokenizer;

/// The files that hold a model's tokenizer if there is no `tokenizer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Byte-level BPE: `vocab.json` and `merges.txt`.
    Clip,
    /// WordPiece: `vocab.txt`.
    Bert,
}

/// The requirements on a tokenizer.
pub(crate) struct Wanted<'a> {
    pub(crate) family: Family,
    /// Most tokens of a prompt.
    pub(crate) max_tokens: usize,
    /// Rows of the embedding table that the ids are for.
    pub(crate) vocabulary: usize,
    /// The file that states them.
    pub(crate) config: &'a Path,
}

/// Reads the tokenizer of a folder, and adds its files to `digest`.
pub(crate) fn load(
    dir: &Path,
    wanted: &Wanted<'_>,
    digest: &mut CheckpointDigest,
) -> Result<PromptTokenizer, Error> {
    let path = dir.join("tokenizer.json");
    let (bytes, file) = match read_optional(&path)? {
        Some(bytes) => {
            digest.bytes("tokenizer.json", &bytes);
            if wanted.family == Family::Bert {
                overrides::check(dir, &read_json(&bytes, &path)?)?;
            }
            (bytes, path.display().to_string())
        }
        None => {
            let assembled = match wanted.family {
                Family::Clip => bpe::assemble(dir, digest)?,
                Family::Bert => word_piece::assemble(dir, digest)?,
            };
            let bytes = serde_json::to_vec(&assembled.tokenizer).map_err(|source| Error::Json {
                file: assembled.files.clone(),
                source,
            })?;
            (bytes, assembled.files)
        }
    };
    let json = decode_text(&bytes, Path::new(&file))?.as_bytes();
    let tokenizer = PromptTokenizer::parse(json, &file, wanted.max_tokens, wanted.vocabulary)?;
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

/// A `tokenizer.json` made from other files.
struct Assembled {
    tokenizer: Value,
    /// The files, for errors.
    files: String,
}

/// Id of a token that must exist.
fn id_of(vocabulary: &Map<String, Value>, token: &str, path: &Path) -> Result<u64, Error> {
    let id = vocabulary.get(token).and_then(Value::as_u64);
    id.ok_or_else(|| Error::Tokenizer {
        file: path.display().to_string(),
        message: format!("it has no token {token:?}"),
    })
}
