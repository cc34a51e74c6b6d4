//! The page that shows the document: HTML, style and script, which reads the JSON and sends requests.
use http::header;
use pixie_core::{Request, Response};

use crate::table::page_files::PageFiles;

const PAGE: &str = include_str!("docs.html");
const FILES: PageFiles = PageFiles { style: include_str!("docs.css"), script: include_str!("docs.js") };

/// Returns the page for the document at a path, or one of its files.
pub(super) fn answer(request: &Request, document: &str) -> Response {
    let page = || PageFiles::page(PAGE.replace("DOCUMENT", &escaped(document)));
    FILES.asked(request).unwrap_or_else(page).header(header::CACHE_CONTROL, "no-cache")
}

/// Escapes a path for an attribute.
fn escaped(path: &str) -> String {
    path.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
