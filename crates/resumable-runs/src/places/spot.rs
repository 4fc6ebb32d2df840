//! Files and folders, told apart by what the file system says of them and not by their paths.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

/// A file or folder, told from all others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    /// What exists of the path.
    node: Node,
    /// The names below it. Two that differ only in case or in how accents are encoded are one file on many systems.
    rest: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) spot: Spot,
    /// The folders above what exists, the nearest first.
    folders: Vec<Node>,
    /// A file that a folder would have to be.
    pub(super) below_file: Option<PathBuf>,
}

impl Place {
    /// The folders in which the place is, the nearest first.
    pub(super) fn above(&self) -> impl Iterator<Item = Spot> {
        let Spot { node, rest } = &self.spot;
        let new = (0..rest.len()).rev().map(|count| Spot {
            node: node.clone(),
            rest: rest[..count].to_vec(),
        });
        let old = self.folders.iter().map(|node| Spot {
            node: node.clone(),
            rest: Vec::new(),
        });
        new.chain(old)
    }
}

/// What the file system says of something that exists: the same for every path to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    #[cfg(unix)]
    Number { device: u64, inode: u64 },
    #[cfg(not(unix))]
    Path(PathBuf),
    /// Nothing above the path could be asked about.
    Nothing,
}

#[cfg(unix)]
fn node(path: &Path) -> Option<Node> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some(Node::Number {
        device: found.dev(),
        inode: found.ino(),
    })
}

#[cfg(not(unix))]
fn node(path: &Path) -> Option<Node> {
    path.canonicalize().ok().map(Node::Path)
}

/// Finds places, asking the file system once for the folders above those of one folder.
#[derive(Default)]
pub(super) struct Folders {
    known: HashMap<PathBuf, Vec<Node>>,
}

impl Folders {
    pub(super) fn place(&mut self, path: &Path) -> Place {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (existing, rest) = split(&absolute);
        let Some(existing) = existing else {
            let node = Node::Nothing;
            return Place {
                spot: Spot { node, rest },
                folders: Vec::new(),
                below_file: None,
            };
        };
        let mut folders = self.above(&existing);
        let node = node(&existing).unwrap_or(Node::Nothing);
        if !rest.is_empty() {
            folders.insert(0, node.clone());
        }
        Place {
            below_file: (!rest.is_empty() && existing.is_file()).then_some(existing),
            spot: Spot { node, rest },
            folders,
        }
    }

    /// The folders above something that exists, links in its path followed.
    fn above(&mut self, existing: &Path) -> Vec<Node> {
        let Ok(real) = existing.canonicalize() else {
            return Vec::new();
        };
        let Some(folder) = real.parent() else {
            return Vec::new();
        };
        (self.known.entry(folder.to_owned()))
            .or_insert_with(|| folder.ancestors().filter_map(node).collect())
            .clone()
    }
}

/// Splits a path into what exists of it and the names below that.
fn split(path: &Path) -> (Option<PathBuf>, Vec<String>) {
    let mut path = path.to_owned();
    loop {
        let mut existing = path.as_path();
        let mut missing = Vec::new();
        while node(existing).is_none() {
            let mut components = existing.components();
            match components.next_back() {
                Some(last) => missing.push(last),
                None => return (None, names(&missing)),
            }
            existing = components.as_path();
        }
        if !missing.contains(&Component::ParentDir) {
            return (Some(existing.to_owned()), names(&missing));
        }
        path = without_parents(existing, &missing);
    }
}

/// `existing` and the `missing` components, given from the last to the first, with `new/..` taken out: what follows it may
/// exist.
fn without_parents(existing: &Path, missing: &[Component<'_>]) -> PathBuf {
    let mut path = existing.to_owned();
    let mut new = 0;
    for component in missing.iter().rev() {
        if *component == Component::ParentDir && new > 0 {
            path.pop();
            new -= 1;
        } else {
            path.push(component);
            new += usize::from(*component != Component::ParentDir);
        }
    }
    path
}

/// The names of components, which are given from the last to the first.
fn names(components: &[Component<'_>]) -> Vec<String> {
    let names = components.iter().rev();
    names.map(|name| folded(name.as_os_str())).collect()
}

/// Two names that are equal folded are one file on many systems.
fn folded(name: &OsStr) -> String {
    let composed: String = name.to_string_lossy().nfc().collect();
    composed.to_lowercase()
}
