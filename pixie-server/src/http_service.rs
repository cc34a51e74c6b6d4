//! What a service must be so that it can be served: one name for a long list of bounds.
//!
//! Nobody implements it by hand; every tower service that fits has it.

use http::{Request, Response};
use tower_service::Service;

use crate::RequestBody;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A tower service from requests to responses that can be moved to another thread.
pub trait HttpService:
    Service<Request<RequestBody>, Response = Response<Self::Body>, Error: Into<BoxError>, Future: Send + 'static>
    + Send
    + 'static
{
    /// The body of its responses.
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
