//! `AppService`: the app as a tower service, for our own server and for any other.
//!
//! It turns the http crate's types into ours and back; what happens between is in `dispatch.rs`. A request that is answered
//! at once costs no allocation here.
use std::{
    convert::Infallible,
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
    app::LayerFn,
    compose::Composed,
    dispatch::{self, Answer},
    meter::Measured,
};

/// A request as layers see it.
pub type HttpRequest = http::Request<Body>;
/// A response as layers see it.
pub type HttpResponse = http::Response<Body>;
/// An app as a `tower::Service`: cheap to clone, ready at any time, without errors of its own.
#[derive(Clone)]
pub struct AppService {
    app: Arc<Composed>,
    layers: Option<Layered>,
    peer: Option<SocketAddr>,
}

impl AppService {
    /// Wraps an app in its layers, the last one outermost.
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
            // The layers pass on a request of the http crate's type, so the address travels as an extension.
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

/// The answer of an app, on its way.
pub struct AppFuture {
    progress: Progress,
    measured: Measured,
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

/// An app inside its layers, or inside some of them: what a layer wraps.
#[derive(Clone)]
pub struct Layered(Arc<dyn Fn(HttpRequest) -> BoxFuture<HttpResponse> + Send + Sync>);

impl Layered {
    /// Makes one of a function.
    pub(crate) fn new(answer: impl Fn(HttpRequest) -> BoxFuture<HttpResponse> + Send + Sync + 'static) -> Layered {
        Layered(Arc::new(answer))
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: HttpRequest) -> BoxFuture<HttpResponse> {
        (self.0)(request)
    }

    /// Gives any service the one type that all layers see; an error of its own is answered with 500.
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

/// Its words are for the log: who the client is and what it reads is not known out here.
fn layer_failed(error: &BoxError) -> HttpResponse {
    tracing::error!("a layer failed: {error}");
    abort(500).render(&ErrorView::new(Media::Json, &Method::GET, "")).into_http()
}
