//! The status as a page for browsers: HTML, style and script, which asks for the JSON each second.
//!
//! The files are answers to the path of the status with a query, so the page needs no other path, and the
//! guard of the status applies to them. Invariant: the page loads nothing from another host, and has no
//! inline style or script, so that it works under a policy of the app such as `default-src 'self'`.
use http::header;
use pixie_core::{Media, Request, Response};

const PAGE: &str = include_str!("status.html");
const STYLE: &str = include_str!("status.css");
const SCRIPT: &str = include_str!("status.js");
/// Allows the files of this page and its requests, and nothing else. `data:` is the empty icon.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns the page or one of its files, or `None` if the client wants JSON.
pub(super) fn answer(request: &Request) -> Option<Response> {
    let (text, media) = match request.query() {
        Some("style.css") => (STYLE, "text/css; charset=utf-8"),
        Some("script.js") => (SCRIPT, "text/javascript; charset=utf-8"),
        _ if Media::preferred(request.headers().get_all(header::ACCEPT)) == Media::Html => {
            (PAGE, "text/html; charset=utf-8")
        }
        _ => return None,
    };
    let answer = Response::new(text).content_type(media).header(header::CONTENT_SECURITY_POLICY, POLICY);
    Some(answer.header(header::X_CONTENT_TYPE_OPTIONS, "nosniff").header(header::REFERRER_POLICY, "no-referrer"))
}
