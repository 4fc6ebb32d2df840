//! Encoded prompts in a temporary file: a large collection's tokens need not lie in memory.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use super::source::past_the_end;
use crate::{Error, HostText};

/// Written once.
pub(crate) struct TextWriter {
    file: BufWriter<File>,
    places: Vec<(u64, usize)>,
    end: u64,
    width: usize,
}

/// Read at any place.
#[derive(Debug)]
pub(crate) struct TextFile {
    file: Mutex<File>,
    /// Where each text begins, and its tokens.
    places: Vec<(u64, usize)>,
    width: usize,
}

/// The system's folder for temporary files, which `TMPDIR` changes; the file has no name there and
/// goes with its last handle.
fn fail(source: std::io::Error) -> Error {
    Error::io(&std::env::temp_dir(), source)
}

impl TextWriter {
    pub(crate) fn new(width: usize) -> Result<Self, Error> {
        Ok(Self {
            file: BufWriter::new(tempfile::tempfile().map_err(fail)?),
            places: Vec::new(),
            end: 0,
            width,
        })
    }

    /// Adds a text; gives its number.
    pub(crate) fn push(&mut self, text: &HostText) -> Result<usize, Error> {
        text.check(self.width)?;
        self.places.push((self.end, text.len));
        for value in &text.tokens {
            self.file.write_all(&value.to_le_bytes()).map_err(fail)?;
        }
        self.end += 4 * text.tokens.len() as u64;
        Ok(self.places.len() - 1)
    }

    pub(crate) fn finish(self) -> Result<TextFile, Error> {
        let file = self.file.into_inner();
        Ok(TextFile {
            file: Mutex::new(file.map_err(|error| fail(error.into_error()))?),
            places: self.places,
            width: self.width,
        })
    }
}

impl TextFile {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn read(&self, index: usize) -> Result<HostText, Error> {
        let &(at, len) = (self.places.get(index))
            .ok_or_else(|| past_the_end("text", self.places.len(), index))?;
        let mut bytes = vec![0; 4 * len * self.width];
        // The place is set anew each time, so a panic elsewhere leaves nothing half done.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at)).map_err(fail)?;
        file.read_exact(&mut bytes).map_err(fail)?;
        let tokens = bytes.chunks_exact(4);
        Ok(HostText {
            tokens: tokens
                .map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]))
                .collect(),
            len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_in_any_order() {
        let text = |seed: usize, len: usize| HostText {
            tokens: (0..3 * len).map(|i| (seed * 100 + i) as f32).collect(),
            len,
        };
        let texts = [text(1, 2), text(2, 0), text(3, 70)];
        let mut writer = TextWriter::new(3).unwrap();
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(writer.push(text).unwrap(), i);
        }
        let mut broken = text(1, 2);
        broken.len = 3;
        assert!(matches!(writer.push(&broken), Err(Error::Shape { .. })));
        let file = writer.finish().unwrap();
        assert_eq!((file.len(), file.width()), (3, 3));
        for i in [2, 0, 1, 0] {
            assert_eq!(file.read(i).unwrap(), texts[i]);
        }
        let error = file.read(3).unwrap_err();
        assert!(error.to_string().contains("below 3"), "{error}");
    }
}
