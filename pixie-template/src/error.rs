//! `Error`: a template that could not be rendered.
//!
//! Mistakes in a template are compile errors. At run time, only a filter or a `Display` implementation can
//! fail.

use std::{error, fmt};

/// A template could not be rendered; `source()` returns the cause.
#[derive(Debug)]
pub struct Error {
    template: &'static str,
    source: askama::Error,
}

impl Error {
    pub(crate) fn new(template: &'static str, source: askama::Error) -> Error {
        Error { template, source }
    }

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
