//! Connects one tower service with one hyper connection: takes a request and returns the response.
//!
//! Converts hyper's types to ours, refuses a request without a valid `Host`, calls `poll_ready` before `call`
//! as tower requires, and decides when a response has `Connection: close`. Costs two relaxed stores, one
//! reference count and the check of `Host` for each request, and does not allocate.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, HOST},
};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    RequestBody, ResponseBody,
    watch::{BodyPhase, Phase, Stage, Watch},
};

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

/// One connection's service, as hyper calls it.
pub(crate) struct Exchange<S> {
    /// Shared with a request only while that request waits for the service to become ready, so the lock is
    /// free.
    service: Arc<Mutex<S>>,
    watch: Arc<Watch>,
}

impl<S> Exchange<S> {
    pub(crate) fn new(service: S, watch: Arc<Watch>) -> Exchange<S> {
        Exchange { service: Arc::new(Mutex::new(service)), watch }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Exchange<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, S::Future, B>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.watch.enter(Phase::Handling);
        let request = request.map(|incoming| RequestBody::new(incoming, &self.watch));
        let watch = Some(self.watch.clone());
        if !names_its_host(&request) {
            return ResponseFuture { step: Step::Done { result: Some(Ok(None)) }, watch };
        }
        // Nearly every service is always ready. If not, the future polls the service again with a real waker.
        let mut service = lock(&self.service);
        let step = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Step::Running { future: service.call(request) },
            Poll::Ready(Err(error)) => Step::Done { result: Some(Err(error.into())) },
            Poll::Pending => Step::Waiting { service: self.service.clone(), request: Some(request) },
        };
        ResponseFuture { step, watch }
    }
}

pin_project! {
    /// Returns the response to one request.
    pub(crate) struct ResponseFuture<S, F, B> {
        #[pin]
        step: Step<S, F, B>,
        watch: Option<Arc<Watch>>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, F, B> {
        Waiting { service: Arc<Mutex<S>>, request: Option<Request<RequestBody>> },
        Running { #[pin] future: F },
        // `Ok(None)` for a request that is refused.
        Done { result: Option<Result<Option<Response<B>>, BoxError>> },
    }
}

impl<S, B> Future for ResponseFuture<S, S::Future, B>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.step.as_mut().project() {
                StepProjection::Waiting { service, request } => {
                    let mut service = lock(service);
                    ready!(service.poll_ready(cx)).map_err(Into::into)?;
                    let request = request.take().expect("a future is not polled after its end");
                    Step::Running { future: service.call(request) }
                }
                StepProjection::Running { future } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    if this.watch.as_ref().is_some_and(|watch| watch.body() == BodyPhase::Ended) {
                        return Poll::Ready(Ok(seal(Some(response), this.watch)));
                    }
                    // The service did not read the whole body. hyper notices this when it polls for reading:
                    // it drains the body or gives the connection up. Let hyper do that first, so that it then
                    // writes the right `Connection` header.
                    cx.waker().wake_by_ref();
                    this.step.set(Step::Done { result: Some(Ok(Some(response))) });
                    return Poll::Pending;
                }
                StepProjection::Done { result } => {
                    let result = result.take().expect("a future is not polled after its end");
                    return Poll::Ready(result.map(|response| seal(response, this.watch)));
                }
            };
            this.step.set(next);
        }
    }
}

/// Returns whether the request has exactly one `Host` header and that header is valid, as HTTP/1.1 requires
/// (RFC 9112, section 3.2). Without this check, a proxy and this server may see different hosts. HTTP/1.0
/// does not need `Host`.
fn names_its_host<B>(request: &Request<B>) -> bool {
    if request.version() != Version::HTTP_11 {
        return true;
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_one = |host: &HeaderValue| host.as_bytes().iter().all(|&byte| is_host_byte(byte));
    hosts.next().is_some_and(is_one) && hosts.next().is_none()
}

/// Returns whether the byte may be part of a host name, an address or a port (RFC 3986, section 3.2.2).
fn is_host_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'$'..=b'.' | b':' | b';' | b'=' | b'[' | b']' | b'_' | b'~')
}

/// Finishes a response. Without one, the request is refused.
fn seal<B>(response: Option<Response<B>>, watch: &mut Option<Arc<Watch>>) -> Response<ResponseBody<B>> {
    let watch = watch.take().expect("a future is not polled after its end");
    let closes = response.is_none() || watch.stage() != Stage::Serving || watch.body() == BodyPhase::TimedOut;
    let mut response = match response {
        Some(response) => response.map(|body| ResponseBody::new(Some(body), watch)),
        None => {
            let mut refusal = Response::new(ResponseBody::new(None, watch));
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            refusal
        }
    };
    if closes {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn lock<S>(service: &Mutex<S>) -> MutexGuard<'_, S> {
    service.lock().unwrap_or_else(PoisonError::into_inner)
}
