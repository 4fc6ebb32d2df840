//! The command-line plumbing that the example programs share: options, devices, progress, pictures.
//!
//! The libraries never name a backend; [`cli::Common::device`] chooses one.

pub mod cli;
pub mod confirm;
pub mod devices;
pub mod options;
pub mod picture;
pub mod progress;
pub mod training;

pub use denoised_weights::run as files;

/// Keeps freed memory for the next tensor: a training step allocates and frees hundreds of megabytes, and a fresh page from
/// the system costs more than the arithmetic on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The result of the programs' functions: any error, whose message says what to do.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    #[test]
    fn the_fresh_concepts_are_in_no_list() -> crate::Result<()> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/fresh_concepts.json");
        let fresh = concepts::read_concepts(path.as_ref())?;
        assert_eq!(fresh.len(), 5);
        for concept in &fresh {
            for shipped in concepts::art_concepts() {
                assert!(shipped.prompt != concept.prompt && shipped.edit != concept.edit);
            }
        }
        Ok(())
    }
}
