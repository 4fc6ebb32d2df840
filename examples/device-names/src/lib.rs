//! Burn's devices by the names that `--device` accepts: `flex`, `wgpu`, `vulkan`, `cuda`, `cuda:1`, `remote:ws://HOST:PORT`.
//!
//! The features of the same names compile the backends in; the errors say which is missing, or what to install.

mod error;
mod remote;

use burn::tensor::Device;

pub use error::DeviceError;
pub use remote::{TOKEN, token};

/// The kinds of devices, named after their Cargo features.
const KINDS: [&str; 4] = ["flex", "wgpu", "vulkan", "cuda"];

/// The kind of a device: `cuda` of `cuda:1`.
fn kind(device: &str) -> &str {
    device.split_once(':').map_or(device, |(kind, _)| kind)
}

/// What to install if no device of a kind is found, or its driver does not start.
fn to_install(kind: &str) -> &'static str {
    match kind {
        "wgpu" => {
            "install a driver for Vulkan, Metal or DirectX 12, or Mesa's OpenGL (Debian: libegl1 libegl-mesa0 \
             libgl1-mesa-dri)"
        }
        "vulkan" => {
            "install the Vulkan driver of your graphics card (without one, Debian's mesa-vulkan-drivers)"
        }
        "cuda" => {
            "install NVIDIA's driver and the CUDA toolkit, and check that `nvidia-smi` lists the GPU"
        }
        _ => "the CPU is always there",
    }
}

/// Opens the device that a value of `--device` names.
///
/// # Errors
/// Returns an error if the name is unknown, the backend is not compiled in, there is no such device, or its driver does not
/// work.
pub fn open(device: &str) -> Result<Device, DeviceError> {
    if let Some(url) = device.strip_prefix("remote:") {
        return remote::open(device, url);
    }
    let unknown = || DeviceError::Unknown(device.to_owned());
    let name = kind(device);
    if !KINDS.contains(&name) {
        return Err(unknown());
    }
    let index = match device.split_once(':') {
        Some(_) if name == "flex" => return Err(unknown()),
        Some((_, index)) => Some(index.parse::<usize>().map_err(|_| unknown())?),
        None => None,
    };
    let devices = enumerate(name);
    let mut devices = devices.ok_or_else(|| DeviceError::NotCompiled(device.to_owned()))?;
    if devices.is_empty() {
        return Err(DeviceError::Absent(device.to_owned()));
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
        check(device, &found)?;
    }
    Ok(found)
}

/// Sums more ones than some drivers manage: they return a wrong sum and no error.
#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn check(name: &str, device: &Device) -> Result<(), DeviceError> {
    const ONES: usize = 1 << 20;
    let sum = || {
        let ones = burn::tensor::Tensor::<1>::ones([ONES], device);
        ones.sum().into_scalar::<f32>()
    };
    let found = quietly(sum).map_err(|message| DeviceError::Start {
        device: name.to_owned(),
        message,
    })?;
    // A power of two is exact in any order of summation.
    if found == ONES as f32 {
        return Ok(());
    }
    Err(DeviceError::Driver {
        device: name.to_owned(),
        expected: ONES,
        found,
    })
}

/// A line for each device of this build and machine, and for each backend without one.
pub fn list() -> Vec<String> {
    let mut lines = Vec::new();
    for name in KINDS {
        match enumerate(name) {
            None => lines.push(format!(
                "{name:10} not compiled in; add `--features {name}`"
            )),
            Some(devices) if devices.is_empty() => {
                lines.push(format!("{name:10} none found; {}", to_install(name)));
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

/// The devices of a backend, if it is compiled in.
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

/// The device that the backend itself chooses if no index was given.
fn preferred(name: &str) -> Option<Device> {
    match name {
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        _ => None,
    }
}

/// The devices of a kind; if a driver's library is missing, the backend panics, and there are none.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
fn search(kind: burn::tensor::DeviceType) -> Vec<Device> {
    quietly(|| Device::enumerate(kind).into_vec()).unwrap_or_default()
}

/// The result of `work`, or the message of its panic, which is not printed.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    result.map_err(|panic| message(&*panic))
}

/// The error that a panic stands for if a remote device is in use: Burn panics when it loses one.
pub fn lost(panic: &(dyn std::any::Any + Send)) -> Option<DeviceError> {
    Some(DeviceError::Lost {
        device: remote::in_use()?,
        message: message(panic),
    })
}

/// The message of a panic.
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
            Ok(None) => "unnamed".to_owned(),
            Err(message) => format!("does not start ({message})"),
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
        assert!(lines.len() >= KINDS.len() && lines[0].starts_with("flex"));
    }
}
