//! `Error`: a request that failed, and `Rejection`: an argument that an extractor could not make from a request.
//!
//! What a client is told (status, title, detail) and what the operator is told (the chain of causes, the place in the code)
//! are kept apart here: the second reaches a page only in development.
use std::{borrow::Cow, fmt, panic::Location};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The result of a handler that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error type of body streams, as in the rest of the http ecosystem.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A failed request: a status for the client, and a cause for the log.
///
/// Any `std::error::Error` turns into one with `?` and is answered with 500; its text goes to the log and, in development
/// only, to the page.
pub struct Error(Box<Repr>);

struct Repr {
    status: StatusCode,
    detail: Option<Cow<'static, str>>,
    headers: HeaderMap,
    cause: Cause,
    place: Option<String>,
}

enum Cause {
    None,
    Source(BoxError),
    /// The texts of a chain of errors from another process.
    Told(Vec<String>),
}

/// Ends a request with this status: `return Err(abort(404))`. A number that is not from 400 to 599 becomes 500.
#[track_caller]
pub fn abort(code: u16) -> Error {
    match StatusCode::from_u16(code) {
        Ok(status) if (400..600).contains(&code) => Error::new(status),
        _ => Error::internal(format!("abort({code}): an error status is from 400 to 599")),
    }
}

impl Error {
    /// Returns an error that answers with this status and its usual text.
    #[track_caller]
    pub fn new(status: StatusCode) -> Error {
        let place = Some(Location::caller().to_string());
        Error(Box::new(Repr { status, detail: None, headers: HeaderMap::new(), cause: Cause::None, place }))
    }

    /// Returns a 500 whose message is for the log and for development only.
    #[track_caller]
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR).with_chain(vec![message.into()])
    }

    /// Replaces the status.
    pub fn with_status(mut self, status: StatusCode) -> Error {
        self.0.status = status;
        self
    }

    /// Sets the sentence that the client is told.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Error {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets a header of the answer, such as `Allow` or `Retry-After`.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Error {
        self.0.headers.insert(name, value);
        self
    }

    /// Sets the causes as texts, outermost first: for an error that was reported by another process.
    pub fn with_chain(mut self, chain: Vec<String>) -> Error {
        self.0.cause = Cause::Told(chain);
        self
    }

    /// Sets the place in the code where it happened, as `file:line:column`.
    pub fn with_place(mut self, place: Option<String>) -> Error {
        self.0.place = place;
        self
    }

    /// Returns the status that this error answers with.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the sentence that the client is told.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Returns the headers that the answer carries.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Returns the place in the code where it happened, as `file:line:column`.
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// Returns the texts of the causes, outermost first.
    pub fn chain(&self) -> Vec<String> {
        match &self.0.cause {
            Cause::None => Vec::new(),
            Cause::Told(chain) => chain.clone(),
            Cause::Source(source) => {
                let first: &dyn std::error::Error = source.as_ref();
                std::iter::successors(Some(first), |error| error.source()).map(ToString::to_string).collect()
            }
        }
    }

    /// Returns the cause as the error type that it was, if it is that.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        match &self.0.cause {
            Cause::Source(source) => source.downcast_ref(),
            _ => None,
        }
    }
}

/// Turns what is missing or failed into an [`Error`] with a status of your choice.
pub trait OrAbort<T> {
    /// Returns the value, or an error with this status.
    fn or_abort(self, code: u16) -> Result<T>;
}

impl<T> OrAbort<T> for Option<T> {
    #[track_caller]
    fn or_abort(self, code: u16) -> Result<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(abort(code)),
        }
    }
}

impl<T, E: Into<Error>> OrAbort<T> for Result<T, E> {
    #[track_caller]
    fn or_abort(self, code: u16) -> Result<T> {
        self.map_err(|error| {
            let error = error.into();
            let status = abort(code).status();
            error.with_status(status)
        })
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    #[track_caller]
    fn from(source: E) -> Error {
        let mut error = Error::new(StatusCode::INTERNAL_SERVER_ERROR);
        error.0.cause = Cause::Source(Box::new(source));
        error
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Error {
        let error = Error::new(rejection.status()).with_place(None);
        // What the app lacks is the operator's business; what the client sent wrong is the client's.
        match rejection.status().is_server_error() {
            true => error.with_chain(vec![rejection.detail().to_owned()]),
            false => error.with_detail(rejection.detail().to_owned()),
        }
    }
}

/// For the log: status, detail and all causes in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.chain();
        match self.detail() {
            Some(detail) => f.write_str(detail)?,
            None if chain.is_empty() => write!(f, "{}", self.status())?,
            None => {}
        }
        for (index, cause) in chain.iter().enumerate() {
            let separator = if index > 0 || self.detail().is_some() { ": " } else { "" };
            write!(f, "{separator}{cause}")?;
        }
        Ok(())
    }
}

/// The same as `Display`, so that `fn main() -> Result<()>` prints a sentence.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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
