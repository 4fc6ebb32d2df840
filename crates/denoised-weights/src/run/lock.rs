use std::io::ErrorKind;
use std::path::Path;

use resumable_runs::Lock;

use crate::Error;
use crate::error::{Result, io};

/// Locks the states of a training into `dir`, which are in `dir/state`: two processes that save to one folder would
/// remove each other's states.
///
/// # Errors
/// Returns [`Error::Busy`] if another process trains there, [`Error::ForeignState`] if `dir/state` holds something else
/// than the states of a training, which remove the folder in the end, and [`Error::Run`] or [`Error::Io`] if the lock
/// cannot be taken.
pub fn lock_training(dir: &Path) -> Result<Lock> {
    let states = dir.join("state");
    refuse_foreign(&states)?;
    let lock = Lock::try_take(states.join(LOCK))?;
    lock.ok_or_else(|| Error::Busy {
        path: dir.to_owned(),
    })
}

const LOCK: &str = "lock";

/// Files that trainings leave in the folder of their states, beside the states themselves; `data.json` is of earlier builds.
const OURS: [&str; 7] = [
    LOCK,
    "state.json",
    "data.json",
    "run.json",
    "curve.json",
    "fine-tuning.json",
    "start.safetensors",
];

/// Whether a training gives this name to a file or folder of its states.
fn is_ours(name: &str) -> bool {
    let numbered = |prefix: &str, name: &str| {
        (name.strip_prefix(prefix))
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    OURS.contains(&name)
        || numbered("at-", name)
        || (numbered("state-", name) && name.ends_with(".safetensors"))
}

fn refuse_foreign(states: &Path) -> Result<()> {
    let entries = match std::fs::read_dir(states) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io("read the folder", states))?,
    };
    for entry in entries {
        let name = entry.map_err(io("read the folder", states))?.file_name();
        let name = name.to_string_lossy();
        // Hidden ones are temporary files, or what desktops leave in every folder.
        if !name.starts_with('.') && !is_ours(&name) {
            return Err(Error::ForeignState {
                path: states.to_owned(),
                name: name.into_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_someone_else_is_not_taken_for_states() {
        let dir = tempfile::tempdir().unwrap();
        let states = dir.path().join("state");
        drop(lock_training(dir.path()).unwrap());
        // Interrupted, and its lock removed by hand.
        std::fs::remove_file(states.join("lock")).unwrap();
        std::fs::create_dir(states.join("at-000001")).unwrap();
        let held = lock_training(dir.path()).unwrap();
        let busy = lock_training(dir.path());
        assert!(matches!(busy, Err(Error::Busy { path }) if path == dir.path()));
        drop(held);

        std::fs::remove_dir_all(&states).unwrap();
        std::fs::create_dir(&states).unwrap();
        std::fs::write(states.join("maps.png"), "mine").unwrap();
        let error = lock_training(dir.path()).unwrap_err();
        assert!(matches!(error, Error::ForeignState { .. }), "{error}");
        // A name that trainings use too does not make the folder theirs.
        std::fs::write(states.join("state.json"), "{}").unwrap();
        std::fs::create_dir(states.join("at-home")).unwrap();
        let error = lock_training(dir.path()).unwrap_err();
        assert!(matches!(error, Error::ForeignState { .. }), "{error}");
        assert_eq!(std::fs::read_dir(&states).unwrap().count(), 3);
    }
}
