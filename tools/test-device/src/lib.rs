//! The device that this workspace's tests and benches compute on, so that the same ones run on every backend.
//!
//! ```sh
//! TEST_DEVICE=wgpu cargo test --release --workspace --features test-device/wgpu
//! ```

use burn::tensor::Device;

/// The device that `TEST_DEVICE` names: `flex`, which is the default, or `wgpu`, `vulkan` or `cuda` if the feature of that
/// name is on.
///
/// # Panics
/// Panics for another name, or if the backend is not compiled in: falling back to flex would let tests pass on a device
/// that nobody asked for.
#[allow(clippy::panic)]
pub fn device() -> Device {
    let name = std::env::var("TEST_DEVICE").unwrap_or_default();
    match name.as_str() {
        "" | "flex" => Device::flex(),
        #[cfg(feature = "wgpu")]
        "wgpu" => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "vulkan")]
        "vulkan" => Device::vulkan(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "cuda")]
        "cuda" => Device::cuda(0),
        _ => panic!(
            "TEST_DEVICE={name}: use flex, wgpu, vulkan or cuda, the last three with `--features test-device/{name}`"
        ),
    }
}
