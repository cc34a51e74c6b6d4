//! `View`: a value that renders to text of a known content type.
//!
//! The attribute `#[template]` implements it; askama compiles the template. A view is rendered into memory
//! first, so that a client never gets a part of a page whose template fails.

use std::{error, fmt};

use askama::Template;
#[cfg(feature = "core")]
use pixie_core::{HeaderValue, Response, header::CONTENT_TYPE};

/// A template with its values; `#[template]` implements this for a struct or enum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a template",
    note = "put `#[template(\"file.html\")]` above it; the file is in `templates/` next to `Cargo.toml`"
)]
pub trait View: Template {
    /// The template's path below `templates/`, or the type's name if the template is inline.
    const NAME: &'static str;
    /// The content type, chosen by the template's file extension.
    const CONTENT_TYPE: &'static str;
}

/// Renders a view to text.
///
/// # Errors
///
/// Fails if a filter or a `Display` implementation in the template fails.
pub fn render<V: View>(view: &V) -> Result<String, Error> {
    view.render().map_err(|source| Error { template: V::NAME, source })
}

/// Renders a view into a response with the view's content type; a view that fails to render becomes a 500.
///
/// The `IntoResponse` that `#[template]` implements calls this function.
#[cfg(feature = "core")]
pub fn respond<V: View>(view: &V) -> Response {
    match render(view) {
        Ok(text) => {
            let mut response = Response::new(text);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(V::CONTENT_TYPE));
            response
        }
        Err(error) => pixie_core::Error::from(error).into(),
    }
}

/// A template could not be rendered, because a filter or a `Display` implementation failed. `source()`
/// returns the cause.
#[derive(Debug)]
pub struct Error {
    template: &'static str,
    source: askama::Error,
}

impl Error {
    /// Returns the template's path below `templates/`, or the type's name if the template is inline.
    pub fn template(&self) -> &'static str {
        self.template
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot render template `{}`", self.template)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}
