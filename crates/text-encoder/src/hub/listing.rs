//! What a model's page lists, and which of it an encoder needs.

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
const OLDER_TOKENIZER: [&str; 5] = [
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
];
const SENTENCE: [&str; 2] = ["sentence_bert_config.json", "1_Pooling/config.json"];

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
        let weights = WEIGHTS.into_iter().find(|file| self.has(file));
        let names = [CONFIG].into_iter().chain(SENTENCE);
        let names = names.chain(tokenizer.iter().copied()).chain(weights);
        names
            .filter_map(|name| self.siblings.iter().find(|s| s.rfilename == name))
            .collect()
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
                "tokenizer.json",
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
