//! Arguments that every example takes.

use std::path::PathBuf;

use burn::tensor::Device;
use clap::Args;

use crate::Result;

/// `--seed`, `--device`, `--json`.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Seed of everything random; the same seed, device and build give the same result.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Where to compute: flex (CPU, the default), wgpu, vulkan, cuda or cuda:INDEX. The last three
    /// need the Cargo feature of that name.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Also write the result as JSON to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// A `--device` that this build or this machine does not have.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not a device's name.
    #[error("--device {0}: no such device; use flex, wgpu, vulkan, cuda or cuda:INDEX")]
    Unknown(String),
    /// Not compiled in.
    #[error("--device {device}: not compiled in; add `--features {feature}` to the cargo command")]
    NotCompiled {
        /// What was asked for.
        device: String,
        /// The Cargo feature that brings it.
        feature: &'static str,
    },
}

impl Common {
    /// The device that `--device` names.
    ///
    /// # Errors
    /// As [`open_device`].
    pub fn device(&self) -> Result<Device, DeviceError> {
        open_device(&self.device)
    }

    /// Writes `value` to the `--json` file, where one was asked for.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_json(&self, value: &impl serde::Serialize) -> Result<()> {
        match &self.json {
            Some(path) => crate::files::write_json(path, value),
            None => Ok(()),
        }
    }
}

/// The device of a name as `--device` takes it.
///
/// # Errors
/// [`DeviceError`] where the name is unknown or the backend is not compiled in.
pub fn open_device(device: &str) -> Result<Device, DeviceError> {
    let (name, index) = match device.split_once(':') {
        Some((name, index)) => (
            name,
            index
                .parse::<usize>()
                .map_err(|_| DeviceError::Unknown(device.to_owned()))?,
        ),
        None => (device, 0),
    };
    let _ = index;
    let missing = |feature| DeviceError::NotCompiled {
        device: device.to_owned(),
        feature,
    };
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(index)),
        _ => Err(match name {
            "flex" => missing("flex"),
            "wgpu" => missing("wgpu"),
            "vulkan" => missing("vulkan"),
            "cuda" => missing("cuda"),
            _ => DeviceError::Unknown(device.to_owned()),
        }),
    }
}

/// Starts the logger and runs `main`; an error is printed with what caused it, and gives exit
/// status 1.
pub fn run(main: impl FnOnce() -> Result<()>) -> std::process::ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match main() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(inner) = cause {
                if !error.to_string().contains(&inner.to_string()) {
                    eprintln!("  because: {inner}");
                }
                cause = inner.source();
            }
            if let Some(advice) = advice(&error.to_string()) {
                eprintln!("  what to do: {advice}");
            }
            std::process::ExitCode::FAILURE
        }
    }
}

/// What to do about a disk that takes nothing more. Looks at the text, since some libraries keep no
/// more of an error than that.
fn advice(error: &str) -> Option<&'static str> {
    let says = |texts: &[&str]| texts.iter().any(|text| error.contains(text));
    if says(&[
        "No space left on device",
        "Disk quota exceeded",
        "File too large",
    ]) {
        Some(
            "make room there or raise the limit, and run the same command again; what was saved is kept",
        )
    } else if says(&["Read-only file system", "Permission denied"]) {
        Some("give write access there, or another folder, and run the same command again")
    } else {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_full_and_a_read_only_disk_get_advice() {
        use std::io::Error;
        let full = format!("a.json: {}", Error::from_raw_os_error(28));
        assert!(advice(&full).is_some_and(|advice| advice.contains("make room")));
        let locked = format!("a.json: {}", Error::from_raw_os_error(30));
        assert!(advice(&locked).is_some_and(|advice| advice.contains("write access")));
        assert_eq!(advice("a.json: No such file or directory"), None);
    }
}
