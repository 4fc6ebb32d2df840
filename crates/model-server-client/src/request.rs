/// One request to a server.
#[derive(Debug, Clone)]
pub struct Request {
    /// Path and query below the server's address, with the leading slash.
    pub(crate) path: String,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A GET.
    None,
    /// A POST.
    Bytes { kind: String, bytes: Vec<u8> },
}

impl Request {
    /// A GET of `path` (with the leading slash, and a query if there is one).
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            body: Body::None,
        }
    }

    /// A POST of `bytes` with this `Content-Type`.
    pub fn post(path: impl Into<String>, content_type: &str, bytes: Vec<u8>) -> Self {
        Self {
            path: path.into(),
            body: Body::Bytes {
                kind: content_type.to_owned(),
                bytes,
            },
        }
    }

    /// A POST of a JSON value.
    pub fn json(path: impl Into<String>, value: &serde_json::Value) -> Self {
        Self::post(path, "application/json", value.to_string().into_bytes())
    }
}
