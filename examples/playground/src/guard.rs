//! What every request must show before it is looked at, and what every answer tells the browser.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::refusal::Refusal;

/// Who may use the server.
#[derive(Clone)]
pub struct Access {
    address: SocketAddr,
    token: Option<String>,
}

/// Without the token.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

const COOKIE_NAME: &str = "playground-token";

/// Characters of the shortest token.
const TOKEN_CHARS: usize = 16;

impl Access {
    /// Access to a server at `address`.
    ///
    /// # Errors
    /// Returns what to do if the address can be reached from other machines and there is no token, or the token is too
    /// short or has characters that a cookie cannot hold.
    pub fn new(address: SocketAddr, token: Option<String>) -> Result<Self, String> {
        match &token {
            None if !address.ip().is_loopback() => {
                return Err(format!(
                    "{address} can be reached from other machines; give a --token of {TOKEN_CHARS} or more letters and \
                     digits, which the page's users need, or listen on 127.0.0.1"
                ));
            }
            Some(token)
                if token.len() < TOKEN_CHARS
                    || !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
            {
                return Err(format!(
                    "the token must be {TOKEN_CHARS} or more letters and digits; `openssl rand -hex 16` makes one"
                ));
            }
            _ => {}
        }
        Ok(Self { address, token })
    }

    /// The same access at the address that the system chose, for port 0.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// The address to open in a browser.
    pub fn url(&self) -> String {
        match &self.token {
            Some(token) => format!("http://{}/?token={token}", self.address),
            None => format!("http://{}/", self.address),
        }
    }

    /// Whether the request was meant for this server: a page of another site that resolves its own name to the loopback
    /// address sends its own name. With a token, that page lacks the token.
    fn knows_host(&self, headers: &HeaderMap) -> bool {
        let Some(host) = text(headers, &HOST) else {
            return false;
        };
        if self.token.is_some() {
            return true;
        }
        let port = self.address.port();
        let names = ["localhost", "127.0.0.1", "[::1]"];
        let known = names.iter().any(|name| host == format!("{name}:{port}"));
        known || host == self.address.to_string()
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let bearer = text(headers, &AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let cookies = text(headers, &COOKIE).unwrap_or_default().split(';');
        let mut cookie = cookies.filter_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == COOKIE_NAME).then_some(value)
        });
        bearer.is_some_and(|given| equal(given, token)) || cookie.any(|given| equal(given, token))
    }

    /// `/?token=…`: keeps the token in a cookie and drops it from the address.
    fn exchange(&self, request: &Request) -> Option<Response> {
        let token = self.token.as_ref()?;
        let given = request.uri().query()?.strip_prefix("token=")?;
        if request.uri().path() != "/" || !equal(given, token) {
            return None;
        }
        let cookie = format!("{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Strict");
        let headers = [(SET_COOKIE, cookie), (LOCATION, "/".to_owned())];
        Some((StatusCode::SEE_OTHER, headers).into_response())
    }

    fn check(&self, request: &Request) -> Result<(), Refusal> {
        let refuse = |status, message: &str| Err(Refusal::new(status, message));
        let headers = request.headers();
        if !self.knows_host(headers) {
            return refuse(
                StatusCode::MISDIRECTED_REQUEST,
                "this server answers to its own address only; open the address that it printed",
            );
        }
        if !self.has_token(headers) {
            return refuse(
                StatusCode::UNAUTHORIZED,
                "open the address with the token that the server printed",
            );
        }
        if !is_own_page(request.method(), headers) {
            return refuse(
                StatusCode::FORBIDDEN,
                "requests of other sites' pages are refused",
            );
        }
        Ok(())
    }
}

/// Whether no other site's page sent the request. Programs that are not browsers send neither header.
fn is_own_page(method: &Method, headers: &HeaderMap) -> bool {
    let own = match (text(headers, &ORIGIN), text(headers, &HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            let rest = (origin.strip_prefix("http://")).or_else(|| origin.strip_prefix("https://"));
            rest == Some(host)
        }
        (Some(_), None) => false,
    };
    let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
    let navigates = text(headers, &HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
    let same_site = matches!(site, None | Some("same-origin" | "none"));
    // A link on another site may lead here.
    own && (same_site || (method == Method::GET && navigates))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Compares without telling by the time how much is right.
fn equal(a: &str, b: &str) -> bool {
    let differences = a.bytes().zip(b.bytes()).map(|(a, b)| a ^ b);
    a.len() == b.len() && differences.fold(0, |all, one| all | one) == 0
}

const HEADERS: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=()",
    ),
];

/// The middleware around all routes.
pub(crate) async fn guard(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match access.exchange(&request) {
        Some(response) => response,
        None => match access.check(&request) {
            Ok(()) => next.run(request).await,
            Err(refusal) => refusal.into_response(),
        },
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let cache = HeaderName::from_static("cache-control");
    headers
        .entry(cache)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_need_a_token() {
        let here: SocketAddr = "127.0.0.1:7080".parse().unwrap();
        let everywhere: SocketAddr = "0.0.0.0:7080".parse().unwrap();
        assert!(Access::new(here, None).is_ok());
        let error = Access::new(everywhere, None).unwrap_err();
        assert!(error.contains("--token") && error.contains("0.0.0.0:7080"));
        for token in ["short", "with spaces and more", "semicolon;semicolon;"] {
            assert!(Access::new(everywhere, Some(token.into())).is_err());
        }
        let access = Access::new(everywhere, Some("0123456789abcdef".into())).unwrap();
        assert!(access.url().ends_with("/?token=0123456789abcdef"));
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(equal("abc", "abc"));
        assert!(!equal("abc", "abd") && !equal("abc", "ab") && !equal("", "a"));
    }
}
