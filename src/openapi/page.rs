//! The page that shows the document: HTML, style and script, which reads the JSON and sends requests.
//!
//! The files are answers to the path of the page with a query, so the page needs no other path. Invariant: the
//! page loads nothing from another host, and has no inline style or script, so that it works under a policy of
//! the app such as `default-src 'self'`.
use http::header;
use pixie_core::{Request, Response};

const PAGE: &str = include_str!("docs.html");
const STYLE: &str = include_str!("docs.css");
const SCRIPT: &str = include_str!("docs.js");
/// Allows the files of this page and requests to the app, and nothing else. `data:` is the empty icon.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns the page for the document at a path, or one of its files.
pub(super) fn answer(request: &Request, document: &str) -> Response {
    let (text, media) = match request.query() {
        Some("style.css") => (STYLE.to_owned(), "text/css; charset=utf-8"),
        Some("script.js") => (SCRIPT.to_owned(), "text/javascript; charset=utf-8"),
        _ => (PAGE.replace("DOCUMENT", &escaped(document)), "text/html; charset=utf-8"),
    };
    Response::new(text)
        .content_type(media)
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// Escapes a path for an attribute.
fn escaped(path: &str) -> String {
    path.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
