use std::path::PathBuf;

use resumable_runs::Error as FileError;

use crate::images::ImageError;

/// What can go wrong in this crate. Every message names the file or the name at fault and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read, written or locked, or is not the text or JSON that is expected.
    #[error(transparent)]
    File(#[from] FileError),

    /// An image file cannot be read, or a folder of images cannot be listed.
    #[error(transparent)]
    Image(#[from] ImageError),

    /// An image could not be written as PNG.
    #[error("cannot encode {} as PNG: {source}", path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// The encoder's answer.
        source: image::ImageError,
    },

    /// An image has no pixels.
    #[error("{} has no pixels; replace the file or remove it", path.display())]
    NoPixels {
        /// The place in the folder that was to be written, or what the image is.
        path: PathBuf,
    },

    /// A folder does not exist.
    #[error("the folder {} does not exist; create it or pass another folder", path.display())]
    MissingFolder {
        /// The folder.
        path: PathBuf,
    },

    /// A folder holds no image file.
    #[error(
        "the folder {} holds no image (jpg, jpeg, png or webp); add some, or pass the folder that holds them",
        path.display()
    )]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },

    /// A folder holds images, but none in a format that is read.
    #[error(
        "the folder {} holds no image in a format that is read, but {formats}; convert them to PNG, JPEG or WebP",
        path.display()
    )]
    OnlyUnread {
        /// The folder.
        path: PathBuf,
        /// How many images it holds, by format.
        formats: String,
    },

    /// A folder has neither of the layouts of pairs.
    #[error(
        "the folder {} holds no pairs; they are expected in {} and {}, under equal names, or as images with both sides \
         directly in the folder{}",
        path.display(), path.join("input").display(), path.join("target").display(), that_are_there(folders)
    )]
    NoPairs {
        /// The folder.
        path: PathBuf,
        /// Its subfolders.
        folders: Vec<String>,
    },

    /// A file of `input/` or `target/` has no file of the same stem in the other folder.
    #[error(
        "{} has no partner of the same stem in {}{}; add it or remove the file",
        path.display(), folder.display(), but_for_case(similar)
    )]
    MissingPartner {
        /// The file without a partner.
        path: PathBuf,
        /// The folder that lacks the partner.
        folder: PathBuf,
        /// A stem there that differs only in upper and lower case.
        similar: Option<String>,
    },

    /// The partner of a file of `input/` or `target/` is in a format that is not read.
    #[error(
        "{}, the partner of {}, is in a format that is not read; convert it to PNG, JPEG or WebP (its folder holds {formats})",
        path.display(), partner.display()
    )]
    UnreadPartner {
        /// The file that is not read.
        path: PathBuf,
        /// The file whose partner it is.
        partner: PathBuf,
        /// How many images in such formats the folder holds, by format.
        formats: String,
    },

    /// Two image files of one folder differ only in their extension, or in how Unicode writes an accent, so their name is
    /// ambiguous.
    #[error("{} and {} have the same stem; keep or rename one of them", first.display(), second.display())]
    DuplicateStem {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },

    /// The two images of a pair have different proportions, or different sizes where they are to be written.
    #[error(
        "{} is {}x{} pixels but {} is {}x{}; the images of a pair must show the same section, so give them the same size",
        input.display(), input_size.0, input_size.1, target.display(), target_size.0, target_size.1
    )]
    PairSize {
        /// The input's file, or its place in the folder that was to be written.
        input: PathBuf,
        /// Width and height of the input in pixels.
        input_size: (u32, u32),
        /// The target's file, or its place in the folder that was to be written.
        target: PathBuf,
        /// Width and height of the target in pixels.
        target_size: (u32, u32),
    },

    /// An image lies directly in a pair folder but is not two images side by side.
    #[error(
        "{} is {width}x{height} pixels, and an image with both sides of a pair is at least twice as wide as high, of an even width; \
         fix it, remove it, or use the folders input/ and target/",
        path.display()
    )]
    NotAligned {
        /// The file.
        path: PathBuf,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },

    /// A name cannot be a file name, or is used twice.
    #[error(
        "{name:?} cannot be a file name: use at least one character, no leading dot, no slash, backslash or \
         control character, and each name once"
    )]
    BadName {
        /// The name.
        name: String,
    },

    /// The requested side is zero or above [`MAX_SIDE`](crate::images::MAX_SIDE).
    #[error(
        "cannot resize images to {size}x{size} pixels: pass a size from 1 to {}",
        crate::images::MAX_SIDE
    )]
    BadSize {
        /// The requested side in pixels.
        size: usize,
    },

    /// A long, narrow image would become longer than images may be.
    #[error(
        "an image of {width}x{height} pixels, scaled to {side} along its shorter side, would have {longer} along the other \
         one, and an image has at most {}; give a smaller size, or cut the image into shorter ones",
        crate::images::MAX_SIDE
    )]
    TooLongScaled {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The pixels wanted along its shorter side.
        side: usize,
        /// The pixels that the other side would have.
        longer: usize,
    },

    /// No concept of the list has this name.
    #[error("no concept is named {name:?}{}", did_you_mean(suggestions))]
    UnknownConcept {
        /// The requested name.
        name: String,
        /// Up to three similar names of the list, most similar first.
        suggestions: Vec<String>,
    },

    /// No concept of the editor's list has this prompt.
    #[error("no concept has the prompt {prompt:?}{}", did_you_mean(suggestions))]
    UnknownPrompt {
        /// The requested prompt.
        prompt: String,
        /// Up to three similar prompts of the list, most similar first.
        suggestions: Vec<String>,
    },

    /// The grammar has fewer different concepts than were asked for.
    #[error(
        "the grammar gave {found} different concepts, and not {wanted}; ask for fewer, or join the draws of several seeds"
    )]
    GrammarExhausted {
        /// The requested number.
        wanted: usize,
        /// The number that was found.
        found: usize,
    },

    /// A list of concepts is empty.
    #[error("{} lists no concepts", path.display())]
    NoConcepts {
        /// The file.
        path: PathBuf,
    },

    /// A concept's name cannot be a file name on every system.
    #[error("{}: the name {name:?} has characters other than a-z, 0-9 and -; rename the concept", path.display())]
    BadConceptName {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },

    /// A concept of a list has no prompt or no edit.
    #[error("{}: {name} has no prompt or no edit; give it both", path.display())]
    EmptyConcept {
        /// The file.
        path: PathBuf,
        /// The concept's name.
        name: String,
    },

    /// A name or a prompt is in a list of concepts twice.
    #[error("{}: the name or the prompt of {name} ({prompt:?}) is listed twice; keep one of them", path.display())]
    DuplicateConcept {
        /// The file.
        path: PathBuf,
        /// The name of the later concept.
        name: String,
        /// Its prompt.
        prompt: String,
    },

    /// The photos come from too few sources for the requested split.
    #[error(
        "the photos come from {found} {}, and {validation} for validation and {test} for test leave none to train on; \
         {}add photos or hold out fewer sources",
        if *found == 1 { "source" } else { "sources" }, numbered(largest)
    )]
    NotEnoughSources {
        /// Number of sources found.
        found: usize,
        /// Number of sources requested for validation.
        validation: usize,
        /// Number of sources requested for test.
        test: usize,
        /// The source with the most photos and their number, if their file names made them one source.
        largest: Option<(String, usize)>,
    },

    /// The shares of a split are not from 0 to below 1.
    #[error("split: {validation} and {test} are not shares from 0 to below 1")]
    BadFractions {
        /// The share for validation.
        validation: f64,
        /// The share for test.
        test: f64,
    },

    /// A face box has no area, or numbers that are not finite.
    #[error("{}: the face box of {photo:?} has no area; fix it or remove it", path.display())]
    BadFaceBox {
        /// The file with the boxes.
        path: PathBuf,
        /// The photo's name.
        photo: String,
    },

    /// A photo is to be cropped to a face, but has no face box.
    #[error(
        "there is no face box for {photo:?} (similar names: {suggestions:?}); add one, or move the photo out of the folder"
    )]
    NoFaceBox {
        /// The photo's file name.
        photo: String,
        /// Up to three similar names that have a box.
        suggestions: Vec<String>,
    },

    /// The centre of a face box lies outside its photo.
    #[error(
        "the centre of the face box of {photo:?} is outside its {width}x{height} pixels; boxes are given in pixels of \
         the upright photo"
    )]
    FaceOutside {
        /// The photo's file name.
        photo: String,
        /// The photo's width in pixels.
        width: u32,
        /// The photo's height in pixels.
        height: u32,
    },

    /// The margin around faces is out of range.
    #[error("the face margin {margin} is not from 0.5 to 10")]
    BadMargin {
        /// The margin.
        margin: f64,
    },

    /// A file is not the published face detection model.
    #[cfg(feature = "faces")]
    #[error(
        "{} is not SeetaFace's model of frontal faces; pass seeta_fd_frontal_v1.0.bin, from the folder model/ of the \
         package rustface 0.1",
        path.display()
    )]
    NotFaceModel {
        /// The file.
        path: PathBuf,
    },

    /// The output folder of a photo preparation holds an image of another one.
    #[error(
        "{} is from another run, perhaps with another split; remove it or choose an empty folder",
        path.display()
    )]
    ForeignPhoto {
        /// The image.
        path: PathBuf,
    },

    /// A manifest has a version that this crate does not read.
    #[error("{} has version {version}, and only version 1 can be read", path.display())]
    UnknownVersion {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        version: u32,
    },

    /// An [`ImageEditor`](crate::ImageEditor) outside this crate failed: a server did not answer, for example.
    #[error("the editor {editor} failed: {source}")]
    Editor {
        /// The editor's name.
        editor: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The first of the subfolders, for the end of a message.
fn that_are_there(folders: &[String]) -> String {
    const SHOWN: usize = 8;
    if folders.is_empty() {
        return String::new();
    }
    let more = if folders.len() > SHOWN { ", …" } else { "" };
    let shown = folders[..folders.len().min(SHOWN)].join(", ");
    format!("; its subfolders are {shown}{more}")
}

fn but_for_case(similar: &Option<String>) -> String {
    match similar {
        Some(stem) => format!(" ({stem:?} there differs in upper and lower case)"),
        None => String::new(),
    }
}

fn numbered(largest: &Option<(String, usize)>) -> String {
    match largest {
        Some((source, count)) => format!(
            "{count} files are named {source}-NN and therefore count as crops of one photograph: if each is a photograph of \
             its own, name them {source}_NN, or let prepare_photos group them otherwise (--group-by file, or --identities); \
             else "
        ),
        None => String::new(),
    }
}

fn did_you_mean(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return "; the list is empty".to_owned();
    }
    let quoted: Vec<String> = suggestions.iter().map(|name| format!("{name:?}")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}
