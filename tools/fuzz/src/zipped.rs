//! Mutations of zip archives, and of the files in them.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::Mutator;

impl Mutator {
    pub(crate) fn zip(&mut self, bytes: &mut Vec<u8>, other: &[u8]) -> Option<String> {
        if self.below(4) == 0 {
            return self.zip_field(bytes);
        }
        let mut archive = ZipArchive::new(Cursor::new(&bytes[..])).ok()?;
        let mut files = Vec::new();
        for i in 0..archive.len() {
            let mut file = archive.by_index(i).ok()?;
            let mut content = Vec::new();
            let name = file.name().ok()?.into_owned();
            (&mut file)
                .take(crate::LARGEST as u64)
                .read_to_end(&mut content)
                .ok()?;
            files.push((name, content));
        }
        let at = self.below(files.len());
        let name = files.get(at)?.0.clone();
        let mut bomb = 0usize;
        let how = match self.below(14) {
            0 => {
                files.remove(at);
                format!("without {name}")
            }
            1 => {
                let content = files[at].1.clone();
                files.push((format!("{name}2"), content));
                format!("{name} twice")
            }
            2 => {
                bomb = *self.pick(&[1usize, 100, 300]);
                if self.largest < crate::LARGEST {
                    bomb = 0;
                }
                format!("{bomb} MiB of one byte in {name}")
            }
            _ => {
                let how = self.once(&mut files[at].1, other);
                format!("{name}: {how}")
            }
        };
        let method = if bomb > 0 || self.below(2) == 0 {
            CompressionMethod::Deflated
        } else {
            CompressionMethod::Stored
        };
        let options = SimpleFileOptions::default().compression_method(method);
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (i, (name, content)) in files.iter().enumerate() {
            writer.start_file(name.as_str(), options).ok()?;
            writer.write_all(content).ok()?;
            if bomb > 0 && i == at {
                // Zeros; spaces; or an empty dictionary of a pickle, over and over.
                let block = vec![*self.pick(&[0u8, b' ', b'}', b')']); 1 << 20];
                for _ in 0..bomb {
                    writer.write_all(&block).ok()?;
                }
            }
        }
        *bytes = writer.finish().ok()?.into_inner();
        Some(how)
    }

    /// A field of a local header, of the directory or of its end.
    fn zip_field(&mut self, bytes: &mut [u8]) -> Option<String> {
        let marks: Vec<usize> = (0..bytes.len().saturating_sub(4))
            .filter(|&i| {
                [&b"PK\x01\x02"[..], b"PK\x03\x04", b"PK\x05\x06"].contains(&&bytes[i..i + 4])
            })
            .collect();
        let at = *marks.get(self.below(marks.len()))? + 4 + 2 * self.below(20);
        let value = self.edge(None) as u32;
        let width = *self.pick(&[2usize, 4]);
        bytes
            .get_mut(at..at + width)?
            .copy_from_slice(&value.to_le_bytes()[..width]);
        Some(format!("{width} bytes at {at} to {value:#x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_an_archive_is_an_archive() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer
            .start_file("a/data.pkl", SimpleFileOptions::default())
            .unwrap();
        writer.write_all(b"\x80\x02}q\0K\x01.").unwrap();
        let whole = writer.finish().unwrap().into_inner();
        let (mut changed, mut opened) = (0, 0);
        for case in 0..60 {
            let mut bytes = whole.clone();
            // None where the place of a field lies behind the end.
            if Mutator::new(3, case).zip(&mut bytes, b"other").is_some() {
                changed += 1;
                opened += usize::from(ZipArchive::new(Cursor::new(bytes)).is_ok());
            }
        }
        assert!(changed > 50, "{changed}");
        assert!(opened > 40, "{opened}");
    }
}
