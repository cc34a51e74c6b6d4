//! `HttpService`: a short name for the bounds of a service that this crate can serve.
//!
//! Every tower service that meets the bounds implements the trait.

use http::{Request, Response};
use tower_service::Service;

use crate::RequestBody;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A tower service that takes HTTP requests, returns HTTP responses and can move to another thread.
pub trait HttpService:
    Service<Request<RequestBody>, Response = Response<Self::Body>, Error: Into<BoxError>, Future: Send + 'static>
    + Send
    + 'static
{
    /// The body of the service's responses.
    type Body: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> HttpService for S
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}
