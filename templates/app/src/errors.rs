//! The error page.

use pixie_web::{Error, ErrorView, IntoResponse, Response, core::Media, template};

#[template("error.html")]
struct ErrorPage {
    code: u16,
    title: &'static str,
    detail: String,
}

/// Returns the page of every error for browsers. Programs get pixie's problem document. In development,
/// browsers get pixie's page: with the cause of a failure, and with the routes if no route has the path.
pub fn page(error: &Error, view: &ErrorView<'_>) -> Response {
    let code = error.status().as_u16();
    if view.media != Media::Html || (view.development && (code >= 500 || !view.nearby.is_empty())) {
        return error.render(view);
    }
    let title = match code {
        403 => "This is not allowed",
        404 => "This page does not exist",
        429 => "Too many attempts: try again later",
        400..500 => "This request does not fit",
        503 => "The server is too busy",
        504 => "This took too long",
        _ => "Something went wrong",
    };
    let detail = error.detail().unwrap_or_default().to_owned();
    let page = ErrorPage {
        code,
        title,
        detail,
    };
    (error.status(), page).into_response()
}
