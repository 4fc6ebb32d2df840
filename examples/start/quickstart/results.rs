//! What a run leaves in its folder.

use std::io::ErrorKind;
use std::path::Path;

use denoised_weights_examples::Result;

/// What is written for a single concept, and the report.
pub(crate) const RESULTS: [&str; 5] = [
    "report.json",
    "grid.png",
    "curves.svg",
    "start.safetensors",
    "adapter.safetensors",
];

/// Makes room in the folder `out`: removes the results of an earlier run, of which this one might not replace all. A folder in which
/// another program trains or has trained is refused.
pub(crate) fn make_room(out: &Path) -> Result<()> {
    for name in ["run.json", "state"] {
        if out.join(name).exists() {
            return Err(format!(
                "{}: the {name} there is of a training by another program, such as your_style, whose results would be replaced; \
                 --out names another folder",
                out.display()
            )
            .into());
        }
    }
    for path in RESULTS.map(|name| out.join(name)) {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("cannot remove {}: {error}", path.display()).into());
            }
            _ => (),
        }
    }
    Ok(())
}
