//! `Rejection`: why an extractor could not make its value from a request.
//!
//! A rejection is the client's fault and says so in words a client may see. A handler that wants to decide itself takes
//! `Result<T, Rejection>`; otherwise it becomes an [`Error`](crate::Error) with the status below.
use std::fmt;

use http::StatusCode;

/// What kind of mismatch an extractor found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// What the extractor reads is not in the request at all; `Option<T>` turns this into `None`. Answers 400.
    Missing,
    /// It is there but cannot be read as the type asked for. Answers 400 (syntax) or 422 (form and JSON contents).
    Invalid,
    /// The body has another media type than the extractor reads. Answers 415.
    MediaType,
    /// The body, or a field of it, is longer than the route allows. Answers 413.
    TooLarge,
    /// A wildcard's text does not fit its type. Answers 404: there is no such page.
    Param,
    /// The app does not provide what the extractor asks for. Answers 500, and the client is not told more.
    Unavailable,
}

/// The reason why an extractor refused a request.
#[derive(Debug)]
pub struct Rejection {
    kind: RejectionKind,
    status: StatusCode,
    detail: String,
    field: Option<String>,
}

impl Rejection {
    /// Makes a rejection with the usual status of its kind and a message for the client.
    pub fn new(kind: RejectionKind, detail: impl Into<String>) -> Rejection {
        let status = match kind {
            RejectionKind::Missing | RejectionKind::Invalid => StatusCode::BAD_REQUEST,
            RejectionKind::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            RejectionKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RejectionKind::Param => StatusCode::NOT_FOUND,
            RejectionKind::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Rejection { kind, status, detail: detail.into(), field: None }
    }

    /// Replaces the status that this rejection answers with.
    pub fn with_status(mut self, status: StatusCode) -> Rejection {
        self.status = status;
        self
    }

    /// Names the field of a form or a query string that was refused.
    pub fn with_field(mut self, field: impl Into<String>) -> Rejection {
        self.field = Some(field.into());
        self
    }

    /// Returns what kind of mismatch this is.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// Returns the status that this rejection answers with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the field of a form or a query string that was refused, where it is one.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Returns the message for the client.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Returns a client's name for something as a message can show it: short, on one line, without control characters.
pub(crate) fn shown(name: &str) -> String {
    name[..name.floor_char_boundary(64)].escape_debug().to_string()
}
