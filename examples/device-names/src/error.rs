//! Why a device cannot be used.

#[cfg(feature = "remote")]
use crate::remote;
use crate::{TOKEN, kind, to_install};

/// A `--device` that this build or this machine does not have.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not the name of a device.
    #[error(
        "--device {0}: there is no such device; use flex, wgpu, vulkan or cuda, the last three with :INDEX if there are \
         several, or remote:ws://HOST:PORT for a device that serve_device lends (--list-devices lists those of this machine)"
    )]
    Unknown(String),
    /// A backend that is not compiled in.
    #[error("--device {0}: not compiled in; add `--features {feature}` to the cargo command", feature = kind(.0))]
    NotCompiled(String),
    /// No such hardware, or no driver for it.
    #[error("--device {0}: no such device was found on this machine; {advice}", advice = to_install(kind(.0)))]
    Absent(String),
    /// An index beyond the last device.
    #[error(
        "--device {device}: this machine has {devices} of these devices, and indices start at 0"
    )]
    Index {
        /// The value of `--device`.
        device: String,
        /// How many there are.
        devices: usize,
    },
    /// A driver that does not start.
    #[error(
        "--device {device}: its driver does not start ({message}); {}",
        to_install(kind(device))
    )]
    Start {
        /// The value of `--device`.
        device: String,
        /// The driver's message.
        message: String,
    },
    /// A driver whose results cannot be trusted.
    #[error(
        "--device {device}: its driver gives {found} as the sum of {expected} ones, so sums over large tensors would be wrong. \
         Mesa's llvmpipe, which emulates a graphics card on the CPU, ends loops after 65,535 rounds: use flex instead, which \
         is also faster, or install the driver of your graphics card"
    )]
    Driver {
        /// The value of `--device`.
        device: String,
        /// The right sum.
        expected: usize,
        /// The driver's sum.
        found: f32,
    },
    /// A server that was lost while it computed.
    #[error(
        "the work stopped while --device {device} computed ({message}); make sure that serve_device runs there, and run the same \
         command again: a training continues from its last saved state"
    )]
    Lost {
        /// The first remote device that was opened.
        device: String,
        /// The message of the panic.
        message: String,
    },
    /// A token that cannot be sent to a server.
    #[error("the environment variable {TOKEN} is not UTF-8; give it another value, or unset it")]
    Token,
    /// A remote device whose address cannot be understood.
    #[error(
        "--device {0}: this is not a server's address; write remote:ws://HOST:PORT, or remote:ws://HOST:PORT/INDEX for a \
         device other than its first"
    )]
    Address(String),
    /// A server that cannot be reached, or does not lend the device.
    #[cfg(feature = "remote")]
    #[error("--device {device}: {source}; {}", remote::advice(source))]
    Connect {
        /// The value of `--device`.
        device: String,
        /// The cause.
        source: burn::remote::ConnectError,
    },
}
