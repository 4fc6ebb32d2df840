//! Mutations of valid files that know the files' structure.
//!
//! `cargo test --release --workspace --test hostile_files` reads mutated files with every reader of
//! the workspace. What is here makes the files: [`Mutator::folder`] changes one or a few files of a
//! folder, each by its format, and [`Mutator::file`] one file. All of it follows from a seed.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bytes;
mod images;
mod json;
mod numbers;
mod numpy;
pub mod pickle;
mod tensors;
mod text;
mod zipped;

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Files by their paths inside a folder, with `/` between the parts.
pub type Folder = BTreeMap<String, Vec<u8>>;

/// The largest file that a mutation makes, in bytes, unless [`Mutator::with_largest`] gives a limit.
pub const LARGEST: usize = 8 << 20;

/// A seeded source of mutations.
#[derive(Debug)]
pub struct Mutator {
    random: ChaCha8Rng,
    largest: usize,
}

impl Mutator {
    /// Mutations number `case` of `seed`; any case can be made again alone.
    pub fn new(seed: u64, case: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(case);
        Self {
            random,
            largest: LARGEST,
        }
    }

    /// The same mutations, cut to `largest` bytes. With less than [`LARGEST`], nothing is packed that is far larger than
    /// the file.
    pub fn with_largest(mut self, largest: usize) -> Self {
        self.largest = largest.min(LARGEST);
        self
    }

    /// Changes one file of a folder, sometimes a few, sometimes their names; says what it did.
    pub fn folder(&mut self, folder: &mut Folder) -> String {
        let names: Vec<String> = folder.keys().cloned().collect();
        if names.is_empty() {
            return "nothing to change".into();
        }
        let mut done = Vec::new();
        for _ in 0..self.rarely_more() {
            let name = names[self.below(names.len())].clone();
            match self.below(40) {
                0 => {
                    folder.remove(&name);
                    done.push(format!("removed {name}"));
                }
                1 => {
                    let other = &names[self.below(names.len())];
                    let bytes = folder.get(other).cloned().unwrap_or_default();
                    done.push(format!("{other} for {name}"));
                    folder.insert(name, bytes);
                }
                _ => {
                    let other = folder.get(&names[self.below(names.len())]).cloned();
                    if let Some(bytes) = folder.get_mut(&name) {
                        let how = self.file(bytes, &other.unwrap_or_default());
                        done.push(format!("{name}: {how}"));
                    }
                }
            }
        }
        done.join("; ")
    }

    /// Changes one file by its format; `other` is spliced in at times. Says what it did.
    pub fn file(&mut self, bytes: &mut Vec<u8>, other: &[u8]) -> String {
        let mut done = Vec::new();
        for _ in 0..self.rarely_more() {
            let how = self.once(bytes, other);
            bytes.truncate(self.largest);
            done.push(how);
        }
        done.join(", ")
    }

    fn once(&mut self, bytes: &mut Vec<u8>, other: &[u8]) -> String {
        // A format's own mutations reach further; plain ones find what no format thinks of.
        if self.below(10) < 7 {
            let made = match Format::of(bytes) {
                Format::Json => self.json(bytes),
                Format::Safetensors => self.safetensors(bytes),
                Format::Zip => self.zip(bytes, other),
                Format::Numpy => self.numpy(bytes),
                Format::Pickle => self.pickle(bytes),
                Format::Image => self.image(bytes),
                Format::Text => self.text(bytes),
                Format::Other => None,
            };
            if let Some(how) = made {
                return how;
            }
        }
        self.raw(bytes, other)
    }

    fn below(&mut self, below: usize) -> usize {
        self.random.random_range(0..below.max(1))
    }

    fn rarely_more(&mut self) -> usize {
        match self.below(8) {
            0 => 2,
            1 => 3,
            _ => 1,
        }
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Safetensors,
    Zip,
    Numpy,
    Pickle,
    Image,
    Text,
    Other,
}

impl Format {
    fn of(bytes: &[u8]) -> Self {
        let starts = |head: &[u8]| bytes.starts_with(head);
        if bytes.get(8) == Some(&b'{') && tensors::header(bytes).is_some() {
            Self::Safetensors
        } else if starts(b"PK\x03\x04") {
            Self::Zip
        } else if starts(b"\x93NUMPY") {
            Self::Numpy
        } else if starts(b"\x89PNG") || starts(b"\xff\xd8") || starts(b"RIFF") {
            Self::Image
        } else if starts(b"\x80") {
            Self::Pickle
        } else if let Ok(text) = std::str::from_utf8(bytes) {
            match text.trim_start().as_bytes().first() {
                Some(b'{' | b'[') => Self::Json,
                _ => Self::Text,
            }
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_the_same_again_and_no_other() {
        let made = |seed, case| {
            let mut folder = Folder::from([
                ("a.json".into(), br#"{"size":[1,2],"name":"x"}"#.to_vec()),
                ("b.txt".into(), b"one\ntwo\nthree\n".to_vec()),
            ]);
            (Mutator::new(seed, case).folder(&mut folder), folder)
        };
        assert_eq!(made(1, 7), made(1, 7));
        let different: std::collections::BTreeSet<_> = (0..40).map(|case| made(1, case)).collect();
        assert!(different.len() > 30, "{}", different.len());
        assert_ne!(
            (0..40).map(|case| made(1, case)).collect::<Vec<_>>(),
            (0..40).map(|case| made(2, case)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn formats_are_told_apart() {
        let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let tensors = [&(header.len() as u64).to_le_bytes(), &header[..], &[0; 4]].concat();
        for (bytes, format) in [
            (&b" {\"a\":1}"[..], Format::Json),
            (b"[UNK]\nword", Format::Json),
            (b"word\n", Format::Text),
            (&tensors, Format::Safetensors),
            (b"PK\x03\x04rest", Format::Zip),
            (b"\x93NUMPY\x01\0", Format::Numpy),
            (b"\x80\x02}q", Format::Pickle),
            (b"\xff\xd8\xff", Format::Image),
            (b"\xfe\xfe", Format::Other),
        ] {
            assert_eq!(Format::of(bytes), format, "{bytes:?}");
        }
    }
}
