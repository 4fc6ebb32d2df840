//! Uploads, and text in addresses.

use model_server_client::Request;
use resumable_runs::sha256_hex;

/// A POST of `multipart/form-data` (RFC 7578) with one PNG file and text fields. `file_name` must be plain ASCII.
pub(crate) fn upload(path: &str, file_name: &str, png: &[u8], fields: &[(&str, &str)]) -> Request {
    // The digest cannot occur in the file that it is the digest of, short of a broken SHA-256.
    let boundary = format!("----{}", &sha256_hex(png)[..32]);
    let mut bytes = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"{file_name}\"\r\n\
         Content-Type: image/png\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(png);
    for (name, value) in fields {
        bytes.extend_from_slice(
            format!(
                "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}"
            )
            .as_bytes(),
        );
    }
    bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let content_type = format!("multipart/form-data; boundary={boundary}");
    Request::post(path, &content_type, bytes)
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(crate) fn percent_encode(text: &str) -> String {
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
