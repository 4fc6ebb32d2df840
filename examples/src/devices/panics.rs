//! Panics of drivers and of lost connections.

use super::{DeviceError, remote};

/// The result of `work`, or the message of its panic, which is not printed.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    result.map_err(|panic| message(&*panic))
}

/// The error that a panic stands for if a remote device is in use: Burn panics when it loses one.
pub(crate) fn lost(panic: &(dyn std::any::Any + Send)) -> Option<DeviceError> {
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
