//! One cached embedding: a safetensors file that names its encoder and prompt.

use std::io::ErrorKind::NotFound;
use std::path::Path;

use encoded_text::EncodedPrompt;
use tensor_file::digest::Sha256;
use tensor_file::{Dtype, Error as FileError, SafetensorsWriter, TensorFile, atomic, read_limited};

use crate::Error;

const FORMAT: &str = "text-encoder-cache";
const VERSION: &str = "1";

/// Room for the header without the prompt. JSON may write each byte of the prompt as six.
const HEADER: usize = 64 << 10;

/// The encoder and prompt that an entry belongs to.
pub(super) struct Entry<'a> {
    pub(super) encoder: &'a str,
    pub(super) prompt: &'a str,
    pub(super) width: usize,
    pub(super) pooled_width: usize,
    pub(super) max_tokens: usize,
}

pub(super) enum Found {
    Nothing,
    Good(EncodedPrompt),
    /// With the reason.
    Damaged(String),
}

impl Entry<'_> {
    pub(super) fn read(&self, path: &Path) -> Result<Found, Error> {
        let floats = self.max_tokens * self.width + self.pooled_width;
        let limit = (HEADER + 6 * self.prompt.len() + 4 * floats) as u64;
        let bytes = match read_limited(path, limit) {
            Ok(bytes) => bytes,
            Err(FileError::Io { source, .. }) if source.kind() == NotFound => {
                return Ok(Found::Nothing);
            }
            Err(error @ FileError::TooLarge { .. }) => {
                return Ok(Found::Damaged(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(match self.parse(path, &bytes) {
            Ok(encoding) => Found::Good(encoding),
            Err(why) => Found::Damaged(why),
        })
    }

    fn parse(&self, path: &Path, bytes: &[u8]) -> Result<EncodedPrompt, String> {
        let text = |error: FileError| error.to_string();
        let file = TensorFile::from_bytes(path, bytes).map_err(text)?;
        let metadata = file.metadata();
        for (key, value) in self.metadata() {
            if metadata.get(key) != Some(&value) {
                return Err(format!("its {key} is {:?}", metadata.get(key)));
            }
        }
        let truncated = match metadata.get("truncated").map(String::as_str) {
            Some("true") => true,
            Some("false") => false,
            other => return Err(format!("its truncated is {other:?}")),
        };
        let tensor = |name: &str| file.get(name).ok_or(format!("it has no tensor {name}"));
        let (tokens, pooled) = (tensor("tokens")?, tensor("pooled")?);
        let len = match *tokens.shape {
            [l, c] if (1..=self.max_tokens).contains(&l) && c == self.width => Some(l),
            _ => None,
        };
        let floats = tokens.dtype == Dtype::F32 && pooled.dtype == Dtype::F32;
        let Some(len) = len.filter(|_| floats && pooled.shape == [self.pooled_width]) else {
            return Err(format!("its tensors are {tokens} and {pooled}"));
        };
        let sum = checksum(
            &file.read_bytes("tokens").map_err(text)?,
            &file.read_bytes("pooled").map_err(text)?,
            truncated,
        );
        if metadata.get("sha256") != Some(&sum) {
            return Err("its SHA-256 differs".into());
        }
        Ok(EncodedPrompt {
            tokens: file.read("tokens").map_err(text)?,
            len,
            pooled: file.read("pooled").map_err(text)?,
            truncated,
        })
    }

    /// Writes beside `path` and renames. Not synced to the disk: what a power cut leaves is recognised as damaged and
    /// computed again.
    pub(super) fn write(&self, path: &Path, encoding: &EncodedPrompt) -> Result<(), Error> {
        let mut file = SafetensorsWriter::new();
        file.f32("tokens", &[encoding.len, self.width], &encoding.tokens)?;
        file.f32("pooled", &[self.pooled_width], &encoding.pooled)?;
        for (key, value) in self.metadata() {
            file.metadata(key, &value);
        }
        file.metadata("truncated", &encoding.truncated.to_string());
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let (tokens, pooled): (Vec<u8>, Vec<u8>) =
            (bytes(&encoding.tokens), bytes(&encoding.pooled));
        file.metadata("sha256", &checksum(&tokens, &pooled, encoding.truncated));
        Ok(atomic::write_unsynced(path, &file.to_bytes()?)?)
    }

    fn metadata(&self) -> [(&'static str, String); 5] {
        [
            ("format", FORMAT.into()),
            ("format_version", VERSION.into()),
            ("encoder", self.encoder.into()),
            ("max_tokens", self.max_tokens.to_string()),
            ("prompt", self.prompt.into()),
        ]
    }
}

fn checksum(tokens: &[u8], pooled: &[u8], truncated: bool) -> String {
    let mut digest = Sha256::new();
    digest.update([u8::from(truncated)]);
    digest.update(tokens);
    digest.update(pooled);
    digest.finish_hex()
}
