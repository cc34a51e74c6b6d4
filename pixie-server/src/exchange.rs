//! Puts one tower service under one hyper connection: a request goes in, a response comes out.
//!
//! It turns hyper's types into ours, keeps tower's rule (`poll_ready` before `call`), and decides when a response says
//! `Connection: close`. Per request it costs two relaxed stores and one reference count, and allocates nothing.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use http::{HeaderValue, Request, Response, header::CONNECTION};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    RequestBody, ResponseBody,
    http_service::BoxError,
    watch::{Body, Phase, Stage, Watch},
};

/// One connection's service, as hyper calls it.
pub(crate) struct Exchange<S> {
    /// Shared only with a request that waits for the service to become ready; else the lock is never contended.
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
        // Nearly every service is always ready. One that is not is asked again, with a real waker, by the future.
        let mut service = lock(&self.service);
        let step = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Step::Running { future: service.call(request) },
            Poll::Ready(Err(error)) => Step::Failed { error: Some(error.into()) },
            Poll::Pending => Step::Waiting { service: self.service.clone(), request: Some(request) },
        };
        ResponseFuture { step, watch: Some(self.watch.clone()) }
    }
}

pin_project! {
    /// The way from a request to its response.
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
        Answered { response: Option<Response<B>> },
        Failed { error: Option<BoxError> },
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
                    let watch = this.watch.as_ref().expect("a future is not polled after its end");
                    if watch.body() == Body::Ended {
                        return Poll::Ready(Ok(seal(response, this.watch)));
                    }
                    // The body was left unread. hyper learns it when it polls for reading, drains the body or gives
                    // the connection up, and then writes the right `Connection` header: so it goes first.
                    cx.waker().wake_by_ref();
                    this.step.set(Step::Answered { response: Some(response) });
                    return Poll::Pending;
                }
                StepProjection::Answered { response } => {
                    let response = response.take().expect("a future is not polled after its end");
                    return Poll::Ready(Ok(seal(response, this.watch)));
                }
                StepProjection::Failed { error } => {
                    return Poll::Ready(Err(error.take().expect("a future is not polled after its end")));
                }
            };
            this.step.set(next);
        }
    }
}

fn seal<B>(mut response: Response<B>, watch: &mut Option<Arc<Watch>>) -> Response<ResponseBody<B>> {
    let watch = watch.take().expect("a future is not polled after its end");
    if watch.stage() != Stage::Serving || watch.body() == Body::TimedOut {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| ResponseBody::new(body, watch))
}

fn lock<S>(service: &Mutex<S>) -> MutexGuard<'_, S> {
    service.lock().unwrap_or_else(PoisonError::into_inner)
}
