//! The files of a page of pixie itself: HTML, a style and a script.
//!
//! Style and script are answers to the path of the page with a query, so the page needs no other path. Invariant:
//! the page loads nothing from another host, and has no inline style or script, so that it works under a policy of
//! the app such as `default-src 'self'`.
use http::header;
use pixie_core::{Body, Request, Response};

/// Allows the files of the page and requests to the app, and nothing else. `data:` is the empty icon.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the HTML of a page loads.
pub(crate) struct PageFiles {
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
}

impl PageFiles {
    /// Returns the file that the query of a request names, or `None` if it names no file.
    pub(crate) fn asked(&self, request: &Request) -> Option<Response> {
        match request.query()? {
            "style.css" => Some(response(self.style, "text/css; charset=utf-8")),
            "script.js" => Some(response(self.script, "text/javascript; charset=utf-8")),
            _ => None,
        }
    }

    /// Returns the page itself.
    pub(crate) fn page(html: impl Into<Body>) -> Response {
        response(html, "text/html; charset=utf-8")
    }
}

fn response(text: impl Into<Body>, media: &'static str) -> Response {
    let response = Response::new(text).content_type(media).header(header::CONTENT_SECURITY_POLICY, POLICY);
    response.header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}
