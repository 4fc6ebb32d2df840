//! What can be wrong with a folder of LoRA files.

use std::path::{Path, PathBuf};

use weight_blocks::error::PaddingError;

use crate::Error;

/// Why LoRA files cannot be collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoraFilesError {
    /// A folder without any.
    #[error(
        "there is no LoRA file here; put NAME.safetensors files or folders (NAME/adapter_model.safetensors, NAME/pytorch_lora_weights.safetensors) directly into it"
    )]
    None,
    /// The folder of a single adapter of PEFT.
    #[error("this is one adapter; give the folder that holds all of them")]
    OneAdapter,
    /// A folder of PEFT with pickled weights.
    #[error(
        "the weights are pickled (adapter_model.bin); save the adapter with safe_serialization=True"
    )]
    Pickled,
    /// An adapter without a prompt.
    #[error(
        "there is no prompt for it; write the prompt to {}, or list all adapters in a metadata.jsonl (`file_name`, `text`)",
        expected.display()
    )]
    NoPrompt {
        /// The file that could hold it.
        expected: PathBuf,
    },
    /// A prompt without words.
    #[error("the prompt is empty; describe what the adapter does in words")]
    EmptyPrompt,
    /// A prompt of several lines.
    #[error("the prompt has {lines} lines; write it on one")]
    Lines {
        /// How many.
        lines: usize,
    },
    /// A line of `metadata.jsonl` that is not an entry.
    #[error("line {line}: {source}; each line is {{\"file_name\": …, \"text\": …}}")]
    Metadata {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An entry of `metadata.jsonl` for a file that is not there.
    #[error(
        "line {line} names {name:?}, which is not a LoRA file directly in this folder; correct the name or remove the line"
    )]
    Unlisted {
        /// The line, from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A LoRA file that `metadata.jsonl` does not list.
    #[error("metadata.jsonl has no line for it; add one, or move the file elsewhere")]
    NotInMetadata,
    /// A name from which no concept's name can be made.
    #[error("its name has no letter and no digit; rename it")]
    Name,
    /// Two adapters whose concepts would have one name.
    #[error("it and {other:?} would both be called {name:?} in the zoo; rename one of them")]
    SameName {
        /// The other one.
        other: String,
        /// The name.
        name: String,
    },
    /// Adapters of smaller ranks or with fewer layers.
    #[error(
        "{count} of the LoRA files have smaller ranks or fewer layers than this one, such as {}; fill them up with zeros, which leaves their effect as it is (option `pad`), or leave them out",
        first.display()
    )]
    FewerLayers {
        /// How many.
        count: usize,
        /// The first one.
        first: PathBuf,
    },
    /// Adapters with other layers.
    #[error(
        "{count} of the LoRA files have layers, ranks or a format that this one has not, such as {} ({source}); zeros only fill smaller files up, so name the largest file (option `like`), or leave these out",
        first.display()
    )]
    OtherLayers {
        /// How many.
        count: usize,
        /// The first one.
        first: PathBuf,
        /// What is different about it.
        source: PaddingError,
    },
    /// Factors that cannot be filled up with zeros.
    #[error(transparent)]
    Padding(PaddingError),
    /// An adapter of another base.
    #[error(
        "it belongs to base {found:?}, the others to {expected:?}; leave it out, or name the base (option `base`) if they are the same"
    )]
    OtherBase {
        /// What it states.
        found: String,
        /// What the others state.
        expected: String,
    },
    /// An adapter that names no base, and another that does.
    #[error(
        "it names no base, and {} belongs to base {base:?}; name the base of all (option `base`), or leave this one out",
        other.display()
    )]
    NoBase {
        /// The other one.
        other: PathBuf,
        /// What it states.
        base: String,
    },
    /// A file that has changed since it was collected.
    #[error(
        "the zoo has {concept:?} from another file, prompt or settings; collect into a new zoo, or restore what was collected"
    )]
    Changed {
        /// The concept.
        concept: String,
    },
    /// A zoo that was made like another file.
    #[error("the zoo was made like another LoRA file than {}; collect into a new zoo", like.display())]
    OtherTemplate {
        /// The file given.
        like: PathBuf,
    },
    /// A zoo that was not collected from LoRA files.
    #[error(
        "this zoo was not collected from LoRA files, so the output format is unknown; collect the files with `lora_files collect`"
    )]
    NoTemplate,
    /// A weight generator for other layers.
    #[error(
        "this weight generator predicts other layers or ranks than those of the zoo; give the one that was trained on this zoo"
    )]
    OtherGenerator,
    /// A layer whose factors cannot be aligned.
    #[error("the factors of layer `{layer}` cannot be aligned: a decomposition did not converge")]
    Align {
        /// The layer.
        layer: String,
    },
}

impl LoraFilesError {
    /// The error about a file or folder.
    pub(super) fn at(self, path: &Path) -> Error {
        Error::LoraFiles {
            path: path.to_owned(),
            source: Box::new(self),
        }
    }
}
