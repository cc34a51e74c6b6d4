//! Tower layers of a route, a group or an app, and what they wrap.
//!
//! `Layered` is one type for all services, so that a route needs no type parameter. Invariant: a layer that
//! fails is answered with 500, and its error is in the extensions of the response, for the log.
use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Method;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Body, BoxError, BoxFuture, ErrorView, Media, abort};

/// A request as layers see it.
pub type HttpRequest = http::Request<Body>;
/// A response as layers see it.
pub type HttpResponse = http::Response<Body>;

/// An app, a group or a route with all or some of its layers. This is what a layer wraps.
#[derive(Clone)]
pub struct Layered(Arc<dyn Fn(HttpRequest) -> BoxFuture<HttpResponse> + Send + Sync>);

/// The future of a response of [`Layered`].
pub struct LayeredFuture(BoxFuture<HttpResponse>);

/// Why a layer has no response: an extension of the response that is sent in its place.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct LayerFailure(pub Arc<str>);

/// A tower layer that can wrap an app, a group or a route: all layers of tower-http, and those of tower whose
/// services can be cloned.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot wrap an app, a group or a route",
    label = "not a fitting tower layer",
    note = "a layer wraps `pixie_web::service::Layered`; its service takes `http::Request<Body>`, returns an `http::Response` with a body of `Bytes`, and is `Clone + Send + Sync`"
)]
pub trait RouteLayer: Send + Sync + 'static {
    /// Returns what the layer makes of a service.
    fn wrap(&self, inner: Layered) -> Layered;
}

impl<L, S, B> RouteLayer for L
where
    L: Layer<Layered, Service = S> + Send + Sync + 'static,
    S: Service<HttpRequest, Response = http::Response<B>, Error: Into<BoxError>, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn wrap(&self, inner: Layered) -> Layered {
        Layered::around(self.layer(inner))
    }
}

/// Some layers, from inner to outer.
#[derive(Clone, Default)]
pub struct Layers(Vec<Arc<dyn RouteLayer>>);

impl Layers {
    /// Adds a layer around the others.
    pub fn push(&mut self, layer: impl RouteLayer) {
        self.0.push(Arc::new(layer));
    }

    /// Returns whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Wraps a service in the layers.
    pub fn wrap(&self, inner: Layered) -> Layered {
        self.0.iter().fold(inner, |inner, layer| layer.wrap(inner))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layers({})", self.0.len())
    }
}

impl Layered {
    /// Returns the service that calls a function.
    pub fn new(answer: impl Fn(HttpRequest) -> BoxFuture<HttpResponse> + Send + Sync + 'static) -> Layered {
        Layered(Arc::new(answer))
    }

    /// Answers a request.
    pub fn answer(&self, request: HttpRequest) -> BoxFuture<HttpResponse> {
        (self.0)(request)
    }

    /// Converts a service into the type that all layers use. If the service returns an error, the response is
    /// 500.
    pub fn around<S, B>(service: S) -> Layered
    where
        S: Service<HttpRequest, Response = http::Response<B>, Error: Into<BoxError>, Future: Send + 'static>,
        S: Clone + Send + Sync + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Layered::new(move |request| {
            let mut service = service.clone();
            Box::pin(async move {
                if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await {
                    return failed(&error.into());
                }
                match service.call(request).await {
                    Ok(response) => response.map(Body::new),
                    Err(error) => failed(&error.into()),
                }
            })
        })
    }
}

/// The client's preferred format is unknown here.
fn failed(error: &BoxError) -> HttpResponse {
    let mut response = abort(500).render(&ErrorView::new(Media::Json, &Method::GET, "")).into_http();
    response.extensions_mut().insert(LayerFailure(error.to_string().into()));
    response
}

impl Service<HttpRequest> for Layered {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = LayeredFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> LayeredFuture {
        LayeredFuture(self.answer(request))
    }
}

impl Future for LayeredFuture {
    type Output = Result<HttpResponse, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layered")
    }
}

impl fmt::Debug for LayeredFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LayeredFuture")
    }
}
