//! Readers that are not part of the API, for `tools/fuzz/coverage`. Empty in every other build.

#[cfg(fuzzing)]
pub use readers::*;

#[cfg(fuzzing)]
mod readers {
    use std::path::Path;

    use crate::clip_text::config::Config as ClipConfig;
    use crate::digest::CheckpointDigest;
    use crate::files::read_small;
    use crate::mini_lm::config::Config as BertConfig;
    use crate::tokenizer_files::{self, Family, Wanted};
    use crate::{Error, TokenIds};

    /// Everything of a sentence-transformers folder but the weights; the digest, and the ids of `prompts`.
    ///
    /// # Errors
    /// Those of [`MiniLm::from_dir`](crate::MiniLm::from_dir) up to the weights, and those of encoding.
    pub fn bert_folder(dir: &Path, prompts: &[&str]) -> Result<(String, Vec<TokenIds>), Error> {
        let mut digest = CheckpointDigest::default();
        let config = BertConfig::load(dir, &mut digest)?;
        let wanted = Wanted {
            family: Family::Bert,
            max_tokens: config.max_tokens,
            vocabulary: config.vocabulary,
            config: &dir.join("config.json"),
        };
        ids(dir, &wanted, digest, prompts)
    }

    /// Everything of a CLIP folder but the weights; the digest, and the ids of `prompts`.
    ///
    /// # Errors
    /// Those of [`ClipText::from_dir`](crate::ClipText::from_dir) up to the weights, and those of encoding.
    pub fn clip_folder(dir: &Path, prompts: &[&str]) -> Result<(String, Vec<TokenIds>), Error> {
        let mut digest = CheckpointDigest::default();
        let path = dir.join("config.json");
        let bytes = read_small(&path)?;
        digest.bytes("config.json", &bytes);
        let config = ClipConfig::parse(&bytes, &path)?;
        let wanted = Wanted {
            family: Family::Clip,
            max_tokens: config.positions,
            vocabulary: config.vocabulary,
            config: &path,
        };
        ids(dir, &wanted, digest, prompts)
    }

    fn ids(
        dir: &Path,
        wanted: &Wanted<'_>,
        mut digest: CheckpointDigest,
        prompts: &[&str],
    ) -> Result<(String, Vec<TokenIds>), Error> {
        let tokenizer = tokenizer_files::load(dir, wanted, &mut digest)?;
        let ids = tokenizer.encode(prompts, tokenizer.special())?;
        for prompt in &ids {
            assert!(prompt.ids.len() <= wanted.max_tokens);
            let known = |id: &u32| (*id as usize) < wanted.vocabulary;
            assert!(prompt.ids.iter().all(known));
        }
        Ok((digest.finish(), ids))
    }
}
