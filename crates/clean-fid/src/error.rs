//! What can go wrong.

use std::path::PathBuf;

/// Errors of this crate. `file` is a path, or the name that the caller gave to bytes in memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("could not read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// The weights are no valid safetensors file: truncated, damaged, or another format.
    #[error(
        "{file} is not a valid safetensors file ({source}): it may be truncated; make or fetch it again"
    )]
    Safetensors {
        /// The file.
        file: String,
        /// What the parser found.
        source: safetensors::SafeTensorError,
    },

    /// The weights are neither a safetensors file nor a PyTorch checkpoint that can be read.
    #[error(
        "{} is neither a safetensors file nor a readable PyTorch checkpoint ({source}): it may be truncated; make or \
         fetch it again",
        path.display()
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What the reader found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A file is larger than any that this crate reads.
    #[error("{} has {found} bytes, more than the limit of {limit}: it is no file of weights", path.display())]
    FileSize {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// The most that is read.
        limit: u64,
    },

    /// A metadata entry of the weights is missing or not what this version reads.
    #[error("{file}: metadata {key:?} is {found:?}, expected {expected:?}")]
    Metadata {
        /// The file.
        file: String,
        /// The entry.
        key: &'static str,
        /// Its value, if there.
        found: Option<String>,
        /// What would be accepted.
        expected: &'static str,
    },

    /// A tensor of the weights is missing or unknown, or has another element type or shape than it should.
    #[error(
        "{file}: tensor {tensor:?} is {found}, expected {expected}: these are weights of another network"
    )]
    Weights {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },

    /// A weight is NaN or infinite.
    #[error(
        "{file}: tensor {tensor:?} holds {value} at flat index {index}: the file is damaged; make or fetch it again"
    )]
    WeightValue {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// Row-major position in the tensor.
        index: usize,
        /// The value found.
        value: f32,
    },

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

    /// The sizes of a vision transformer do not fit together.
    #[error("no vision transformer has these sizes: {reason}")]
    ClipSizes {
        /// What does not fit.
        reason: String,
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
    #[error("image {image} of the {side} batch holds a value that is not finite")]
    ImageValue {
        /// Position in the batch.
        image: usize,
        /// `"first"` or `"second"`.
        side: &'static str,
    },

    /// A batch size of zero was given.
    #[error("batch_size is 0: it must be at least 1")]
    ZeroBatchSize,

    /// Features have no entries: the width is zero.
    #[error("features are 0 wide: the network gives nothing to compare")]
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
    #[error("feature sets are {left} and {right} wide: they come from different networks")]
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

    /// An image's values do not fill its size.
    #[error("{values} values are no image of {width} × {height} pixels in three channels")]
    PictureSize {
        /// Values given.
        values: usize,
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },

    /// An image file is damaged, or of a format that is not read.
    #[error(
        "{file} could not be read as a PNG, JPEG or WebP image ({source}): replace or remove it"
    )]
    Image {
        /// The file.
        file: String,
        /// What the decoder found.
        source: image::ImageError,
    },

    /// A folder holds an image that would count, in a format that is not read.
    #[error(
        "{} is of a format that is not read: turn it into PNG, or move it out of the folder",
        path.display()
    )]
    UnreadableImage {
        /// The file.
        path: PathBuf,
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
        "{}: {reason}; expected a .npz file of statistics (mu [d], sigma [d, d]) or of features (feats [n, d])",
        path.display()
    )]
    Npz {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
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

    /// A matrix is no covariance.
    #[error("the covariance cannot be one: {reason}; compute the statistics again")]
    NotCovariance {
        /// What gives it away.
        reason: String,
    },

    /// The neighbours asked for are not there.
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

    /// A decomposition did not converge, or overflowed: features of absurd size.
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

    /// What is to be downloaded is not described well enough.
    #[cfg(feature = "hub")]
    #[error("{url:?} cannot be downloaded: {reason}")]
    RemoteFile {
        /// The address.
        url: String,
        /// What is wrong.
        reason: &'static str,
    },

    /// There is no folder to keep downloads in.
    #[cfg(feature = "hub")]
    #[error(
        "no folder for downloads: set CLEAN_FID_CACHE, XDG_CACHE_HOME or HOME, or give one to DownloadCache::new"
    )]
    NoCache,

    /// A file is not in the cache, and the network is not to be asked.
    #[cfg(feature = "hub")]
    #[error("{} is not there, and this is offline: download {url} elsewhere and put it there", path.display())]
    Offline {
        /// Where it would be.
        path: PathBuf,
        /// Where it comes from.
        url: String,
    },

    /// A download failed.
    #[cfg(feature = "hub")]
    #[error(
        "could not download {url} ({reason}): try again, or download it elsewhere and put it at {}",
        path.display()
    )]
    Download {
        /// The address.
        url: String,
        /// Where it would have gone.
        path: PathBuf,
        /// What happened.
        reason: String,
    },

    /// A file is not the one that was asked for.
    #[cfg(feature = "hub")]
    #[error("{from} has the SHA-256 {found}, expected {expected}: it is damaged or another file")]
    Digest {
        /// A path, or the address of a download.
        from: String,
        /// Its digest.
        found: String,
        /// The digest asked for.
        expected: String,
    },

    /// A result could not be read back from the device.
    #[error("could not read {what} from the device: {message}")]
    Readback {
        /// What was to be read.
        what: &'static str,
        /// What the backend said.
        message: String,
    },
}
