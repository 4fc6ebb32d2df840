//! A server's address, checked before anything is sent to it.

use crate::SetupError;

/// `http://` or `https://`, host, port and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The whole address, without a slash at the end.
    pub(crate) base: String,
    /// Host and port as written, in lower case.
    pub(crate) host: String,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, SetupError> {
        let address = || redacted(text);
        let base = text.trim().trim_end_matches('/');
        // Anywhere, because a password may hold a slash.
        if base.contains('@') {
            return Err(SetupError::AddressWithCredentials { address: address() });
        }
        let host = base
            .strip_prefix("http://")
            .or_else(|| base.strip_prefix("https://"))
            .map(|rest| rest.split('/').next().unwrap_or(""))
            .ok_or_else(|| SetupError::AddressScheme { address: address() })?;
        if host.is_empty() || base.chars().any(|c| c.is_control() || c == ' ') {
            return Err(SetupError::NoHost { address: address() });
        }
        if base.contains(['?', '#']) {
            return Err(SetupError::AddressWithQuery { address: address() });
        }
        Ok(Self {
            base: base.to_owned(),
            host: host.to_lowercase(),
        })
    }

    /// Whether it is this machine, which is reached without a proxy.
    pub(crate) fn is_local(&self) -> bool {
        let bare = self.host.split(':').next().unwrap_or("");
        bare == "localhost" || bare.starts_with("127.") || self.host.starts_with("[::1]")
    }
}

/// The address without what may be a secret: user and password, query and fragment.
pub(crate) fn redacted(base: &str) -> String {
    let start = base.find("://").map_or(0, |at| at + 3);
    let (head, tail) = match base.rfind('@') {
        Some(at) => (
            format!(
                "{}***",
                base.get(..start).filter(|_| start <= at).unwrap_or("")
            ),
            &base[at..],
        ),
        None => (String::new(), base),
    };
    match tail.split_once(['?', '#']) {
        Some((kept, _)) => format!("{head}{kept}?***"),
        None => format!("{head}{tail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let open = |base| Address::parse(base).map(|address| address.base);
        assert_eq!(
            open("http://127.0.0.1:7860/").unwrap(),
            "http://127.0.0.1:7860"
        );
        assert_eq!(open("https://host/v1").unwrap(), "https://host/v1");
        for bad in [
            "127.0.0.1:7860",
            "ftp://host",
            "http://",
            "http://a b",
            "http://host/?key=1",
        ] {
            assert!(open(bad).is_err(), "{bad}");
        }
        for secret in [
            "http://me:secret@host",
            "http://me:se/secret@host",
            "me:secret@host:80",
            "ftp://me:secret@host",
            "http://me:secret#secret?@h st",
            "http://host/v1?api_key=secret",
            "host/v1?api_key=secret",
            "http:///v1#secret",
        ] {
            let error = open(secret).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let error = open("ftp://me:secret@host/v1").unwrap_err().to_string();
        assert!(error.contains("ftp://***@host/v1"), "{error}");
    }

    #[test]
    fn this_machine_is_known() {
        let local = |base| Address::parse(base).unwrap().is_local();
        assert!(local("http://LocalHost:7860") && local("http://127.0.0.1/v1"));
        assert!(local("http://[::1]:8188") && !local("https://127host.example"));
    }
}
