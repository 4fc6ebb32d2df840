use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::reply;
use crate::Error;

/// What a request says about who sends it. Read from the environment, so that keys are in no file and no argument
/// list; never shown by `Debug`, and blotted out of servers' error messages.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    header: Option<String>,
    secrets: Vec<String>,
}

impl Credentials {
    /// No credentials.
    pub fn none() -> Self {
        Self::default()
    }

    /// `Authorization: Bearer KEY`, with the key in the environment variable `variable`.
    ///
    /// # Errors
    /// [`Error::BadSetting`] when the variable is missing, empty or cannot stand in a header.
    pub fn bearer_from_env(variable: &str) -> Result<Self, Error> {
        let key = read(variable)?;
        Ok(Self {
            header: Some(format!("Bearer {key}")),
            secrets: vec![key],
        })
    }

    /// `Authorization: Basic`, with `USER:PASSWORD` in the environment variable `variable`.
    ///
    /// # Errors
    /// As [`bearer_from_env`](Self::bearer_from_env), and when there is no colon.
    pub fn basic_from_env(variable: &str) -> Result<Self, Error> {
        let both = read(variable)?;
        let Some((_, password)) = both.split_once(':') else {
            return Err(Error::BadSetting {
                setting: "credentials",
                message: format!("the environment variable {variable} must hold USER:PASSWORD"),
            });
        };
        let encoded = STANDARD.encode(&both);
        Ok(Self {
            header: Some(format!("Basic {encoded}")),
            secrets: vec![encoded, password.to_owned()],
        })
    }

    pub(super) fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// `text` without the secrets in it, nor the beginning of one where the text was shortened.
    pub(super) fn redact(&self, text: String) -> String {
        self.secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(text, |text, secret| {
                let text = text.replace(secret.as_str(), "***");
                let pieces: Vec<String> = text
                    .split(reply::CUT)
                    .map(|piece| blot_tail(piece, secret))
                    .collect();
                pieces.join(reply::CUT)
            })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.header.is_some() {
            "Credentials(***)"
        } else {
            "Credentials(none)"
        })
    }
}

/// Blots a proper beginning of `secret`, of four bytes and more, out of the end of `text`.
fn blot_tail(text: &str, secret: &str) -> String {
    // Secrets are ASCII.
    (4..secret.len())
        .rev()
        .find_map(|length| text.strip_suffix(&secret[..length]))
        .map_or_else(|| text.to_owned(), |kept| format!("{kept}***"))
}

fn read(variable: &str) -> Result<String, Error> {
    let bad = |message: String| Error::BadSetting {
        setting: "credentials",
        message,
    };
    let value = std::env::var(variable)
        .map_err(|_| bad(format!("the environment variable {variable} is not set")))?;
    let value = value.trim();
    if value.is_empty() || !value.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        return Err(bad(format!(
            "the environment variable {variable} is empty or holds spaces or characters other than ASCII"
        )));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_messages_show_no_part_of_a_secret() {
        let credentials = Credentials {
            header: None,
            secrets: vec!["sk-0123456789".to_owned()],
        };
        let redact = |text: &str| credentials.redact(text.to_owned());
        assert_eq!(redact("bad key sk-0123456789!"), "bad key ***!");
        // Wherever the message is cut, nothing of the key is left.
        for fill in 280..300 {
            let text = reply::shorten(&format!("{} sk-0123456789 and more", "x".repeat(fill)));
            let shown = redact(&text);
            assert!(!shown.contains("sk-0"), "{shown}");
        }
        assert_eq!(redact("\"sk-012 ...\" is gone"), "\"*** ...\" is gone");
        assert_eq!(redact("a task ... went on"), "a task ... went on");
    }
}
