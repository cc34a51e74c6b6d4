//! `Error`: a request that failed, also because an extractor could not make an argument from it.
//!
//! An error keeps two messages apart. The client gets the status, the title, the detail and the data. The log
//! gets the chain of causes and the place in the code; a page shows these only in development. Invariant: the
//! data are values that every process can read, so they survive the way from a worker to the main process.
pub(crate) mod data;
mod into_error;

use std::{
    any::type_name,
    borrow::Cow,
    fmt, io,
    panic::Location,
    sync::atomic::{AtomicBool, Ordering},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER};
use serde_json::{Map, Value};

pub use into_error::IntoError;

/// The result of a handler that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error type of body streams, as in the rest of the http ecosystem.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A failed request: a status for the client, and a cause for the log.
///
/// `?` turns any `std::error::Error` into an `Error` with the status 500, or 503 with `Retry-After` if the
/// cause is an `io::Error` about too many open files, or a store that did not answer. The text of the cause
/// goes to the log and, only in development, to the page.
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
///
/// An error type of yours becomes an `Error` with `impl From<YourError> for Error`, which chooses the status,
/// the detail and the data. Then a handler can return `Result<T, YourError>`. A type that implements
/// `std::error::Error` cannot have this `From` too, because it is a 500 already.
#[must_use = "an error has no effect until it is returned"]
pub struct Error(Box<Repr>);

struct Repr {
    status: StatusCode,
    detail: Option<Cow<'static, str>>,
    headers: HeaderMap,
    data: Map<String, Value>,
    cause: Cause,
    place: Option<String>,
    /// Whether the request lacks what an extractor reads, so that `Option<T>` is `None`.
    is_missing: bool,
    /// Whether `downcast_ref` was called for a type that the error had in a worker.
    is_type_missed: AtomicBool,
}

enum Cause {
    None,
    Source {
        source: BoxError,
        type_name: &'static str,
    },
    /// The texts of a chain of errors that another process reported, and the name of the type of the first.
    Told {
        chain: Vec<String>,
        type_name: Option<String>,
    },
}

/// Returns an error with this status: `return Err(abort(404))`. A number that is not from 400 to 599 becomes
/// 500.
#[doc(alias("HTTPException", "not found"))]
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
        Error::placeless(status).with_place(Some(Location::caller().to_string()))
    }

    /// Returns an error without a place in the code, for a mistake of the client.
    fn placeless(status: StatusCode) -> Error {
        Error(Box::new(Repr {
            status,
            detail: None,
            headers: HeaderMap::new(),
            data: Map::new(),
            cause: Cause::None,
            place: None,
            is_missing: false,
            is_type_missed: AtomicBool::new(false),
        }))
    }

    /// Returns the error of an extractor: the request does not have what the extractor reads. The status is
    /// 400. An argument of the type `Option<T>` becomes `None`.
    ///
    /// ```
    /// use pixie_core::{Error, HeaderValue, Request, Result, StatusCode, header};
    /// fn token(request: &Request) -> Result<&str> {
    ///     request.header(header::AUTHORIZATION).ok_or_else(|| {
    ///         Error::missing("send the header `Authorization`")
    ///             .with_status(StatusCode::UNAUTHORIZED)
    ///             .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    ///     })
    /// }
    /// # let request = Request::new(http::Method::GET, http::Uri::from_static("/"));
    /// # assert!(token(&request).unwrap_err().is_missing());
    /// ```
    pub fn missing(detail: impl Into<Cow<'static, str>>) -> Error {
        let mut error = refused(StatusCode::BAD_REQUEST, detail);
        error.0.is_missing = true;
        error
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
        self.0.cause = Cause::Told { chain, type_name: None };
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
            Cause::Told { chain, .. } => chain.clone(),
            Cause::Source { source, .. } => {
                let first: &dyn std::error::Error = source.as_ref();
                std::iter::successors(Some(first), |error| error.source()).map(ToString::to_string).collect()
            }
        }
    }

    /// Returns whether the request lacks what an extractor reads: see [`Error::missing`].
    pub fn is_missing(&self) -> bool {
        self.0.is_missing
    }

    /// Returns the cause if it has the type `E`.
    ///
    /// A value of your type exists only in the process in which the handler ran. So an error page and the
    /// code that calls the app find the cause of a sync, thread or async route, and not that of a pool or
    /// stream route, which is there as text only. In development, a warning says so. To read the same in
    /// error pages of all routes, attach it with [`Error::with_data`].
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        match &self.0.cause {
            Cause::Source { source, .. } => source.downcast_ref(),
            Cause::Told { type_name: Some(known), .. } if known == type_name::<E>() => {
                self.0.is_type_missed.store(true, Ordering::Relaxed);
                None
            }
            Cause::Told { .. } | Cause::None => None,
        }
    }
}

/// What a server needs to pass an error on from a worker.
#[doc(hidden)]
impl Error {
    /// Returns the name of the type of the cause, if it has one.
    pub fn cause_type(&self) -> Option<&str> {
        match &self.0.cause {
            Cause::Source { type_name, .. } => Some(type_name),
            Cause::Told { type_name, .. } => type_name.as_deref(),
            Cause::None => None,
        }
    }

    /// Sets the name of the type that the cause had in another process.
    pub fn with_cause_type(mut self, name: String) -> Error {
        if let Cause::Told { type_name, .. } = &mut self.0.cause {
            *type_name = Some(name);
        }
        self
    }

    /// Returns the type of the cause if `downcast_ref` was called for it and did not find it, because it
    /// stayed in another process.
    pub fn missed_type(&self) -> Option<&str> {
        self.0.is_type_missed.load(Ordering::Relaxed).then(|| self.cause_type()).flatten()
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

impl<T, E: IntoError> OrAbort<T> for Result<T, E> {
    #[track_caller]
    fn or_abort(self, code: u16) -> Result<T> {
        self.map_err(|error| {
            let error = error.into_error();
            let status = abort(code).status();
            error.with_status(status)
        })
    }
}

// Without this hint the compiler asks for `std::error::Error`, and a `From` is the better way for own types.
#[diagnostic::do_not_recommend]
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    #[track_caller]
    fn from(source: E) -> Error {
        let mut error = Error::new(StatusCode::INTERNAL_SERVER_ERROR);
        if has_too_many_files(&source) || is_unavailable(&source) {
            // The requests that end now release files, and a store reconnects by itself.
            error.0.status = StatusCode::SERVICE_UNAVAILABLE;
            error.0.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        error.0.cause = Cause::Source { source: Box::new(source), type_name: type_name::<E>() };
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

/// Returns the error of an extractor: the request has this mistake. The detail is for the client.
pub(crate) fn refused(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Error {
    Error::placeless(status).with_detail(detail)
}

/// Returns the error of an extractor: the app does not provide what the extractor reads. The message is for
/// the log.
pub(crate) fn unprovided(message: impl Into<String>) -> Error {
    Error::internal(message).with_place(None)
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

impl Error {
    /// Marks the error as one of [`Error::missing`].
    pub(crate) fn of_something_missing(mut self) -> Error {
        self.0.is_missing = true;
        self
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
