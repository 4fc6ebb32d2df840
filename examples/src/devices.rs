//! The devices that examples compute on.

mod remote;

use burn::tensor::Device;

pub use remote::{TOKEN, token};

/// A `--device` that this build or this machine does not have.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not a device's name.
    #[error(
        "--device {0}: no such device; use flex, wgpu, vulkan or cuda, the last three with :INDEX where there are several, \
         or remote:ws://HOST:PORT of a serve_device (--list-devices shows what is there)"
    )]
    Unknown(String),
    /// Not compiled in.
    #[error("--device {device}: not compiled in; add `--features {feature}` to the cargo command")]
    NotCompiled {
        /// What was asked for.
        device: String,
        /// The Cargo feature that brings it.
        feature: &'static str,
    },
    /// No such hardware, or no driver for it.
    #[error("--device {device}: nothing was found on this machine; {advice}")]
    Absent {
        /// What was asked for.
        device: String,
        /// What to install.
        advice: &'static str,
    },
    /// Fewer devices than that.
    #[error("--device {device}: there {}; indices count from 0", found(*.devices))]
    Index {
        /// What was asked for.
        device: String,
        /// How many there are.
        devices: usize,
    },
    /// A driver that does not start.
    #[error("--device {device}: its driver does not start ({why}); {advice}")]
    Start {
        /// What was asked for.
        device: String,
        /// What it said.
        why: String,
        /// What to install.
        advice: &'static str,
    },
    /// A driver whose results cannot be trusted.
    #[error(
        "--device {device}: its driver adds {expected} ones up to {found}, so sums over large tensors would be wrong; Mesa's \
         llvmpipe, a CPU that plays a graphics card, ends loops after 65,535 rounds: take flex there, which is faster \
         too, or install the driver of your card"
    )]
    Driver {
        /// What was asked for.
        device: String,
        /// The right sum.
        expected: usize,
        /// The driver's.
        found: f32,
    },
    /// A server that was there when the work began.
    #[error(
        "the work stopped while --device {device} computed ({why}); see whether serve_device still runs there, start it \
         again where it does not, and run the same command: a training goes on from its last saved state"
    )]
    Lost {
        /// The first remote device that was opened.
        device: String,
        /// What the panic said.
        why: String,
    },
    /// What a server asks of its clients cannot be sent.
    #[error("the environment variable {TOKEN} is not UTF-8; give it another value, or unset it")]
    Token,
    /// A server that lends no such device.
    #[error("--device {device}: {why}; {advice}")]
    Remote {
        /// What was asked for.
        device: String,
        /// What went wrong.
        why: String,
        /// What to do.
        advice: &'static str,
    },
}

fn found(devices: usize) -> String {
    match devices {
        1 => "is 1 such device".to_owned(),
        n => format!("are {n} such devices"),
    }
}

/// A kind of device: its name, which is its Cargo feature's too, and what to install where none is found.
struct Backend {
    name: &'static str,
    advice: &'static str,
}

const BACKENDS: [Backend; 4] = [
    Backend {
        name: "flex",
        advice: "which cannot be: it is the CPU",
    },
    Backend {
        name: "wgpu",
        advice: "install a driver for Vulkan, Metal or DirectX 12, or Mesa's OpenGL (Debian: libegl1 libegl-mesa0 \
                 libgl1-mesa-dri)",
    },
    Backend {
        name: "vulkan",
        advice: "install the Vulkan driver of your card (without a card, Debian's mesa-vulkan-drivers)",
    },
    Backend {
        name: "cuda",
        advice: "install NVIDIA's driver and the CUDA toolkit, and see that `nvidia-smi` lists the card",
    },
];

/// The device of a name as `--device` takes it.
///
/// # Errors
/// [`DeviceError`] where the name is unknown, the backend is not compiled in, or there is no such device.
pub fn open(device: &str) -> Result<Device, DeviceError> {
    if let Some(url) = device.strip_prefix("remote:") {
        return remote::open(device, url);
    }
    let (name, index) = match device.split_once(':') {
        Some((name, index)) => (name, Some(index)),
        None => (device, None),
    };
    let unknown = || DeviceError::Unknown(device.to_owned());
    let backend = BACKENDS.iter().find(|backend| backend.name == name);
    let Backend { name, advice } = *backend.ok_or_else(unknown)?;
    let index = match index {
        Some(_) if name == "flex" => return Err(unknown()),
        Some(index) => Some(index.parse::<usize>().map_err(|_| unknown())?),
        None => None,
    };
    let mut devices = enumerate(name).ok_or_else(|| DeviceError::NotCompiled {
        device: device.to_owned(),
        feature: name,
    })?;
    if devices.is_empty() {
        return Err(DeviceError::Absent {
            device: device.to_owned(),
            advice,
        });
    }
    let at = index.unwrap_or(0);
    if at >= devices.len() {
        return Err(DeviceError::Index {
            device: device.to_owned(),
            devices: devices.len(),
        });
    }
    let found = match (index, preferred(name)) {
        (None, Some(device)) => device,
        _ => devices.swap_remove(at),
    };
    #[cfg(any(feature = "wgpu", feature = "vulkan"))]
    if matches!(name, "wgpu" | "vulkan") {
        check(device, &found, advice)?;
    }
    Ok(found)
}

/// Adds up more ones than some drivers do without an error.
#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn check(name: &str, device: &Device, advice: &'static str) -> Result<(), DeviceError> {
    const ONES: usize = 1 << 20;
    let sum = || {
        let ones = burn::tensor::Tensor::<1>::ones([ONES], device);
        ones.sum().into_scalar::<f32>()
    };
    let found = quietly(sum).map_err(|why| DeviceError::Start {
        device: name.to_owned(),
        why,
        advice,
    })?;
    // A power of two: exact in whatever order.
    if found == ONES as f32 {
        return Ok(());
    }
    Err(DeviceError::Driver {
        device: name.to_owned(),
        expected: ONES,
        found,
    })
}

/// A line per device of this build and machine, and per backend that lacks one.
pub fn list() -> Vec<String> {
    let mut lines = Vec::new();
    for Backend { name, advice } in BACKENDS {
        match enumerate(name) {
            None => lines.push(format!(
                "{name:10} not compiled in; add `--features {name}`"
            )),
            Some(devices) if devices.is_empty() => {
                lines.push(format!("{name:10} nothing found; {advice}"));
            }
            Some(devices) => {
                for (index, device) in devices.iter().enumerate() {
                    let label = match name {
                        "flex" => name.to_owned(),
                        _ => format!("{name}:{index}"),
                    };
                    lines.push(format!("{label:10} {}", describe(name, device)));
                }
            }
        }
    }
    lines.push(format!("{:10} {}", "remote", remote::STATE));
    lines
}

/// The devices of a backend that is compiled in.
fn enumerate(name: &str) -> Option<Vec<Device>> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Some(vec![Device::flex()]),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(search(burn::tensor::DeviceType::Wgpu)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(search(burn::tensor::DeviceType::Vulkan)),
        #[cfg(feature = "cuda")]
        "cuda" => Some(search(burn::tensor::DeviceType::Cuda)),
        _ => None,
    }
}

/// What the backend itself takes where no index was given.
fn preferred(name: &str) -> Option<Device> {
    match name {
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        _ => None,
    }
}

/// A driver's library that is missing is a panic down there.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
fn search(kind: burn::tensor::DeviceType) -> Vec<Device> {
    quietly(|| Device::enumerate(kind).into_vec()).unwrap_or_default()
}

/// What `work` gives, or what its panic said.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    result.map_err(|panic| message(&*panic))
}

/// What a panic means where a remote device was in use: Burn has no error for one that is gone.
pub(crate) fn lost(panic: &(dyn std::any::Any + Send)) -> Option<DeviceError> {
    Some(DeviceError::Lost {
        device: remote::in_use()?,
        why: message(panic),
    })
}

/// What a panic said.
fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no reason given".to_owned())
}

fn describe(name: &str, device: &Device) -> String {
    let _ = device;
    match name {
        "flex" => "the CPU, in Rust".to_owned(),
        #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
        _ => match quietly(|| device.identity()) {
            Ok(Some(identity)) => identity.name,
            Ok(None) => "of no name".to_owned(),
            Err(why) => format!("does not start ({why})"),
        },
        #[cfg(not(any(feature = "wgpu", feature = "vulkan", feature = "cuda")))]
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(device: &str) -> String {
        open(device)
            .err()
            .map_or_else(String::new, |e| e.to_string())
    }

    #[test]
    fn names_are_checked() {
        assert!(open("flex").is_ok());
        for name in ["gpu", "flex:0", "cuda:x", "", "wgpu:-1", "remote"] {
            assert!(refusal(name).contains("--list-devices"), "{name}");
        }
        #[cfg(not(feature = "cuda"))]
        assert!(refusal("cuda:1").contains("`--features cuda`"));
        let lines = list();
        assert!(lines.len() >= BACKENDS.len() && lines[0].starts_with("flex"));
    }

    #[test]
    fn counts_are_grammatical() {
        let error = |devices| {
            DeviceError::Index {
                device: "cuda:3".into(),
                devices,
            }
            .to_string()
        };
        assert_eq!(
            error(1),
            "--device cuda:3: there is 1 such device; indices count from 0"
        );
        assert_eq!(
            error(2),
            "--device cuda:3: there are 2 such devices; indices count from 0"
        );
    }
}
