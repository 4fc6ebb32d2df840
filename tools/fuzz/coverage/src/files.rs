//! Files for readers that take a path, in a folder that is in memory.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of this process in `/dev/shm`, or in the folder for temporary files if there is none.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// Creates the folder.
    ///
    /// # Panics
    /// Panics if it cannot.
    pub fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let dir = root.join(format!("fuzz-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder for the fuzzer");
        Self { dir }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Replaces the content of a file, in place.
    ///
    /// # Panics
    /// Panics if it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, bytes).expect("a file for the fuzzer");
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// A folder of valid files, one of which is replaced: the first byte of an input says which, the rest is its content.
#[derive(Debug)]
pub struct Folder {
    scratch: Scratch,
    files: Vec<(String, Vec<u8>)>,
}

impl Folder {
    /// Writes the valid files; their order gives them their numbers.
    ///
    /// # Panics
    /// Panics if a file cannot be written.
    pub fn new(scratch: Scratch, files: Vec<(String, Vec<u8>)>) -> Self {
        let folder = Self { scratch, files };
        for number in 0..folder.files.len() {
            folder.restore(number);
        }
        folder
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.scratch.dir()
    }

    /// Replaces a file, calls `read` with its name and its new content, and puts the valid content back.
    pub fn with(&self, input: &[u8], read: impl FnOnce(&Path, &str, &[u8])) {
        let Some((first, content)) = input.split_first() else {
            return;
        };
        let number = usize::from(*first) % self.files.len();
        let name = &self.files[number].0;
        self.scratch.write(name, content);
        read(self.dir(), name, content);
        self.restore(number);
    }

    fn restore(&self, number: usize) {
        let (name, content) = &self.files[number];
        let path = self.dir().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a folder for the fuzzer");
        }
        fs::write(path, content).expect("a file for the fuzzer");
    }
}
