//! Devices that another process lends (see `serve_device`).

use std::env::VarError;
use std::sync::OnceLock;

use crate::DeviceError;

#[cfg(feature = "remote")]
pub(super) use connected::{advice, open};
#[cfg(not(feature = "remote"))]
pub(super) use missing::open;

/// The environment variable that holds the token which a server requires of its clients.
pub const TOKEN: &str = "DEVICE_TOKEN";

/// The value of [`TOKEN`], if it is set.
///
/// # Errors
/// Returns [`DeviceError::Token`] if it is not UTF-8: a server must not treat it as unset.
pub fn token() -> Result<Option<String>, DeviceError> {
    match std::env::var(TOKEN) {
        Ok(token) => Ok(Some(token)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(DeviceError::Token),
    }
}

/// The first remote device that was opened.
static IN_USE: OnceLock<String> = OnceLock::new();

/// The first remote device that this process computes on.
pub(super) fn in_use() -> Option<String> {
    IN_USE.get().cloned()
}

/// The line of `--list-devices` about remote devices, which it cannot search for.
pub(super) const STATE: &str = if cfg!(feature = "remote") {
    "remote:ws://HOST:PORT[/INDEX] of a machine that runs `serve_device`; not searched for"
} else {
    "not compiled in; add `--features remote`"
};

#[cfg(not(feature = "remote"))]
mod missing {
    use burn::tensor::Device;

    use crate::DeviceError;

    pub(crate) fn open(device: &str, _url: &str) -> Result<Device, DeviceError> {
        Err(DeviceError::NotCompiled(device.to_owned()))
    }
}

#[cfg(feature = "remote")]
mod connected {
    use burn::remote::{ConnectError, RemoteHost};
    use burn::tensor::Device;

    use super::{IN_USE, token};
    use crate::DeviceError;

    pub(crate) fn open(device: &str, url: &str) -> Result<Device, DeviceError> {
        let address = parse(url).ok_or_else(|| DeviceError::Address(device.to_owned()));
        let (server, index) = address?;
        let mut host = RemoteHost::websocket(server);
        if let Some(token) = token()? {
            host = host.with_credential(token);
        }
        let remote = Device::remote_options(&host).device_index(index).init();
        let remote = remote.map_err(|source| DeviceError::Connect {
            device: device.to_owned(),
            source,
        })?;
        IN_USE.get_or_init(|| device.to_owned());
        Ok(remote)
    }

    /// What to do about a failed connection.
    pub(crate) fn advice(error: &ConnectError) -> &'static str {
        match error {
            ConnectError::Unauthorized => "set DEVICE_TOKEN to the server's",
            ConnectError::NoSuchDevice { .. } => "indices start at 0",
            ConnectError::IncompatibleProtocol { .. } => {
                "build both programs from the same version of this repository"
            }
            _ => "start `serve_device` there, and check that its port is reachable from here",
        }
    }

    /// `ws://HOST:PORT` and an index, 0 if there is none.
    fn parse(url: &str) -> Option<(&str, usize)> {
        let rest = url.strip_prefix("ws://")?;
        let (server, index) = match rest.split_once('/') {
            None | Some((_, "")) => (rest.trim_end_matches('/'), 0),
            Some((server, index)) => (server, index.parse().ok()?),
        };
        let (host, port) = server.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        (!host.is_empty()).then(|| (&url[.."ws://".len() + server.len()], index))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn addresses_are_checked() {
            assert_eq!(parse("ws://gpu:3000"), Some(("ws://gpu:3000", 0)));
            assert_eq!(parse("ws://gpu:3000/"), Some(("ws://gpu:3000", 0)));
            assert_eq!(parse("ws://[::1]:3000/2"), Some(("ws://[::1]:3000", 2)));
            for wrong in [
                "gpu:3000",
                "ws://gpu",
                "ws://:3000",
                "ws://gpu:x",
                "ws://gpu:3000/x",
                "http://gpu:1",
            ] {
                assert_eq!(parse(wrong), None, "{wrong}");
                let error = open(&format!("remote:{wrong}"), wrong).err();
                assert!(
                    error.is_some_and(|error| error.to_string().contains("remote:ws://HOST:PORT"))
                );
            }
        }
    }
}
