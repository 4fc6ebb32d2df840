//! What can go wrong with a download.

use std::error::Error as StdError;
use std::path::PathBuf;

/// Errors of downloads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// An address does not name a file.
    #[error("{url:?} cannot be downloaded: it does not name a file")]
    NoFileName {
        /// The address.
        url: String,
    },

    /// An address ends in a name that no file in the cache may have.
    #[error(
        "{url:?} cannot be downloaded: its last part cannot be the name of a file in the cache"
    )]
    FileName {
        /// The address.
        url: String,
    },

    /// A digest is not written in 64 hexadecimal digits.
    #[error("{url:?} cannot be downloaded: its SHA-256 must have 64 hexadecimal digits")]
    DigestFormat {
        /// The address.
        url: String,
    },

    /// There is no folder to keep downloads in.
    #[error(
        "no folder for downloads: set CLEAN_FID_CACHE, XDG_CACHE_HOME or HOME, or pass one to DownloadCache::new"
    )]
    NoCacheFolder,

    /// A file is not in the cache, and downloads are forbidden.
    #[error("{} is missing, and downloads are forbidden: download {url} elsewhere and copy it there", path.display())]
    Offline {
        /// Where the file would be.
        path: PathBuf,
        /// Where it comes from.
        url: String,
    },

    /// The server could not be reached, or answered with something else than the file.
    #[error("could not download {url} ({source}): try again, or download it elsewhere and copy it to {}", path.display())]
    Request {
        /// The address.
        url: String,
        /// Where the file would have gone.
        path: PathBuf,
        /// What the HTTP client reported.
        source: Box<dyn StdError + Send + Sync>,
    },

    /// The connection broke.
    #[error(
        "the download of {url} broke off after {received} bytes ({source}): try again, or download it elsewhere and copy it to {}",
        path.display()
    )]
    Interrupted {
        /// The address.
        url: String,
        /// Where the file would have gone.
        path: PathBuf,
        /// How many bytes came.
        received: u64,
        /// What the HTTP client reported.
        source: std::io::Error,
    },

    /// Fewer bytes came than the file has.
    #[error(
        "{url} gave {received} bytes, expected {expected}: try again, or download it elsewhere and copy it to {}",
        path.display()
    )]
    TooShort {
        /// The address.
        url: String,
        /// Where the file would have gone.
        path: PathBuf,
        /// How many bytes came.
        received: u64,
        /// The size of the file.
        expected: u64,
    },

    /// More bytes came than the file has.
    #[error(
        "{url} gave more than {expected} bytes: try again, or download it elsewhere and copy it to {}",
        path.display()
    )]
    TooLong {
        /// The address.
        url: String,
        /// Where the file would have gone.
        path: PathBuf,
        /// The size of the file.
        expected: u64,
    },

    /// A file is not the one that was asked for.
    #[error("{from} has the SHA-256 {found}, expected {expected}: it is damaged, or another file")]
    Digest {
        /// A path, or the address of a download.
        from: String,
        /// Its digest.
        found: String,
        /// The digest asked for.
        expected: String,
    },
}
