//! `View`: a value that renders to text of a known content type.
//!
//! The attribute `#[template]` implements it; the template itself is askama's part. Rendering writes into memory, so a template
//! that fails half-way sends nothing.

use askama::Template;

use crate::Error;

/// A template with its values: what `#[template]` makes of a struct or enum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no template",
    note = "put `#[template(\"file.html\")]` above it; the file stands in `templates/` next to `Cargo.toml`"
)]
pub trait View: Template {
    /// The template's path below `templates/`, or the type's name if the template is inline.
    const NAME: &'static str;
    /// The content type that the template's file extension stands for.
    const CONTENT_TYPE: &'static str;
}

/// Renders a view.
pub fn render<V: View>(view: &V) -> Result<String, Error> {
    view.render().map_err(|source| Error::new(V::NAME, source))
}
