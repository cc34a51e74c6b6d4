//! `AppService`: the app as a tower service, for pixie's own server and for any other.
//!
//! It converts requests and responses between the types of the crate `http` and those of pixie. `dispatch.rs`
//! answers requests. A request that is answered at once needs no allocation here.
use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, header};
use pixie_core::{
    Body, BoxError, BoxFuture, ErrorView, HttpResponse, Layered, Media, Peer, Request, Scheme, TraceContext, abort,
};
use pixie_server::{Connection, TlsSession};
use tower_service::Service;

use crate::{
    request::{
        dispatch::{self, Answer},
        layered,
    },
    table::{
        Composed,
        access::Asked,
        meter::Measured,
        proxies::{Conflict, Sender},
        traces,
    },
};

pub(crate) type LayerFn = Box<dyn FnOnce(Layered) -> Layered + Send + Sync>;

/// An app as a `tower::Service`. It is cheap to clone, always ready, and returns no errors.
///
/// Another server tells it the client's address as an extension of the type [`Peer`], and whether the client
/// uses TLS as one of the type [`Scheme`]. Layers of the app find both there, after `App::behind_proxy`.
#[derive(Clone)]
pub struct AppService {
    app: Arc<Composed>,
    layers: Option<Layered>,
    connection: Option<Sender>,
    tls: Option<Arc<TlsSession>>,
    /// Whether this is the app within its layers. Then the outer service has found out who sends a request.
    is_inner: bool,
    /// Whether each request is logged.
    is_logged: bool,
}

impl AppService {
    /// Wraps an app in its layers. The last layer is the outermost.
    pub(crate) fn layered(app: Arc<Composed>, layers: Vec<LayerFn>) -> AppService {
        let bare = AppService { app, layers: None, connection: None, tls: None, is_inner: false, is_logged: false };
        if layers.is_empty() {
            return bare;
        }
        let innermost = Layered::around(AppService { is_inner: true, ..bare.clone() });
        let outermost = layers.into_iter().fold(innermost, |inner, layer| layer(inner));
        AppService { layers: Some(outermost), ..bare }
    }

    /// Sets whether each request is logged, except for those of probes.
    pub(crate) fn logging(self, is_logged: bool) -> AppService {
        AppService { is_logged, ..self }
    }

    /// The service of one connection.
    pub(crate) fn for_connection(&self, connection: &Connection) -> AppService {
        let scheme = if connection.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let sender = Sender { peer: connection.peer.ip_and_port(), scheme };
        AppService { connection: Some(sender), tls: connection.tls.clone(), ..self.clone() }
    }

    /// Returns who sends a request: as the connection says, and then as a trusted proxy says.
    fn sender<B>(&self, request: &mut http::Request<B>) -> Result<Sender, Conflict> {
        let mut sender = self.connection.unwrap_or_else(|| Sender {
            peer: request.extensions().get().map(|Peer(peer)| *peer),
            scheme: request.extensions().get().copied().unwrap_or_default(),
        });
        if self.is_inner {
            return Ok(sender);
        }
        if let Some(proxies) = &self.app.proxies {
            sender = proxies.apply(sender, request)?;
        }
        if self.app.settings.https {
            sender.scheme = Scheme::Https;
        }
        Ok(sender)
    }

    pub(crate) fn app(&self) -> &Arc<Composed> {
        &self.app
    }
}

impl fmt::Debug for AppService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppService")
            .field("urls", &self.app.urls)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
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

    fn call(&mut self, mut request: http::Request<B>) -> AppFuture {
        let probes = self.app.probes.as_ref();
        if let Some(probe) = probes.and_then(|probes| probes.answer(request.method(), request.uri().path())) {
            return AppFuture::ready(probe.into_http(), None);
        }
        let mut asked = self.is_logged.then(|| Box::new(Asked::of(&request)));
        // RFC 9112, section 3.2.2: the host of the target is the host of the request.
        if let Some(host) = request.uri().authority().and_then(|host| HeaderValue::try_from(host.as_str()).ok()) {
            request.headers_mut().insert(header::HOST, host);
        }
        if let Some(tls) = &self.tls {
            request.extensions_mut().insert(tls.clone());
        }
        if self.app.settings.trace_contexts {
            traces::ensure(request.headers_mut());
            if let Some(asked) = &mut asked {
                asked.trace = TraceContext::from_headers(request.headers());
            }
        }
        let Ok(Sender { peer, scheme }) = self.sender(&mut request) else {
            return AppFuture::ready(contradictory(&request), asked);
        };
        if let Some(asked) = &mut asked {
            asked.client = peer.map(|peer| peer.ip());
        }
        if let Some(layers) = &self.layers {
            let mut request = request.map(Body::new);
            // Layers pass on a request of the crate `http`, so the address is an extension.
            let extensions = request.extensions_mut();
            extensions.insert(scheme);
            match peer {
                Some(peer) => drop(extensions.insert(Peer(peer))),
                None => drop(extensions.remove::<Peer>()),
            }
            // Layers that answer in their call note the place, too.
            let progress = noting(&mut asked, || Progress::Later(Box::pin(layered::answered(layers.answer(request)))));
            return AppFuture { progress, measured: Measured::begin(), asked };
        }
        let mut measured = Measured::begin();
        let mut request = Request::from_http(request.map(Body::new));
        (request.plumbing_mut().peer, request.plumbing_mut().scheme) = (peer, scheme);
        let answer = noting(&mut asked, || dispatch::answer(&self.app, &mut request, &mut measured));
        let progress = match answer {
            Answer::Ready(response) => Progress::Ready(Some(response.into_http())),
            Answer::Later(future) => Progress::Later(future),
        };
        AppFuture { progress, measured, asked }
    }
}

/// Runs a part of a request, which notes where it runs if the request is logged.
#[inline]
fn noting<T>(asked: &mut Option<Box<Asked>>, run: impl FnOnce() -> T) -> T {
    match asked {
        Some(asked) => asked.place.during(run),
        None => run(),
    }
}

/// The future of a response.
pub struct AppFuture {
    progress: Progress,
    measured: Measured,
    /// The request, if it is logged and its response is not there yet. Boxed, because the future of a request
    /// that is not logged should stay small.
    asked: Option<Box<Asked>>,
}

impl AppFuture {
    fn ready(response: HttpResponse, asked: Option<Box<Asked>>) -> AppFuture {
        AppFuture { progress: Progress::Ready(Some(response)), measured: Measured::begin(), asked }
    }
}

impl Drop for AppFuture {
    fn drop(&mut self) {
        if let Some(asked) = self.asked.take() {
            asked.left();
        }
    }
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
        let AppFuture { progress, measured, asked } = &mut *self;
        let response = match progress {
            Progress::Ready(response) => response.take().expect("polled once more after it was ready"),
            Progress::Later(future) => ready!(noting(asked, || future.as_mut().poll(cx))),
        };
        measured.end(response.status());
        if let Some(asked) = asked.take() {
            asked.answered(response.status(), response.headers(), http_body::Body::size_hint(response.body()).exact());
        }
        Poll::Ready(Ok(response))
    }
}

/// Refuses a request whose client may have sent the headers of a proxy.
fn contradictory<B>(request: &http::Request<B>) -> HttpResponse {
    let fix = "let the proxy remove the ones that it does not set, or choose with `App::proxy_headers`";
    let error = abort(400).with_detail("`Forwarded` and `X-Forwarded-…` say different things about the client");
    tracing::debug!(path = request.uri().path(), "refused a request with contradictory headers of proxies: {fix}");
    let media = Media::preferred(request.headers().get_all(header::ACCEPT));
    error.render(&ErrorView::new(media, request.method(), request.uri().path())).into_http()
}
