//! The status as a page for browsers: HTML, style and script, which asks for the JSON each second.
//!
//! The files are answers to the path of the status, so the guard of the status applies to them.
use http::header;
use pixie_core::{Media, Request, Response};

use crate::table::page_files::PageFiles;

const PAGE: &str = include_str!("status.html");
const FILES: PageFiles = PageFiles { style: include_str!("status.css"), script: include_str!("status.js") };

/// Returns the page or one of its files, or `None` if the client wants JSON.
pub(super) fn answer(request: &Request) -> Option<Response> {
    let wants_page = || Media::preferred(request.headers().get_all(header::ACCEPT)) == Media::Html;
    let answer = FILES.asked(request).or_else(|| wants_page().then(|| PageFiles::page(PAGE)))?;
    Some(answer.header(header::REFERRER_POLICY, "no-referrer"))
}
