//! `Error`: a request that failed, and `Rejection`: an argument that an extractor could not make from a
//! request.
//!
//! An error keeps two messages apart. The client gets the status, the title and the detail. The log gets the
//! chain of causes and the place in the code; a page shows these only in development. A rejection is the
//! client's mistake, and its message is written for the client.
use std::{borrow::Cow, fmt, io, panic::Location};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER};

/// The result of a handler that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error type of body streams, as in the rest of the http ecosystem.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A failed request: a status for the client, and a cause for the log.
///
/// `?` turns any `std::error::Error` into an `Error` with the status 500, or 503 with `Retry-After` if the
/// cause is an `io::Error` about too many open files, or a store that did not answer. The text of the cause goes to the log and, only in
/// development, to the page.
///
/// ```
/// use pixie_core::{OrAbort, Result, abort};
/// fn price(text: &str) -> Result<u32> {
///     let price: u32 = text.parse().or_abort(422)?;
///     if price == 0 {
///         return Err(abort(404).with_detail("this is not for sale"));
///     }
///     Ok(price)
/// }
/// assert_eq!(price("7")?, 7);
/// assert_eq!(price("seven").unwrap_err().status().as_u16(), 422);
/// assert_eq!(price("0").unwrap_err().detail(), Some("this is not for sale"));
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[must_use = "an error has no effect until it is returned"]
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
    /// The texts of a chain of errors that another process reported.
    Told(Vec<String>),
}

/// Returns an error with this status: `return Err(abort(404))`. A number that is not from 400 to 599 becomes
/// 500.
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

    /// Returns a 500. Its message goes to the log and, in development, to the page.
    #[track_caller]
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR).with_chain(vec![message.into()])
    }

    /// Replaces the status.
    pub fn with_status(mut self, status: StatusCode) -> Error {
        self.0.status = status;
        self
    }

    /// Sets the sentence that the client gets.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Error {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets a header of the response, such as `Allow` or `Retry-After`.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Error {
        self.0.headers.insert(name, value);
        self
    }

    /// Sets the causes as texts, outermost first, for an error that another process reported.
    pub fn with_chain(mut self, chain: Vec<String>) -> Error {
        self.0.cause = Cause::Told(chain);
        self
    }

    /// Sets the place in the code where the error happened, as `file:line:column`.
    pub fn with_place(mut self, place: Option<String>) -> Error {
        self.0.place = place;
        self
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the sentence that the client gets.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Returns the headers of the response.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Returns the place in the code where the error happened, as `file:line:column`.
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

    /// Returns the cause if it has the type `E`.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        match &self.0.cause {
            Cause::Source(source) => source.downcast_ref(),
            _ => None,
        }
    }
}

/// Turns `None` or an error into an [`Error`] with a status of your choice.
///
/// ```
/// use pixie_core::OrAbort;
/// let error = None::<u8>.or_abort(404).unwrap_err();
/// assert_eq!(error.status().as_u16(), 404);
/// ```
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
        if has_too_many_files(&source) || is_unavailable(&source) {
            // The requests that end now release files, and a store reconnects by itself.
            error.0.status = StatusCode::SERVICE_UNAVAILABLE;
            error.0.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        error.0.cause = Cause::Source(Box::new(source));
        error
    }
}

/// Returns whether an error or one of its causes is `EMFILE` or `ENFILE`: too many open files in the process
/// or in the system.
fn has_too_many_files(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_it = |error: &io::Error| cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24));
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.downcast_ref().is_some_and(is_it))
}

/// Returns whether an error says that the store did not answer.
fn is_unavailable(error: &(dyn std::error::Error + 'static)) -> bool {
    #[cfg(feature = "store")]
    return matches!(error.downcast_ref(), Some(pixie_store::Error::Unavailable { .. }));
    #[cfg(not(feature = "store"))]
    {
        let _ = error;
        false
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Error {
        let error = Error::new(rejection.status()).with_place(None);
        let add =
            |error: Error, (name, value): &(HeaderName, HeaderValue)| error.with_header(name.clone(), value.clone());
        let error = rejection.headers.iter().fold(error, add);
        // If the app lacks something, the message is for the log. If the client sent something wrong, it is
        // for the client.
        match rejection.status().is_server_error() {
            true => error.with_chain(vec![rejection.detail().to_owned()]),
            false => error.with_detail(rejection.detail().to_owned()),
        }
    }
}

/// Writes one line for the log: the detail or the status, and all causes.
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

/// Writes the same as `Display`, so that `fn main() -> Result<()>` prints a sentence.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an extractor could not make its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The request does not contain what the extractor reads. `Option<T>` turns this into `None`. Status 400.
    Missing,
    /// The value does not fit the type. Status 400 for wrong syntax, 422 for the contents of forms and JSON.
    Invalid,
    /// The body has a media type that the extractor does not read. Status 415.
    MediaType,
    /// The body, or one of its fields, is longer than the limit. Status 413.
    TooLarge,
    /// The text of a wildcard does not fit its type, so there is no page at this address. Status 404.
    Param,
    /// The app does not provide what the extractor reads. Status 500; the client does not get the message.
    Unavailable,
}

/// The reason why an extractor rejected a request.
///
/// A handler that takes `Result<T, Rejection>` decides itself. Otherwise the rejection becomes an [`Error`].
///
/// ```
/// use pixie_core::{Query, Rejection};
/// fn search(query: Result<Query<Vec<(String, String)>>, Rejection>) -> String {
///     match query {
///         Ok(Query(pairs)) => format!("{} filters", pairs.len()),
///         Err(rejection) => rejection.detail().to_owned(),
///     }
/// }
/// # let _ = search(Ok(Query(Vec::new())));
/// ```
#[derive(Debug)]
pub struct Rejection {
    kind: RejectionKind,
    status: StatusCode,
    detail: String,
    field: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Rejection {
    /// Returns a rejection with the usual status of its kind and a message for the client.
    pub fn new(kind: RejectionKind, detail: impl Into<String>) -> Rejection {
        let status = match kind {
            RejectionKind::Missing | RejectionKind::Invalid => StatusCode::BAD_REQUEST,
            RejectionKind::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            RejectionKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RejectionKind::Param => StatusCode::NOT_FOUND,
            RejectionKind::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Rejection { kind, status, detail: detail.into(), field: None, headers: Vec::new() }
    }

    /// Replaces the status.
    pub fn with_status(mut self, status: StatusCode) -> Rejection {
        self.status = status;
        self
    }

    /// Names the rejected field of a form or a query string.
    pub fn with_field(mut self, field: impl Into<String>) -> Rejection {
        self.field = Some(field.into());
        self
    }

    /// Adds a header that the response must have.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Rejection {
        self.headers.push((name, value));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the rejected field of a form or a query string, if it is one.
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

/// Returns a name that a client sent, fit for a message: at most 64 bytes, on one line, without control
/// characters.
pub(crate) fn shown(name: &str) -> String {
    name[..name.floor_char_boundary(64)].escape_debug().to_string()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn too_many_open_files_are_answered_with_503_and_retry_after() {
        for (number, status) in [(24, 503), (23, 503), (2, 500), (28, 500)] {
            let error = Error::from(io::Error::from_raw_os_error(number));
            assert_eq!((error.status().as_u16(), error.headers().contains_key(RETRY_AFTER)), (status, status == 503));
        }
    }
}
