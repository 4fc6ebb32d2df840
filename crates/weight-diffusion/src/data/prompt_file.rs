//! Encoded prompts in a temporary file, so that the tokens of a large zoo take no memory.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use super::source::past_the_end;
use crate::Error;
use encoded_text::EncodedPrompt;

/// The file while it is written.
pub(crate) struct PromptWriter {
    file: BufWriter<File>,
    positions: Vec<(u64, usize)>,
    end: u64,
    width: usize,
}

/// The file once it is written; prompts are read in any order.
#[derive(Debug)]
pub(crate) struct PromptFile {
    file: Mutex<File>,
    /// Offset and number of tokens of each prompt.
    positions: Vec<(u64, usize)>,
    width: usize,
}

/// An error about the folder for temporary files, which `TMPDIR` sets. The file has no name there, and is
/// removed with its last handle.
fn fail(source: std::io::Error) -> Error {
    Error::io(&std::env::temp_dir(), source)
}

impl PromptWriter {
    pub(crate) fn new(width: usize) -> Result<Self, Error> {
        Ok(Self {
            file: BufWriter::new(tempfile::tempfile().map_err(fail)?),
            positions: Vec::new(),
            end: 0,
            width,
        })
    }

    /// Adds a prompt, and gives its number.
    pub(crate) fn push(&mut self, text: &EncodedPrompt) -> Result<usize, Error> {
        text.check_width(self.width)?;
        self.positions.push((self.end, text.len));
        for value in &text.tokens {
            self.file.write_all(&value.to_le_bytes()).map_err(fail)?;
        }
        self.end += 4 * text.tokens.len() as u64;
        Ok(self.positions.len() - 1)
    }

    pub(crate) fn finish(self) -> Result<PromptFile, Error> {
        let file = self.file.into_inner();
        Ok(PromptFile {
            file: Mutex::new(file.map_err(|error| fail(error.into_error()))?),
            positions: self.positions,
            width: self.width,
        })
    }
}

impl PromptFile {
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn read(&self, index: usize) -> Result<EncodedPrompt, Error> {
        let &(at, len) = (self.positions.get(index))
            .ok_or_else(|| past_the_end("text", self.positions.len(), index))?;
        let mut bytes = vec![0; 4 * len * self.width];
        // Every read seeks first, so a poisoned lock is safe to use.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at)).map_err(fail)?;
        file.read_exact(&mut bytes).map_err(fail)?;
        let tokens = bytes.chunks_exact(4);
        let tokens = tokens.map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]));
        Ok(EncodedPrompt::new(tokens.collect(), len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_in_any_order() {
        let text = |seed: usize, len: usize| {
            EncodedPrompt::new((0..3 * len).map(|i| (seed * 100 + i) as f32).collect(), len)
        };
        let texts = [text(1, 2), text(2, 0), text(3, 70)];
        let mut writer = PromptWriter::new(3).unwrap();
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(writer.push(text).unwrap(), i);
        }
        let mut broken = text(1, 2);
        broken.len = 3;
        assert!(matches!(writer.push(&broken), Err(Error::Prompt(_))));
        let file = writer.finish().unwrap();
        assert_eq!((file.len(), file.width()), (3, 3));
        for i in [2, 0, 1, 0] {
            assert_eq!(file.read(i).unwrap(), texts[i]);
        }
        let error = file.read(3).unwrap_err();
        assert!(error.to_string().contains("below 3"), "{error}");
    }
}
