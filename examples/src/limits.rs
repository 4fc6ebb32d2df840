//! What an option leaves out of what the user gave, and what the machine has.

use denoised_weights::pairs::ConceptPairs;
use indicatif::HumanCount;

/// Says that only a part of what there is is used, and which option takes more; nothing if all of it is used.
///
/// ```
/// use denoised_weights_examples::limits::limit;
///
/// let note = "64 of 2,000 training pairs are used; --n-train 2000 takes all";
/// assert_eq!(limit("training pairs", 64, 2000, "--n-train").as_deref(), Some(note));
/// assert_eq!(limit("training pairs", 64, 64, "--n-train"), None);
/// ```
pub fn limit(what: &str, used: usize, given: usize, option: &str) -> Option<String> {
    (used < given).then(|| {
        format!(
            "{} of {} {what} are used; {option} {given} takes all",
            HumanCount(used as u64),
            HumanCount(given as u64)
        )
    })
}

/// [`limit`] of the training and test pairs of a concept, with the options for their numbers.
pub fn pair_limits(pairs: &ConceptPairs, [train, test]: [&str; 2]) -> Vec<String> {
    let limits = [
        limit(
            "training pairs",
            pairs.train.len(),
            pairs.given.train,
            train,
        ),
        limit("test pairs", pairs.test.len(), pairs.given.test, test),
    ];
    limits.into_iter().flatten().collect()
}

/// MiB of memory that the system can give without swapping, if it says so (Linux).
pub fn available_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib >> 10)
}
