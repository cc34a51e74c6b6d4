//! The failures that the framework itself answers with: statuses, texts for clients, and headers.
//!
//! They name no place in the code, because it would be a line of this crate; what a handler has caused names
//! its route.
use std::{borrow::Cow, fmt, io, time::Duration};

use http::{HeaderValue, StatusCode, header};
use pixie_core::{BoxError, Error, Place};
use pixie_server::BodyError;

/// Returns the failure of a request that is refused with this status.
pub(crate) fn refuse(status: StatusCode) -> Error {
    Error::new(status).with_place(None)
}

/// As [`refuse`], with the sentence that the client gets.
pub(crate) fn refuse_with(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Error {
    refuse(status).with_detail(detail)
}

/// The body is longer than its route accepts.
pub(crate) fn too_large(bytes_max: usize) -> Error {
    let detail = format!("the body is longer than the {bytes_max} bytes that are accepted here");
    refuse_with(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// The body broke off: 408 if it came too slowly, otherwise 400.
pub(crate) fn unreadable(error: BoxError) -> Error {
    let refused = match error.downcast_ref() {
        Some(BodyError::Timeout) => refuse_with(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"),
        _ => refuse_with(StatusCode::BAD_REQUEST, "the body could not be read").with_chain(vec![error.to_string()]),
    };
    refused.with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// The response did not come before the deadline.
pub(crate) fn too_slow(deadline: Duration) -> Error {
    refuse(StatusCode::GATEWAY_TIMEOUT).with_chain(vec![format!("the handler missed its deadline of {deadline:?}")])
}

/// Names the route whose handler has caused this failure.
pub(crate) fn at(place: Place, error: Error) -> Error {
    error.with_place(Some(format!("{}:{}:1", place.file, place.line)))
}

/// The request came while the app stops.
pub(crate) fn stopping() -> Error {
    refuse_with(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down")
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// Too many requests wait; the client may try again after this time, in whole seconds.
pub(crate) fn overloaded(detail: &'static str, retry_after: Duration) -> Error {
    let seconds = retry_after.as_secs().max(1);
    refuse_with(StatusCode::SERVICE_UNAVAILABLE, detail).with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// The refusal of a request whose body failed while a pool read it, in the form in which it passes the pool.
#[derive(Debug)]
struct FailedBody(Error);

impl fmt::Display for FailedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for FailedBody {}

/// Wraps the refusal of a request for its way through a pool.
pub(crate) fn into_io(refusal: Error) -> io::Error {
    io::Error::other(FailedBody(refusal))
}

/// Returns the refusal of a request whose body failed in a pool.
pub(crate) fn from_io(error: io::Error) -> Error {
    match error.downcast() {
        Ok(FailedBody(refusal)) => refusal,
        // The deadline of the job ended while it waited for the client.
        Err(error) if error.kind() == io::ErrorKind::TimedOut => unreadable(BodyError::Timeout.into()),
        Err(error) => unreadable(error.into()),
    }
}
