//! `AppService`: the app as a tower service, for pixie's own server and for any other.
//!
//! It converts requests and responses between the types of the crate `http` and those of pixie. `dispatch.rs`
//! answers requests. A request that is answered at once needs no allocation here.
use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Method;
use pixie_core::{Body, BoxError, BoxFuture, ErrorView, Media, Peer, Request, abort};
use tower_service::Service;

use crate::{
    request::dispatch::{self, Answer},
    table::{Composed, meter::Measured},
};

pub(crate) type LayerFn = Box<dyn FnOnce(Layered) -> Layered + Send + Sync>;

/// A request as layers see it.
pub type HttpRequest = http::Request<Body>;
/// A response as layers see it.
pub type HttpResponse = http::Response<Body>;
/// An app as a `tower::Service`. It is cheap to clone, always ready, and returns no errors.
#[derive(Clone)]
pub struct AppService {
    app: Arc<Composed>,
    layers: Option<Layered>,
    peer: Option<SocketAddr>,
}

impl AppService {
    /// Wraps an app in its layers. The last layer is the outermost.
    pub(crate) fn layered(app: Arc<Composed>, layers: Vec<LayerFn>) -> AppService {
        let bare = AppService { app, layers: None, peer: None };
        if layers.is_empty() {
            return bare;
        }
        let innermost = Layered::around(bare.clone());
        let outermost = layers.into_iter().fold(innermost, |inner, layer| layer(inner));
        AppService { layers: Some(outermost), ..bare }
    }

    /// The service of one connection.
    pub(crate) fn for_peer(&self, peer: SocketAddr) -> AppService {
        AppService { peer: Some(peer), ..self.clone() }
    }

    pub(crate) fn app(&self) -> &Arc<Composed> {
        &self.app
    }
}

impl fmt::Debug for AppService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppService").field("urls", &self.app.urls).field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl<B> Service<http::Request<B>> for AppService
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = AppFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> AppFuture {
        if let Some(layers) = &self.layers {
            let mut request = request.map(Body::new);
            // Layers pass on a request of the crate `http`, so the address is an extension.
            if let Some(peer) = self.peer {
                request.extensions_mut().insert(Peer(peer));
            }
            return AppFuture { progress: Progress::Later((layers.0)(request)), measured: Measured::begin() };
        }
        let peer = self.peer.or_else(|| request.extensions().get().map(|Peer(peer)| *peer));
        let (head, body) = request.into_parts();
        let mut measured = Measured::begin();
        let mut request = Request::from_http(http::Request::from_parts(head, Body::new(body)));
        request.plumbing_mut().peer = peer;
        let progress = match dispatch::answer(&self.app, request, &mut measured) {
            Answer::Ready(response) => Progress::Ready(Some(response.into_http())),
            Answer::Later(future) => Progress::Later(future),
        };
        AppFuture { progress, measured }
    }
}

/// The future of a response.
pub struct AppFuture {
    progress: Progress,
    measured: Measured,
}

impl fmt::Debug for AppFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_ready = matches!(self.progress, Progress::Ready(_));
        f.debug_struct("AppFuture").field("is_ready", &is_ready).finish_non_exhaustive()
    }
}

enum Progress {
    Ready(Option<HttpResponse>),
    Later(BoxFuture<HttpResponse>),
}

impl Future for AppFuture {
    type Output = Result<HttpResponse, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.progress {
            Progress::Ready(response) => response.take().expect("polled once more after it was ready"),
            Progress::Later(future) => ready!(future.as_mut().poll(cx)),
        };
        self.measured.end(response.status());
        Poll::Ready(Ok(response))
    }
}

/// An app with all or some of its layers. This is what a layer wraps.
#[derive(Clone)]
pub struct Layered(Arc<dyn Fn(HttpRequest) -> BoxFuture<HttpResponse> + Send + Sync>);

impl fmt::Debug for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layered")
    }
}

impl Layered {
    /// Returns the service that calls a function.
    pub(crate) fn new(answer: impl Fn(HttpRequest) -> BoxFuture<HttpResponse> + Send + Sync + 'static) -> Layered {
        Layered(Arc::new(answer))
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: HttpRequest) -> BoxFuture<HttpResponse> {
        (self.0)(request)
    }

    /// Converts a service into the type that all layers use. If the service returns an error, the response is
    /// 500.
    pub(crate) fn around<S, B>(service: S) -> Layered
    where
        S: Service<HttpRequest, Response = http::Response<B>, Error: Into<BoxError>, Future: Send + 'static>,
        S: Clone + Send + Sync + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Layered(Arc::new(move |request| {
            let mut service = service.clone();
            Box::pin(async move {
                if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await {
                    return layer_failed(&error.into());
                }
                match service.call(request).await {
                    Ok(response) => response.map(Body::new),
                    Err(error) => layer_failed(&error.into()),
                }
            })
        }))
    }
}

impl Service<HttpRequest> for Layered {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = AppFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> AppFuture {
        AppFuture { progress: Progress::Later((self.0)(request)), measured: Measured::begin() }
    }
}

/// The error goes only to the log, because the client's preferred format is unknown here.
fn layer_failed(error: &BoxError) -> HttpResponse {
    tracing::error!("a layer failed: {error}");
    abort(500).render(&ErrorView::new(Media::Json, &Method::GET, "")).into_http()
}
