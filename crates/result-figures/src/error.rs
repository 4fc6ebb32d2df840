use std::path::PathBuf;

/// What can go wrong with a figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A grid of nothing.
    #[error("{}: there are no images to draw; give a column at least one", path.display())]
    NoImages {
        /// The file that was to be written.
        path: PathBuf,
    },

    /// A grid has images of different sizes.
    #[error("{}: an image of {}×{} pixels is among images of {}×{}; scale them to one size", path.display(), found.0, found.1, expected.0, expected.1)]
    SizeDiffers {
        /// The file that was to be written.
        path: PathBuf,
        /// Width and height of the first image.
        expected: (u32, u32),
        /// Width and height of the other.
        found: (u32, u32),
    },

    /// A grid is larger than an image can be.
    #[error("{}: the grid would have {width}×{height} pixels; draw fewer or smaller images", path.display())]
    TooLarge {
        /// The file that was to be written.
        path: PathBuf,
        /// Its width.
        width: u64,
        /// Its height.
        height: u64,
    },

    /// A chart cannot be drawn.
    #[error("the chart {title:?} cannot be drawn: {message}")]
    Draw {
        /// The chart's title.
        title: String,
        /// What plotters says.
        message: String,
    },

    /// A grid cannot be encoded.
    #[error("{}: {source}", path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// The encoder's answer.
        source: image::ImageError,
    },

    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] tensor_file::Error),
}
