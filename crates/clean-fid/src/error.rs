//! What can go wrong.

use std::path::PathBuf;

use crate::distances::NpzError;
#[cfg(feature = "hub")]
use crate::download::DownloadError;
use crate::networks::WeightError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },

    /// A folder of images could not be listed.
    #[error(transparent)]
    Folder(#[from] image_files::Error),

    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] tensor_file::Error),

    /// A file of weights cannot be read or does not fit the network.
    #[error(transparent)]
    Weights(#[from] WeightError),

    /// The network cannot work at this input size.
    #[error("input_size is {found}: {network} needs at least {minimum}")]
    InputSize {
        /// The network.
        network: &'static str,
        /// What was asked for.
        found: usize,
        /// The smallest size that works.
        minimum: usize,
    },

    /// Patches do not tile the images of a vision transformer.
    #[error("patch {patch} does not divide size {size}: choose one that does")]
    PatchSize {
        /// Height and width of a patch.
        patch: usize,
        /// Height and width of an image.
        size: usize,
    },

    /// The heads of an attention do not share its width evenly.
    #[error("heads {heads} does not divide width {width}: choose one that does")]
    Heads {
        /// Number of heads.
        heads: usize,
        /// Entries of a token.
        width: usize,
    },

    /// A size of a vision transformer is zero.
    #[error("{size} of the vision transformer is 0: it must be at least 1")]
    ZeroSize {
        /// The field of the configuration.
        size: &'static str,
    },

    /// An image batch has a shape that the operation cannot take.
    #[error("images are of shape {found:?}, expected {expected}")]
    ImageShape {
        /// The batch's shape.
        found: [usize; 4],
        /// What would be accepted.
        expected: &'static str,
    },

    /// Two image batches to compare differ in shape.
    #[error(
        "cannot pair images of shape {left:?} with {right:?}: batch, channels, height and width must agree"
    )]
    PairShape {
        /// Shape of the first.
        left: [usize; 4],
        /// Shape of the second.
        right: [usize; 4],
    },

    /// An image to compare holds NaN or infinity.
    #[error("image {image} of the {side} batch holds NaN or infinity")]
    ImageValue {
        /// Position in the batch.
        image: usize,
        /// `"first"` or `"second"`.
        side: &'static str,
    },

    /// A batch size of zero was given.
    #[error("batch_size is 0: it must be at least 1")]
    ZeroBatchSize,

    /// Feature vectors have no entries.
    #[error("features have a width of 0: the network gives nothing to compare")]
    ZeroWidth,

    /// A flat feature vector does not split into whole rows.
    #[error("{values} feature values do not split into rows of {width}")]
    RaggedFeatures {
        /// How many values were given.
        values: usize,
        /// The width of a row.
        width: usize,
    },

    /// A feature is NaN or infinite.
    #[error(
        "feature {column} of row {row} is {value}: look at that image and at the network's input range"
    )]
    FeatureValue {
        /// The row, which is the image's position.
        row: usize,
        /// The entry in the row.
        column: usize,
        /// The value found.
        value: f32,
    },

    /// Two feature sets differ in width.
    #[error("feature sets have widths of {left} and {right}: they come from different networks")]
    WidthMismatch {
        /// Width of the first.
        left: usize,
        /// Width of the second.
        right: usize,
    },

    /// Too few rows for the estimator.
    #[error("a feature set holds {found} rows, at least {minimum} are needed: add images")]
    TooFewRows {
        /// Rows there.
        found: usize,
        /// Rows needed.
        minimum: usize,
    },

    /// The subsets asked for cannot be drawn.
    #[error(
        "cannot draw {count} subsets of {size} rows from sets of {left} and {right}: \
         count must be at least 1, and size between 2 and the smaller set"
    )]
    Subsets {
        /// Number of subsets.
        count: usize,
        /// Rows in each.
        size: usize,
        /// Rows of the first set.
        left: usize,
        /// Rows of the second set.
        right: usize,
    },

    /// The values of an image do not fill its size.
    #[error(
        "{values} values do not make an image of {width} × {height} pixels with three channels"
    )]
    PictureSize {
        /// Values given.
        values: usize,
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },

    /// An image file is damaged, or has a format other than PNG, JPEG and WebP.
    #[error(
        "{file} could not be read as a PNG, JPEG or WebP image ({source}): replace or remove it"
    )]
    Image {
        /// The file, or the name that the caller gave to bytes in memory.
        file: String,
        /// What the decoder found.
        source: image::ImageError,
    },

    /// A folder holds an image that the Python `clean-fid` would count, in a format that cannot be read here.
    #[error(
        "{} has a format that cannot be read: convert such files ({formats}) to PNG, or move them out of the folder",
        path.display()
    )]
    UnreadableImage {
        /// The first such file.
        path: PathBuf,
        /// How many there are, by format.
        formats: String,
    },

    /// A folder holds no image.
    #[error(
        "there is no image in {}: expected files that end in .png, .jpg, .jpeg or .webp",
        path.display()
    )]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },

    /// A folder holds too few images for the estimator.
    #[error("{} holds {found} image, at least {minimum} are needed: add images", path.display())]
    FewImages {
        /// The folder.
        path: PathBuf,
        /// Images there.
        found: usize,
        /// Images needed.
        minimum: usize,
    },

    /// A feature of an image file is NaN or infinite.
    #[error(
        "feature {column} of {} is {value}: look at that image and at the network's weights",
        path.display()
    )]
    ImageFeature {
        /// The image.
        path: PathBuf,
        /// The entry of its features.
        column: usize,
        /// The value found.
        value: f32,
    },

    /// A `.npz` file is damaged or holds something else.
    #[error(
        "{}: {source}; expected a .npz file of statistics (mu [d], sigma [d, d]) or of features (feats [n, d])",
        path.display()
    )]
    Npz {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: NpzError,
    },

    /// A covariance does not have `width × width` values.
    #[error(
        "a covariance of {values} values does not fit a mean of {width}: expected {width} squared"
    )]
    CovarianceSize {
        /// Entries of the mean.
        width: usize,
        /// Values of the covariance.
        values: usize,
    },

    /// A value of the statistics is NaN or infinite.
    #[error("the {part} holds {value} at flat index {index}: compute the statistics again")]
    StatisticsValue {
        /// `"mean"` or `"covariance"`.
        part: &'static str,
        /// Row-major position.
        index: usize,
        /// The value found.
        value: f64,
    },

    /// A variance is negative.
    #[error("variance {index} is {value}, which no covariance has: compute the statistics again")]
    NegativeVariance {
        /// Its place on the diagonal.
        index: usize,
        /// The value.
        value: f64,
    },

    /// A matrix given as a covariance is not symmetric.
    #[error(
        "the covariance is not symmetric at row {row}, column {column}: compute the statistics again"
    )]
    Asymmetric {
        /// Row of the first such entry.
        row: usize,
        /// Its column.
        column: usize,
    },

    /// A matrix given as a covariance has a negative eigenvalue.
    #[error(
        "the covariance has the eigenvalue {value:e}, below zero beyond rounding: compute the statistics again"
    )]
    NegativeEigenvalue {
        /// The smallest eigenvalue.
        value: f64,
    },

    /// A set has too few rows for the number of neighbours asked for.
    #[error(
        "cannot take {neighbours} neighbours in sets of {left} and {right}: \
         it must be at least 1, and below the number of rows of both sets"
    )]
    Neighbours {
        /// Neighbours asked for.
        neighbours: usize,
        /// Rows of the first set.
        left: usize,
        /// Rows of the second set.
        right: usize,
    },

    /// A decomposition did not converge, or overflowed because of extreme features.
    #[error(
        "the Fréchet distance could not be computed: the decomposition of a {rows} × {columns} matrix made from \
         covariances did not converge; check the features for extreme values"
    )]
    NoConvergence {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },

    /// A download is not described well enough, or failed.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Download(#[from] DownloadError),

    /// A result could not be read back from the device.
    #[error("could not read {what} from the device: {message}")]
    Readback {
        /// What was to be read.
        what: &'static str,
        /// What the backend said.
        message: String,
    },
}
