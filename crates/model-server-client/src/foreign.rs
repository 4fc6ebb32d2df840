//! Answers that are nothing an API of a model server promises: pages, streams, nothing at all.

use serde_json::Value;

use crate::ServerError;
use crate::reply::{MESSAGE, bad_reply, shorten, unusable};

/// The number of bytes in which an HTML page's title is looked for.
const HEAD: usize = 16 << 10;

/// What is wrong with an answer that is neither the JSON nor the file that was expected, if it is of a known kind: an empty
/// answer, an HTML page, a stream of events or of JSON lines.
pub fn foreign(bytes: &[u8]) -> Option<ServerError> {
    let bytes = without_bom(bytes);
    if bytes.trim_ascii().is_empty() {
        return Some(bad_reply("the answer is empty"));
    }
    if let Some(title) = page_title(bytes) {
        return Some(bad_reply(format!(
            "the answer is a web page ({title:?}); is this the address of the API, and does it want credentials?"
        )));
    }
    is_stream(bytes).then(|| {
        unusable(
            "it is a stream of events, which was not asked for; switch streaming off at the server or the proxy in front \
             of it",
        )
    })
}

/// `bytes` without UTF-8's byte order mark, which some servers put before JSON.
pub(crate) fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// The title of an HTML or XML page, or the beginning of its text; `None` for anything else.
pub(crate) fn page_title(bytes: &[u8]) -> Option<String> {
    let start = bytes.trim_ascii_start();
    if !start.starts_with(b"<") {
        return None;
    }
    let text = String::from_utf8_lossy(&start[..start.len().min(HEAD)]);
    let lower = text.to_ascii_lowercase();
    let between = |open: &str, close: &str| {
        let from = lower.find(open)? + open.len();
        let to = from + lower[from..].find(close)?;
        Some(text[from..to].trim()).filter(|title| !title.is_empty())
    };
    let title = between("<title>", "</title>").or_else(|| between("<h1>", "</h1>"));
    Some(match title {
        Some(title) => shorten(title),
        None => shorten(&without_tags(&text)),
    })
}

/// The text between the tags, with single spaces.
fn without_tags(text: &str) -> String {
    let pieces = text.split('<').map(|piece| match piece.split_once('>') {
        Some((_, text)) => text,
        None => piece,
    });
    let words: Vec<&str> = pieces
        .flat_map(str::split_whitespace)
        .take(MESSAGE)
        .collect();
    words.join(" ")
}

/// Server-sent events, or several JSON objects one after another.
fn is_stream(bytes: &[u8]) -> bool {
    // Comments (`: keep-alive`) may come first.
    let mut fields = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(b":") && !line.trim_ascii().is_empty());
    let first = fields.next().unwrap_or_default();
    if first.starts_with(b"data:") || first.starts_with(b"event:") {
        return true;
    }
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let mut object = || matches!(values.next(), Some(Ok(Value::Object(_))));
    object() && object()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_streams_and_nothing_are_named() {
        let message = |body: &str| foreign(body.as_bytes()).map(|error| error.to_string());
        for (body, word) in [
            ("", "empty"),
            (" \r\n", "empty"),
            ("\u{feff}", "empty"),
            (
                "<!DOCTYPE html><html><head><title>Sign in</title></head>",
                "\"Sign in\"",
            ),
            (
                "\n<html><body><h1>502 Bad Gateway</h1>nginx",
                "\"502 Bad Gateway\"",
            ),
            (
                "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
                "\"AccessDenied\"",
            ),
            ("data: {\"choices\": []}\n\ndata: [DONE]\n", "stream"),
            ("event: message\ndata: {}\n", "stream"),
            (": keep-alive\n\ndata: {}\n", "stream"),
            ("{\"response\": \"a\"}\n{\"response\": \"b\"}\n", "stream"),
        ] {
            let found = message(body).unwrap_or_default();
            assert!(found.contains(word), "{body}: {found}");
        }
        for other in [
            "hello",
            "{\"a\": 1}",
            "{\"a\": 1} x",
            "[1]\n[2]",
            "\u{89}PNG",
        ] {
            assert_eq!(message(other), None, "{other}");
        }
    }
}
