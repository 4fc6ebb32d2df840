//! One cached embedding: a safetensors file that says what it belongs to.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::host::PromptEncoding;

const FORMAT: &str = "text-encoder-cache";
const VERSION: &str = "1";

/// Room for the header beside the prompt, which JSON may write as six bytes a byte.
const HEADER: usize = 64 << 10;

/// What an entry belongs to.
pub(super) struct Entry<'a> {
    pub(super) encoder: &'a str,
    pub(super) prompt: &'a str,
    pub(super) width: usize,
    pub(super) pooled_width: usize,
    pub(super) max_tokens: usize,
}

pub(super) enum Found {
    Nothing,
    Good(PromptEncoding),
    /// What is wrong with it.
    Damaged(String),
}

impl Entry<'_> {
    pub(super) fn read(&self, path: &Path) -> Result<Found, Error> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(e) => return Err(io(e)),
        };
        let floats = self.max_tokens * self.width + self.pooled_width;
        let limit = (HEADER + 6 * self.prompt.len() + 4 * floats) as u64;
        let size = file.metadata().map_err(io)?.len();
        if size > limit {
            let why = format!("{size} bytes, at most {limit} expected");
            return Ok(Found::Damaged(why));
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(io)?;
        Ok(match self.parse(&bytes) {
            Ok(encoding) => Found::Good(encoding),
            Err(why) => Found::Damaged(why),
        })
    }

    fn parse(&self, bytes: &[u8]) -> Result<PromptEncoding, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let metadata = header.metadata().as_ref().ok_or("no metadata")?;
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
        let view = |name: &str| tensors.tensor(name).map_err(|e| e.to_string());
        let (tokens, pooled) = (view("tokens")?, view("pooled")?);
        let fits = tokens.dtype() == Dtype::F32
            && pooled.dtype() == Dtype::F32
            && matches!(tokens.shape(), &[l, c] if (1..=self.max_tokens).contains(&l) && c == self.width)
            && pooled.shape() == [self.pooled_width];
        if !fits {
            return Err(format!(
                "its tensors are {:?} and {:?}",
                tokens.shape(),
                pooled.shape()
            ));
        }
        let sum = checksum(tokens.data(), pooled.data(), truncated);
        if metadata.get("sha256") != Some(&sum) {
            return Err("its SHA-256 is another".into());
        }
        Ok(PromptEncoding {
            tokens: floats(tokens.data()),
            pooled: floats(pooled.data()),
            truncated,
        })
    }

    /// Writes beside `path` and renames. Not synced to the disk: what a power cut leaves is found damaged and
    /// computed again.
    pub(super) fn write(&self, path: &Path, encoding: &PromptEncoding) -> Result<(), Error> {
        let bytes = self.serialise(encoding).map_err(|message| Error::Store {
            prompt: self.prompt.chars().take(80).collect(),
            message,
        })?;
        whole_file::write_unsynced(path, &bytes).map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })
    }

    fn serialise(&self, encoding: &PromptEncoding) -> Result<Vec<u8>, String> {
        let bytes =
            |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
        let (tokens, pooled) = (bytes(&encoding.tokens), bytes(&encoding.pooled));
        let length = encoding.tokens.len() / self.width.max(1);
        let mut metadata: HashMap<String, String> = self
            .metadata()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        metadata.insert("truncated".into(), encoding.truncated.to_string());
        let sum = checksum(&tokens, &pooled, encoding.truncated);
        metadata.insert("sha256".into(), sum);
        let view = |shape: Vec<usize>, data| {
            TensorView::new(Dtype::F32, shape, data).map_err(|e| e.to_string())
        };
        let views = [
            ("tokens", view(vec![length, self.width], &tokens)?),
            ("pooled", view(vec![self.pooled_width], &pooled)?),
        ];
        safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
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
    let mut hasher = Sha256::new();
    hasher.update([u8::from(truncated)]);
    hasher.update(tokens);
    hasher.update(pooled);
    let hash = hasher.finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Little-endian f32 values.
fn floats(data: &[u8]) -> Vec<f32> {
    let words = data.as_chunks::<4>().0.iter();
    words.map(|&bytes| f32::from_le_bytes(bytes)).collect()
}
