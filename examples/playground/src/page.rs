//! The page's files, compiled in.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::refusal::Refusal;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, media type, content.
const FILES: [(&str, &str, &str); 9] = [
    ("/", HTML, include_str!("../static/index.html")),
    ("/page.css", CSS, include_str!("../static/page.css")),
    ("/icon.svg", SVG, include_str!("../static/icon.svg")),
    ("/main.js", SCRIPT, include_str!("../static/main.js")),
    ("/server.js", SCRIPT, include_str!("../static/server.js")),
    ("/prompt.js", SCRIPT, include_str!("../static/prompt.js")),
    ("/viewer.js", SCRIPT, include_str!("../static/viewer.js")),
    ("/pairs.js", SCRIPT, include_str!("../static/pairs.js")),
    (
        "/trainings.js",
        SCRIPT,
        include_str!("../static/trainings.js"),
    ),
];

/// The file of the page at `path`, or 404.
pub(crate) fn file(path: &str) -> Response {
    let found = FILES.iter().find(|file| file.0 == path);
    match found {
        Some((_, media, content)) => {
            let headers = [(CONTENT_TYPE, *media), (CACHE_CONTROL, "no-cache")];
            (headers, *content).into_response()
        }
        None => Refusal::unknown("page").into_response(),
    }
}
