//! What is sent.

/// One request below a server's address.
pub(super) struct Request {
    /// Path and query, with the leading slash.
    pub(super) path: String,
    pub(super) body: Body,
}

pub(super) enum Body {
    /// A GET.
    None,
    /// A POST.
    Bytes { kind: String, bytes: Vec<u8> },
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            body: Body::None,
        }
    }

    pub(super) fn json(path: impl Into<String>, value: &serde_json::Value) -> Self {
        Self {
            path: path.into(),
            body: Body::Bytes {
                kind: "application/json".to_owned(),
                bytes: value.to_string().into_bytes(),
            },
        }
    }

    /// `multipart/form-data` (RFC 7578) with one PNG file and text fields. `file_name` must be plain ASCII.
    pub(super) fn upload(
        path: impl Into<String>,
        file_name: &str,
        png: &[u8],
        fields: &[(&str, &str)],
    ) -> Self {
        // The digest cannot occur in the file that it is the digest of, short of a broken SHA-256.
        let boundary = format!("----{}", &crate::store::sha256(png)[..32]);
        let mut bytes = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"{file_name}\"\r\n\
             Content-Type: image/png\r\n\r\n"
        )
        .into_bytes();
        bytes.extend_from_slice(png);
        for (name, value) in fields {
            bytes.extend_from_slice(
                format!("\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}")
                    .as_bytes(),
            );
        }
        bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Self {
            path: path.into(),
            body: Body::Bytes {
                kind: format!("multipart/form-data; boundary={boundary}"),
                bytes,
            },
        }
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
