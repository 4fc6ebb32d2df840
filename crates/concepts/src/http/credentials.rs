use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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

    /// `text` without the secrets in it.
    pub(super) fn redact(&self, text: String) -> String {
        self.secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(text, |text, secret| text.replace(secret.as_str(), "***"))
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
