//! The error page.

use pixie_web::{Error, ErrorView, IntoResponse, Response, core::Media, template};

/// The status codes with this page; the others have pixie's own page.
pub const CODES: [u16; 6] = [404, 429, 500, 502, 503, 504];

#[template("error.html")]
struct ErrorPage {
    code: u16,
    title: &'static str,
}

/// Returns the error page for browsers. Programs get pixie's problem document. In development, browsers get
/// pixie's page with the cause.
pub fn page(error: &Error, view: &ErrorView<'_>) -> Response {
    let code = error.status().as_u16();
    if view.media != Media::Html || (view.development && code >= 500) {
        return error.render(view);
    }
    let title = match code {
        404 => "This page does not exist",
        429 => "Too many attempts: try again later",
        503 => "The server is too busy",
        504 => "This took too long",
        _ => "Something went wrong",
    };
    let page = ErrorPage { code, title };
    (error.status(), page).into_response()
}
