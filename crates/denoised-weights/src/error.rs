//! What can go wrong.

use std::path::{Path, PathBuf};

use crate::run::{Difference, listed, other_run};

/// Errors of this crate: those of the member crates as they are, and its own, which name the file or the value at fault
/// and say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A weight generator for another base.
    #[error(
        "{}: this weight generator makes adapters for base {expected}, not {found}; use that base, or train a generator on a zoo of this one",
        path.display()
    )]
    OtherBase {
        /// Folder of the weight generator, or `weight generator` if it was not read from one.
        path: PathBuf,
        /// Digest of the base that it was trained for.
        expected: String,
        /// Digest of the base at hand.
        found: String,
    },
    /// No base where one was expected.
    #[error(
        "{}: no base is there; name its folder, or make one with pretrain_base{}",
        path.display(), if path.ends_with("paper/base") { " (none is shipped for the preset `paper`)" } else { "" }
    )]
    NoBase {
        /// The folder.
        path: PathBuf,
    },
    /// A base for no prompt, from which a start would be made.
    #[error(
        "the base is for no prompt, and an adapter's start is made from one; give it one with `PromptEncoder::prompted`"
    )]
    UnpromptedBase,
    /// A base to start from that has other layers.
    #[error(
        "base {digest} has other layers than the preset; start from a base of the same layers, of any image size, or from none"
    )]
    OtherShape {
        /// Digest of the base.
        digest: String,
    },
    /// Squares to cut out of photos that no network takes, or that do not fit into them.
    #[error(
        "squares of {crop} pixels cannot be cut out of photos of {size}; give a multiple of 8 from 16 to {size}"
    )]
    Crop {
        /// Edge of the squares.
        crop: usize,
        /// Edge of the photos.
        size: usize,
    },
    /// A training that needs more memory than it may have.
    #[error(
        "the training needs about {needed} MiB of memory, and the limit is {limit}; take fewer pairs, a smaller batch or a smaller preset, or raise the limit"
    )]
    NotEnoughMemory {
        /// What it needs, in MiB.
        needed: u64,
        /// What it may have.
        limit: u64,
    },
    /// A photo that is too large to be edited as a whole.
    #[error(
        "{width}×{height} pixels are more than are edited at once ({max} at most, as 1024×1024 has); choose a smaller size (--shorter-side, `WholeSize::ShorterSide`)"
    )]
    PhotoTooLarge {
        /// Its width, scaled.
        width: u32,
        /// Its height, scaled.
        height: u32,
        /// The largest number of pixels.
        max: u64,
    },
    /// A photo of a folder that cannot be edited.
    #[error("{}: {source}", path.display())]
    Photo {
        /// The photo.
        path: PathBuf,
        /// Why.
        source: Box<Error>,
    },
    /// A share or strength that is out of its range.
    #[error("{what} is {value}; give a number from 0 to {max}")]
    Share {
        /// What the number is for.
        what: &'static str,
        /// The number.
        value: f32,
        /// The largest one.
        max: f32,
    },
    /// Adapters that cannot be mixed.
    #[error(
        "{name}: the adapters do not both have this tensor in the same shape; mix adapters of one base"
    )]
    OtherTensors {
        /// The tensor.
        name: String,
    },
    /// Training pairs that cannot be chosen by clustering.
    #[error(transparent)]
    Selection(#[from] finetune::selection::SelectionError),
    /// A regression that has no solution.
    #[error(
        "the zoo's prompts give no regression: a vector or a weight is NaN or infinite; check the zoo and the text encoder"
    )]
    NoRegression,
    /// A zoo without two concepts to interpolate between.
    #[error(
        "an adapter between two concepts of the zoo needs two, and there are {found}; collect more, or take another start"
    )]
    TooFewConcepts {
        /// Concepts in the zoo.
        found: usize,
    },
    /// A prompt that can be compared with no other.
    #[error("there is no other prompt than {prompt:?} to compare it with")]
    NoOtherPrompt {
        /// The prompt.
        prompt: String,
    },
    /// A folder with too few pairs to train on and to measure with.
    #[error(
        "{}: {train} training and {test} test pairs; at least 10 pairs are needed (every fifth is kept for measuring)",
        path.display()
    )]
    TooFewPairs {
        /// The folder.
        path: PathBuf,
        /// Training pairs found.
        train: usize,
        /// Test pairs found.
        test: usize,
    },
    /// A concept of a zoo for which there are no pairs.
    #[error(
        "the zoo's concept {concept} has no pairs; give the folder of pairs that the zoo was collected from"
    )]
    NoPairsForConcept {
        /// Name of the concept.
        concept: String,
    },
    /// Concepts without photos to edit.
    #[error("{concept}: there are no photos to edit; give some")]
    NoPhotos {
        /// Name of the concept, or what concepts are drawn from.
        concept: String,
    },
    /// A held-out concept among the training concepts.
    #[error("{concept} is held out ({split:?}) and must not enter a zoo; choose training concepts")]
    HeldOutConcept {
        /// Name of the concept.
        concept: String,
        /// The part of the experiment that it is kept for.
        split: concepts::Split,
    },
    /// A concept's folder that is not there.
    #[error("{}: there is no such folder of pairs", path.display())]
    NoConceptFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A concept's own folder in the place of a folder of such folders.
    #[error(
        "{}: this folder holds the pairs of one concept; give a folder with one such folder for each concept, such as the one above it",
        path.display()
    )]
    OneConcept {
        /// The folder.
        path: PathBuf,
    },
    /// No training concepts at all.
    #[error("there are no training concepts; give a list or a folder that has some")]
    NoConcepts,
    /// A folder of pairs without its prompt.
    #[error("{}: {source}; each concept's folder needs its text there", path.display())]
    NoPrompt {
        /// The file that is needed.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file without a prompt.
    #[error("{}: there is no text in the file, apart from comments; write the concept's text there", path.display())]
    EmptyPrompt {
        /// The file.
        path: PathBuf,
    },
    /// A name that is none of those known.
    #[error("there is no `{name}`; use one of {known}")]
    UnknownName {
        /// The name.
        name: String,
        /// The known names.
        known: String,
    },
    /// More concepts wanted than a zoo has prompts, or none.
    #[error("{wanted} concepts cannot be taken of {prompts}; take at least one")]
    SubsetSize {
        /// Concepts wanted.
        wanted: usize,
        /// Prompts in the zoo.
        prompts: usize,
    },
    /// As many prompts to hold out as a zoo has, or none.
    #[error("{wanted} of {prompts} prompts cannot be held out; take at least one, and leave one")]
    HoldOutSize {
        /// Prompts to hold out.
        wanted: usize,
        /// Prompts in the zoo.
        prompts: usize,
    },
    /// More checkpoints to keep than epochs, or none.
    #[error(
        "a training of {epochs} {} has one checkpoint of each, so {keep} cannot be kept; {}train more epochs",
        if *epochs == 1 { "epoch" } else { "epochs" },
        match epochs {
            0 => String::new(),
            1 => "keep 1, or ".to_owned(),
            _ => format!("keep 1 to {epochs}, or "),
        }
    )]
    KeptCheckpoints {
        /// Checkpoints to keep.
        keep: usize,
        /// Epochs.
        epochs: usize,
    },
    /// An invalid plateau test: the gain is no share from 0 to below 1, or the learning rates fall, which flattens the end of
    /// every training.
    #[error(
        "a plateau is a gain of less than a share from 0 to below 1, at constant learning rates; given {gain}, with rates that fall over the last {decay} of the epochs (set decay to 0)"
    )]
    Plateau {
        /// The share.
        gain: f64,
        /// [`Recipe::decay`](finetune::Recipe::decay).
        decay: f64,
    },
    /// Early stopping without concepts to evaluate on, or such concepts without early stopping.
    #[error(
        "early stopping needs `TrainConfig::early_stop` and concepts in `GeneratorTraining::held_out`, and only `{given}` is set; set both or neither"
    )]
    EarlyStop {
        /// The one that is set.
        given: &'static str,
    },
    /// Batches that Co-Mod-GAN's discriminator does not take.
    #[error(
        "{pairs} training pairs in batches of {batch} give one of {size}; Co-Mod-GAN's discriminator takes batches below {group} or multiples of {group}: use multiples of {group} for both numbers"
    )]
    BatchSize {
        /// Training pairs.
        pairs: usize,
        /// Pairs per step.
        batch: usize,
        /// The batch that does not fit.
        size: usize,
        /// Pairs per group of the minibatch deviation.
        group: usize,
    },
    /// A folder in which another process trains.
    #[error("{}: another process trains there; wait for it, or choose another folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A folder in the place of a training's states, which would be removed when the training has ended.
    #[error(
        "{}: the folder holds {name}, which no training wrote, and would be removed at the end of one; move it, or train into another folder",
        path.display()
    )]
    ForeignState {
        /// The folder.
        path: PathBuf,
        /// A file or folder in it.
        name: String,
    },
    /// A run's folder that is of something else.
    #[error("{}", other_run(path, differences))]
    OtherRun {
        /// The record of the run.
        path: PathBuf,
        /// The fields that differ.
        differences: Vec<Difference>,
    },
    /// A concept of a zoo that was trained otherwise than the next ones would be.
    #[error(
        "{}: its concept {concept} was trained otherwise, and the adapters of a zoo are trained alike, from one seed; give the same recipe, or collect into another folder{}",
        path.display(), listed(differences)
    )]
    OtherRecipe {
        /// The zoo.
        path: PathBuf,
        /// The concept.
        concept: String,
        /// The fields of the recipe that differ.
        differences: Vec<Difference>,
    },
    /// The missing record of a run that has begun.
    #[error(
        "{}: the file cannot be read ({source}), and nothing else says what the run there is of; remove the folder to start again",
        path.display()
    )]
    NoRunRecord {
        /// The record.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A damaged file of a run.
    #[error("{}: {source}; remove the folder to start again", path.display())]
    BadRunFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A damaged log of a training.
    #[error("{}: line {line}: {source}; remove the file", path.display())]
    BadMetrics {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A training step or an evaluation that failed, and the steps taken could not be saved.
    #[error("{source}; the steps since step {saved} could not be saved: {unsaved}")]
    StepsLost {
        /// The last saved step.
        saved: u64,
        /// Why they could not be saved.
        unsaved: Box<Error>,
        /// What failed.
        source: Box<weight_diffusion::Error>,
    },
    /// A file or folder that the file system refuses.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A value that has no JSON form.
    #[error("{}: cannot be written as JSON: {source}", path.display())]
    Json {
        /// The file that was to be written.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// An image that cannot be encoded.
    #[error("{}: the image cannot be encoded: {source}", path.display())]
    EncodeImage {
        /// The file that was to be written.
        path: PathBuf,
        /// The encoder's answer.
        source: image::ImageError,
    },
    /// A text encoder that cannot be loaded, or a prompt that it does not take.
    #[error(transparent)]
    Text(#[from] text_encoder::Error),
    /// A network that cannot be built or loaded.
    #[error(transparent)]
    Network(#[from] lora_gan::Error),
    /// A network of pix2pix or Co-Mod-GAN.
    #[error(transparent)]
    Baseline(#[from] gan_baselines::Error),
    /// Weights that do not fit, a zoo, or a file of weights.
    #[error(transparent)]
    Weights(#[from] weight_blocks::Error),
    /// A folder of LoRA files, or one of them.
    #[error("{}: {source}", path.display())]
    LoraFiles {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<crate::lora_files::LoraFilesError>,
    },
    /// A file of tensors.
    #[error(transparent)]
    File(#[from] tensor_file::Error),
    /// A text file, a lock, or an output that would replace an input.
    #[error(transparent)]
    Run(#[from] resumable_runs::Error),
    /// A weight generator, its training data or its training.
    #[error(transparent)]
    WeightGenerator(#[from] weight_diffusion::Error),
    /// The training of an adapter or of a base.
    #[error(transparent)]
    FineTune(Box<finetune::Error>),
    /// A metric or its feature network.
    #[error(transparent)]
    Metric(#[from] clean_fid::Error),
    /// Concepts, photos or pairs.
    #[error(transparent)]
    Concepts(#[from] concepts::Error),
}

impl From<finetune::Error> for Error {
    fn from(error: finetune::Error) -> Self {
        Self::FineTune(Box::new(error))
    }
}

/// A result of this crate.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// For `map_err`: [`Error::Io`] of an action on `path`.
pub(crate) fn io(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
