use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::SetupError;
use crate::reply::CUT;

/// The `Authorization` header of a client's requests. Secrets come from environment variables, so that they stand in no
/// file and no argument list; `Debug` does not show them, and they are redacted from servers' error messages.
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
    /// Returns [`SetupError::MissingVariable`] if the variable is not set, and [`SetupError::BadVariable`] if it is empty
    /// or cannot stand in a header.
    pub fn bearer_from_env(variable: &str) -> Result<Self, SetupError> {
        let key = read(variable)?;
        Ok(Self {
            header: Some(format!("Bearer {key}")),
            secrets: vec![key],
        })
    }

    /// `Authorization: Basic`, with `USER:PASSWORD` in the environment variable `variable`.
    ///
    /// # Errors
    /// Returns the errors of [`bearer_from_env`](Self::bearer_from_env), and [`SetupError::NotUserPassword`] if there is no
    /// colon.
    pub fn basic_from_env(variable: &str) -> Result<Self, SetupError> {
        let both = read(variable)?;
        let Some((_, password)) = both.split_once(':') else {
            return Err(SetupError::NotUserPassword {
                variable: variable.to_owned(),
            });
        };
        let encoded = STANDARD.encode(&both);
        Ok(Self {
            header: Some(format!("Basic {encoded}")),
            secrets: vec![encoded, password.to_owned()],
        })
    }

    pub(crate) fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// `text` without the secrets in it, and without the beginning of one at the place where the text was shortened.
    pub(crate) fn redact(&self, text: String) -> String {
        self.secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(text, |text, secret| {
                let text = text.replace(secret.as_str(), "***");
                let pieces: Vec<String> = text
                    .split(CUT)
                    .map(|piece| redact_tail(piece, secret))
                    .collect();
                pieces.join(CUT)
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

/// Redacts a proper prefix of `secret`, of four bytes or more, at the end of `text`.
fn redact_tail(text: &str, secret: &str) -> String {
    // Secrets are ASCII.
    (4..secret.len())
        .rev()
        .find_map(|length| text.strip_suffix(&secret[..length]))
        .map_or_else(|| text.to_owned(), |kept| format!("{kept}***"))
}

fn read(variable: &str) -> Result<String, SetupError> {
    let value = std::env::var(variable).map_err(|_| SetupError::MissingVariable {
        variable: variable.to_owned(),
    })?;
    let value = value.trim();
    if value.is_empty() || !value.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        return Err(SetupError::BadVariable {
            variable: variable.to_owned(),
        });
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
            let text = crate::shorten(&format!("{} sk-0123456789 and more", "x".repeat(fill)));
            let shown = redact(&text);
            assert!(!shown.contains("sk-0"), "{shown}");
        }
        assert_eq!(redact("\"sk-012 ...\" is gone"), "\"*** ...\" is gone");
        assert_eq!(redact("a task ... went on"), "a task ... went on");
    }
}
