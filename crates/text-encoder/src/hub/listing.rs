//! What a model's page lists, and which of it an encoder needs.

use std::collections::BTreeSet;

use serde::Deserialize;

/// The answer to `/api/models/NAME/revision/REVISION?blobs=true`, as far as it is used.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    /// The commit that the revision stands for.
    pub(super) sha: String,
    pub(super) siblings: Vec<Sibling>,
}

/// One file.
#[derive(Debug, Deserialize)]
pub(super) struct Sibling {
    pub(super) rfilename: String,
    pub(super) size: Option<u64>,
    pub(super) lfs: Option<Lfs>,
}

/// Of large files the hub knows the digest.
#[derive(Debug, Deserialize)]
pub(super) struct Lfs {
    pub(super) sha256: Option<String>,
}

pub(super) const CONFIG: &str = "config.json";
pub(super) const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const OLDER_TOKENIZER: [&str; 4] = [
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "special_tokens_map.json",
];
const SENTENCE: [&str; 3] = [
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "modules.json",
];

impl Listing {
    fn has(&self, file: &str) -> bool {
        self.siblings.iter().any(|s| s.rfilename == file)
    }

    /// The files to fetch: those that loading from a folder reads, the weights last. None without weights.
    pub(super) fn wanted(&self) -> Vec<&Sibling> {
        let tokenizer: &[&str] = match self.has(TOKENIZER) {
            true => &[TOKENIZER],
            false => &OLDER_TOKENIZER,
        };
        let weights = self.weights_in("");
        let names = [CONFIG].into_iter().chain(SENTENCE).map(str::to_owned);
        let tokenizer = [TOKENIZER_CONFIG]
            .into_iter()
            .chain(tokenizer.iter().copied());
        let names = names
            .chain(self.modules())
            .chain(tokenizer.map(str::to_owned));
        names
            .chain(weights)
            .filter_map(|name| self.siblings.iter().find(|s| s.rfilename == name))
            .collect()
    }

    /// Configuration and weights in the folders of sentence-transformers' modules: `1_Pooling`, `2_Dense`.
    fn modules(&self) -> Vec<String> {
        let is_module = |folder: &str| {
            let number = folder.split_once('_').map_or("", |(number, _)| number);
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        };
        let folders: BTreeSet<&str> = (self.siblings.iter())
            .filter_map(|file| Some(file.rfilename.rsplit_once('/')?.0))
            .filter(|folder| is_module(folder) && !folder.contains('/'))
            .collect();
        let files = |folder: &str| {
            let folder = format!("{folder}/");
            let weights = self.weights_in(&folder);
            [format!("{folder}{CONFIG}")].into_iter().chain(weights)
        };
        folders.into_iter().flat_map(files).collect()
    }

    /// The weights in a folder, as loading chooses them.
    fn weights_in(&self, folder: &str) -> Option<String> {
        let mut names = WEIGHTS.iter().map(|file| format!("{folder}{file}"));
        names.find(|name| self.has(name))
    }

    /// What every encoder has and this model has not.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if !self.has(CONFIG) {
            return Some(CONFIG);
        }
        let weights = WEIGHTS.iter().any(|file| self.has(file));
        (!weights).then_some("model.safetensors or pytorch_model.bin")
    }

    /// Whether the commit can be a folder's name in the cache.
    pub(super) fn has_commit(&self) -> bool {
        !self.sha.is_empty() && self.sha.bytes().all(|b| b.is_ascii_hexdigit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(files: &[&str]) -> Listing {
        Listing {
            sha: "0a".into(),
            siblings: files
                .iter()
                .map(|&file| Sibling {
                    rfilename: file.into(),
                    size: None,
                    lfs: None,
                })
                .collect(),
        }
    }

    fn wanted(files: &[&str]) -> Vec<String> {
        let listing = listing(files);
        let wanted = listing.wanted().into_iter();
        wanted.map(|s| s.rfilename.clone()).collect()
    }

    #[test]
    fn only_what_loading_reads_is_fetched() {
        let files = [
            "README.md",
            "pytorch_model.bin",
            "model.safetensors",
            "tf_model.h5",
            "vocab.txt",
            "tokenizer.json",
            "tokenizer_config.json",
            "1_Pooling/config.json",
            "config.json",
        ];
        assert_eq!(
            wanted(&files),
            [
                "config.json",
                "1_Pooling/config.json",
                "tokenizer_config.json",
                "tokenizer.json",
                "model.safetensors"
            ]
        );
        assert_eq!(
            wanted(&[
                "config.json",
                "model.safetensors",
                "modules.json",
                "config_sentence_transformers.json",
                "1_Pooling/config.json",
                "2_Dense/config.json",
                "2_Dense/pytorch_model.bin",
                "2_Dense/model.safetensors",
                "onnx/model.onnx",
                "onnx/config.json",
                "vocab.txt",
            ]),
            [
                "config.json",
                "config_sentence_transformers.json",
                "modules.json",
                "1_Pooling/config.json",
                "2_Dense/config.json",
                "2_Dense/model.safetensors",
                "vocab.txt",
                "model.safetensors"
            ]
        );
        assert_eq!(
            wanted(&[
                "vocab.json",
                "merges.txt",
                "pytorch_model.bin",
                "config.json"
            ]),
            [
                "config.json",
                "vocab.json",
                "merges.txt",
                "pytorch_model.bin"
            ]
        );
    }

    #[test]
    fn models_without_configuration_or_weights_are_noticed() {
        assert_eq!(
            listing(&["model.safetensors"]).missing(),
            Some("config.json")
        );
        let text = "model.safetensors or pytorch_model.bin";
        assert_eq!(
            listing(&["config.json", "tf_model.h5"]).missing(),
            Some(text)
        );
        assert_eq!(
            listing(&["config.json", "pytorch_model.bin"]).missing(),
            None
        );
    }
}
