//! The error page.

use pixie_web::{Error, ErrorView, IntoResponse, Response, core::Media, template};

#[template("error.html")]
struct ErrorPage {
    code: u16,
    title: &'static str,
    detail: String,
}

/// Returns the error page for browsers. Programs get pixie's problem document. In development, browsers get
/// pixie's page: with the cause of a 500, and with the routes if no route has the path.
pub fn page(error: &Error, view: &ErrorView<'_>) -> Response {
    let code = error.status().as_u16();
    if view.media != Media::Html || (view.development && (code == 500 || !view.nearby.is_empty())) {
        return error.render(view);
    }
    let page = ErrorPage {
        code,
        title: match code {
            400 | 422 => "This file cannot be examined",
            403 => "This is not allowed",
            404 => "This page does not exist",
            413 => "This file is too large",
            502 => "The file needs more than a worker may use",
            503 => "The server is too busy",
            504 => "This took too long",
            _ => "Something went wrong",
        },
        detail: match code {
            413 => "A file may have 20 MB.".to_owned(),
            502 => {
                "The worker process that examined it has ended. Other visitors are not affected."
                    .to_owned()
            }
            _ => error.detail().unwrap_or_default().to_owned(),
        },
    };
    (error.status(), page).into_response()
}
