//! The devices that the programs compute on.

mod error;
mod panics;
mod remote;

use burn::tensor::Device;

pub use error::DeviceError;
pub(crate) use panics::lost;
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
use panics::quietly;
pub use remote::{TOKEN, token};

/// A kind of device: its name, which is also that of its Cargo feature, and what to install if none is found.
struct Backend {
    name: &'static str,
    advice: &'static str,
}

const BACKENDS: [Backend; 4] = [
    Backend {
        name: "flex",
        advice: "which should not happen, since it is the CPU",
    },
    Backend {
        name: "wgpu",
        advice: "install a driver for Vulkan, Metal or DirectX 12, or Mesa's OpenGL (Debian: libegl1 libegl-mesa0 \
                 libgl1-mesa-dri)",
    },
    Backend {
        name: "vulkan",
        advice: "install the Vulkan driver of your graphics card (without one, Debian's mesa-vulkan-drivers)",
    },
    Backend {
        name: "cuda",
        advice: "install NVIDIA's driver and the CUDA toolkit, and check that `nvidia-smi` lists the GPU",
    },
];

/// Opens the device that a value of `--device` names.
///
/// # Errors
/// Returns an error if the name is unknown, the backend is not compiled in, there is no such device, or its driver does not
/// work.
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

/// Sums more ones than some drivers manage: they return a wrong sum and no error.
#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn check(name: &str, device: &Device, advice: &'static str) -> Result<(), DeviceError> {
    const ONES: usize = 1 << 20;
    let sum = || {
        let ones = burn::tensor::Tensor::<1>::ones([ONES], device);
        ones.sum().into_scalar::<f32>()
    };
    let found = quietly(sum).map_err(|message| DeviceError::Start {
        device: name.to_owned(),
        message,
        advice,
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
    for Backend { name, advice } in BACKENDS {
        match enumerate(name) {
            None => lines.push(format!(
                "{name:10} not compiled in; add `--features {name}`"
            )),
            Some(devices) if devices.is_empty() => {
                lines.push(format!("{name:10} none found; {advice}"));
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
        assert!(lines.len() >= BACKENDS.len() && lines[0].starts_with("flex"));
    }
}
