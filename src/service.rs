//! `AppService`: the app as a tower service, for our own server and for any other.
//!
//! It turns the http crate's types into ours and back; what happens between is in `dispatch.rs`. A request that is answered
//! at once costs no allocation here.
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Method;
use pixie_core::{Body, BoxError, BoxFuture, ErrorView, Media, Peer, Request, abort};
use tower::{Service, ServiceExt, service_fn, util::BoxCloneSyncService};

use crate::{
    app::LayerFn,
    compose::Composed,
    dispatch::{self, Answer},
};

/// A request as layers see it.
pub type HttpRequest = http::Request<Body>;
/// A response as layers see it.
pub type HttpResponse = http::Response<Body>;
/// An app wrapped in layers.
pub type Layered = BoxCloneSyncService<HttpRequest, HttpResponse, Infallible>;

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
        let innermost = BoxCloneSyncService::new(bare.clone());
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
        let mut request = request.map(Body::new);
        if let Some(layers) = &self.layers {
            // The layers pass on a request of the http crate's type, so the address travels as an extension.
            if let Some(peer) = self.peer {
                request.extensions_mut().insert(Peer(peer));
            }
            return AppFuture(Progress::Layered(Box::pin(layers.clone().oneshot(request))));
        }
        let peer = self.peer.or_else(|| request.extensions().get().map(|Peer(peer)| *peer));
        let mut request = Request::from_http(request);
        request.set_peer(peer);
        AppFuture(match dispatch::answer(&self.app, request) {
            Answer::Ready(response) => Progress::Ready(Some(response.into_http())),
            Answer::Later(future) => Progress::Later(future),
        })
    }
}

/// The answer of an app, on its way.
pub struct AppFuture(Progress);

enum Progress {
    Ready(Option<HttpResponse>),
    Later(BoxFuture<HttpResponse>),
    Layered(BoxFuture<Result<HttpResponse, Infallible>>),
}

impl Future for AppFuture {
    type Output = Result<HttpResponse, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Progress::Ready(response) => Poll::Ready(Ok(response.take().expect("polled once more after it was ready"))),
            Progress::Later(future) => future.as_mut().poll(cx).map(Ok),
            Progress::Layered(future) => future.as_mut().poll(cx),
        }
    }
}

/// Gives a layer's service the one type that all have; a layer's own error is answered with 500.
pub(crate) fn boxed<S, B>(service: S) -> Layered
where
    S: Service<HttpRequest, Response = http::Response<B>, Error: Into<BoxError>, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    BoxCloneSyncService::new(service_fn(move |request| {
        let answer = service.clone().oneshot(request);
        async move {
            Ok(match answer.await {
                Ok(response) => response.map(Body::new),
                Err(error) => layer_failed(&error.into()),
            })
        }
    }))
}

/// Its words are for the log: who the client is and what it reads is not known out here.
fn layer_failed(error: &BoxError) -> HttpResponse {
    tracing::error!("a layer failed: {error}");
    let view = ErrorView {
        media: Media::Json,
        method: &Method::GET,
        path: "",
        headers: None,
        development: false,
        excerpt: None,
    };
    abort(500).render(&view).into_http()
}
