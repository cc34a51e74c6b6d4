//! Connects one tower service with one hyper connection: takes a request and returns the response.
//!
//! Converts hyper's types to ours, refuses a request with an invalid head, calls `poll_ready` before `call`
//! as tower requires, and decides when a response has `Connection: close`. Costs three relaxed stores, one
//! reference count and the checks of the head for each request, and does not allocate.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use http::{
    HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{ALT_SVC, CONNECTION, CONTENT_LENGTH, HOST, LOCATION},
    uri::Authority,
};
use http_body::Body;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Config, RequestBody, ResponseBody,
    alt_svc::AltSvc,
    head::{self, HeadLimits},
    listen::Entry,
    refusal::Refusal,
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
    /// Shared only with requests that wait for the service to become ready, so the lock is nearly always
    /// free.
    service: Arc<Shared<S>>,
    watch: Arc<Watch>,
    limits: RequestLimits,
    entry: Arc<Entry>,
}

struct Shared<S> {
    service: Mutex<S>,
    waiting: Arc<Waiting>,
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, S> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tasks that wait for the service. A service wakes only the last task that has polled it, but an HTTP/2
/// connection has a task for each stream.
#[derive(Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    /// Adds a task and returns the waker of all tasks.
    fn enter(self: &Arc<Waiting>, task: &Waker) -> Waker {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !tasks.iter().any(|known| known.will_wake(task)) {
            tasks.push(task.clone());
        }
        Waker::from(self.clone())
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Waiting>) {
        let tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.into_iter().for_each(Waker::wake);
    }
}

/// The limits of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLimits {
    head: HeadLimits,
    /// Limits the requests of one connection.
    count_max: u32,
}

impl RequestLimits {
    pub(crate) fn new(config: &Config) -> RequestLimits {
        RequestLimits {
            head: HeadLimits::new(config),
            count_max: config.requests_per_connection_max.map_or(u32::MAX, |count| count.max(1)),
        }
    }

    /// Returns whether the connection has had all its requests.
    pub(crate) fn are_reached(&self, connection: &Watch) -> bool {
        connection.requests() >= self.count_max
    }
}

impl<S> Exchange<S> {
    pub(crate) fn new(service: S, watch: Arc<Watch>, limits: RequestLimits, entry: Arc<Entry>) -> Exchange<S> {
        let service = Shared { service: Mutex::new(service), waiting: Arc::default() };
        Exchange { service: Arc::new(service), watch, limits, entry }
    }

    /// Returns the limit of a request's target.
    pub(crate) fn uri_bytes_max(&self) -> usize {
        self.limits.head.uri_bytes_max
    }

    /// Checks a request and gives it to the service. Inlined, which saves a copy of both.
    #[inline(always)]
    pub(crate) fn start<B>(
        &self,
        mut request: Request<RequestBody>,
        watch: Arc<Watch>,
    ) -> ResponseFuture<S, S::Future, B>
    where
        S: Service<Request<RequestBody>, Response = Response<B>>,
        S::Error: Into<BoxError>,
        B: Body,
    {
        let is_http_10 = request.version() == Version::HTTP_10;
        if let Err(mut refusal) = head::check(&mut request, &self.limits.head) {
            refusal.is_to_head = *request.method() == Method::HEAD;
            watch.set_refusal(refusal);
            let step = Step::Done { result: Some(Ok(Err(Own::Refusal(refusal)))) };
            return ResponseFuture { step, watch: Some(watch), is_http_10, is_last: true, http3: None };
        }
        watch.begin();
        let is_last = self.limits.are_reached(&watch);
        if let Some(port) = self.entry.redirect {
            let own = location(&request, port).map_or(Own::Refusal(Refusal::HOST), Own::Redirect);
            return ResponseFuture {
                step: Step::Done { result: Some(Ok(Err(own))) },
                watch: Some(watch),
                is_http_10,
                is_last,
                http3: None,
            };
        }
        // Nearly every service is always ready. If not, the future polls the service again with a real waker.
        let mut service = self.service.lock();
        let step = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Step::Running { future: service.call(request) },
            Poll::Ready(Err(error)) => Step::Done { result: Some(Err(error.into())) },
            Poll::Pending => Step::Waiting { service: self.service.clone(), request: Some(Box::new(request)) },
        };
        ResponseFuture { step, watch: Some(watch), is_http_10, is_last, http3: self.entry.http3.clone() }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Exchange<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
{
    type Response = Response<ResponseBody<B>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, S::Future, B>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let request = request.map(|incoming| RequestBody::new(incoming, &self.watch));
        self.start(request, self.watch.clone())
    }
}

/// A response that the server makes instead of its service.
enum Own {
    Refusal(Refusal),
    Redirect(HeaderValue),
}

/// Returns the address of a request under HTTPS. Returns `None` if the request names no host, as in HTTP/1.0.
fn location<B>(request: &Request<B>, port: u16) -> Option<HeaderValue> {
    let of_header = || Authority::try_from(request.headers().get(HOST)?.as_bytes()).ok();
    let authority = request.uri().authority().cloned().or_else(of_header)?;
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    // `OPTIONS *` asks about the whole server.
    let target = request.uri().path_and_query().map(|target| target.as_str()).filter(|target| *target != "*");
    let target = target.unwrap_or("/");
    HeaderValue::try_from(format!("https://{}{port}{target}", authority.host())).ok()
}

pin_project! {
    /// Returns the response to one request.
    pub(crate) struct ResponseFuture<S, F, B> {
        #[pin]
        step: Step<S, F, B>,
        watch: Option<Arc<Watch>>,
        is_http_10: bool,
        is_last: bool,
        // What is announced to the client.
        http3: Option<Arc<AltSvc>>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, F, B> {
        // Boxed, so that the usual future is small.
        Waiting { service: Arc<Shared<S>>, request: Option<Box<Request<RequestBody>>> },
        Running { #[pin] future: F },
        Done { result: Option<Result<Result<Response<B>, Own>, BoxError>> },
    }
}

impl<S, B> Future for ResponseFuture<S, S::Future, B>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.step.as_mut().project() {
                StepProjection::Waiting { service, request } => {
                    let task = service.waiting.enter(cx.waker());
                    let mut service = service.lock();
                    match service.poll_ready(&mut Context::from_waker(&task)).map_err(Into::into)? {
                        Poll::Ready(()) => {
                            let request = request.take().expect("a future is not polled after its end");
                            Step::Running { future: service.call(*request) }
                        }
                        Poll::Pending => match late(this.watch) {
                            Some(step) => step,
                            None => return Poll::Pending,
                        },
                    }
                }
                StepProjection::Running { future } => {
                    let response = match future.poll(cx) {
                        Poll::Ready(Ok(response)) => response,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                        // Setting another step drops the service's future, which stops its work.
                        Poll::Pending => match late(this.watch) {
                            Some(step) => {
                                this.step.set(step);
                                continue;
                            }
                            None => return Poll::Pending,
                        },
                    };
                    if let Some(watch) = this.watch.take_if(|watch| watch.body() == BodyPhase::Ended) {
                        return Poll::Ready(Ok(seal(response, watch, *this.is_http_10, *this.is_last, this.http3)));
                    }
                    // The service did not read the whole body. hyper notices this when it polls for reading:
                    // it drains the body or gives the connection up. Let hyper do that first, so that it then
                    // writes the right `Connection` header.
                    cx.waker().wake_by_ref();
                    this.step.set(Step::Done { result: Some(Ok(Ok(response))) });
                    return Poll::Pending;
                }
                StepProjection::Done { result } => {
                    let (result, watch) = result.take().zip(this.watch.take()).expect("it is not polled after its end");
                    return Poll::Ready(result.map(|response| match response {
                        Ok(response) => seal(response, watch, *this.is_http_10, *this.is_last, this.http3),
                        Err(own) => answered(own, watch, *this.is_last),
                    }));
                }
            };
            this.step.set(next);
        }
    }
}

/// Returns the last step of a request that has taken too long in all: 408 if its body did not come, otherwise
/// 504.
fn late<S, F, B>(watch: &Option<Arc<Watch>>) -> Option<Step<S, F, B>> {
    let watch = watch.as_ref().filter(|watch| watch.is_late())?;
    let refusal = if watch.body() == BodyPhase::TimedOut { Refusal::SLOW_REQUEST } else { Refusal::LATE };
    watch.set_refusal(refusal);
    Some(Step::Done { result: Some(Ok(Err(Own::Refusal(refusal)))) })
}

/// Finishes a response. Inlined, which saves a copy of it.
#[inline(always)]
fn seal<B: Body>(
    response: Response<B>,
    watch: Arc<Watch>,
    is_http_10: bool,
    is_last: bool,
    http3: &Option<Arc<AltSvc>>,
) -> Response<ResponseBody<B>> {
    let has_length = has_length(&response);
    watch.enter(if is_http_10 || has_length { Phase::Responding } else { Phase::Chunking });
    // Without a length, an HTTP/1.0 client reads until the connection is closed.
    let closes = is_last
        || watch.stage() != Stage::Serving
        || watch.body() == BodyPhase::TimedOut
        || (is_http_10 && !has_length);
    let mut response = response.map(|body| ResponseBody::new(Some(body), watch));
    // After 101 the connection belongs to another protocol, which `Connection: close` would contradict.
    if closes && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, CLOSE);
    }
    if let Some(header) = http3.as_ref().and_then(|http3| http3.header()) {
        // A service may announce something else.
        response.headers_mut().entry(ALT_SVC).or_insert(header);
    }
    response
}

/// Returns the server's own response. The socket writes the body of a refusal, or the stream of an HTTP/2
/// connection.
fn answered<B: Body>(own: Own, watch: Arc<Watch>, is_last: bool) -> Response<ResponseBody<B>> {
    watch.enter(Phase::Responding);
    let closes = is_last || watch.stage() != Stage::Serving;
    let mut response = Response::new(ResponseBody::new(None, watch));
    let (status, closes) = match own {
        Own::Refusal(refusal) => {
            response.extensions_mut().insert(refusal);
            (refusal.status, true)
        }
        Own::Redirect(location) => {
            response.headers_mut().insert(LOCATION, location);
            (StatusCode::PERMANENT_REDIRECT, closes)
        }
    };
    *response.status_mut() = status;
    if closes {
        response.headers_mut().insert(CONNECTION, CLOSE);
    }
    response
}

const CLOSE: HeaderValue = HeaderValue::from_static("close");

fn has_length<B: Body>(response: &Response<B>) -> bool {
    response.body().size_hint().exact().is_some() || response.headers().contains_key(CONTENT_LENGTH)
}
