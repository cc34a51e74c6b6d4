//! The page that visitors see when something fails.

use pixie_web::{Error, ErrorView, IntoResponse, Media, Response, template};

/// The failures that get the page; the others keep pixie's own.
pub const CODES: [u16; 5] = [404, 500, 502, 503, 504];

#[template("error.html")]
struct ErrorPage {
    code: u16,
    title: &'static str,
}

/// Programs get a problem document and developers the cause; both are pixie's own.
pub fn page(error: &Error, view: &ErrorView<'_>) -> Response {
    let code = error.status().as_u16();
    if view.media != Media::Html || (view.development && code != 404) {
        return error.render(view);
    }
    let title = match code {
        404 => "There is nothing here",
        503 => "Too busy right now",
        504 => "That took too long",
        _ => "Something went wrong",
    };
    let page = ErrorPage { code, title };
    (error.status(), page).into_response()
}
