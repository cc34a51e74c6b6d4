//! The way of a request through the layers of its route and of the groups around it.
//!
//! The router comes before these layers. What the innermost service needs travels in the extensions of the
//! request, because the layers were made before the app was complete. Invariant: a layer cannot move a
//! request to another endpoint, whose layers and hooks would not run.
use std::{future::ready, sync::Arc};

use http::{Method, StatusCode};
use pixie_core::{ErrorView, Found, HttpRequest, HttpResponse, LayerFailure, Layered, Media, Peer, Request};

use crate::{
    request::dispatch::{self, Answer},
    table::{Composed, Endpoint, refusal::refuse},
};

/// The endpoint that the router has found.
#[derive(Clone)]
struct Entered {
    app: Arc<Composed>,
    endpoint: Arc<Endpoint>,
}

/// Returns a request as the outermost layer of its endpoint sees it.
pub(super) fn outermost(app: &Arc<Composed>, endpoint: &Arc<Endpoint>, request: Request) -> HttpRequest {
    let (peer, scheme) = (request.peer(), request.scheme());
    let mut request = request.into_http();
    let extensions = request.extensions_mut();
    extensions.insert(scheme);
    match peer {
        Some(peer) => drop(extensions.insert(Peer(peer))),
        None => drop(extensions.remove::<Peer>()),
    }
    extensions.insert(Entered { app: app.clone(), endpoint: endpoint.clone() });
    request
}

/// Returns the service within all layers: the hooks and the handler of the endpoint.
pub(crate) fn innermost() -> Layered {
    Layered::new(|mut request| {
        let Some(Entered { app, endpoint }) = request.extensions_mut().remove() else {
            return Box::pin(ready(failed("it is a layer of a route and removed the extensions of the request")));
        };
        let (peer, scheme) = (request.extensions().get().map(|Peer(peer)| *peer), request.extensions().get().copied());
        let mut request = Request::from_http(request);
        (request.plumbing_mut().peer, request.plumbing_mut().scheme) = (peer, scheme.unwrap_or_default());
        let found = match app.router.find(request.method(), request.path()) {
            Found::Route { value, params } => {
                request.plumbing_mut().params = params;
                value
            }
            _ => app.unrouted(request.path()),
        };
        if !Arc::ptr_eq(found, &endpoint) {
            return Box::pin(ready(failed(
                "it is a layer of a route and changed the path or the method, which only a layer of the app can",
            )));
        }
        match dispatch::enter(&app, &endpoint, &mut request) {
            Answer::Ready(response) => Box::pin(ready(response.into_http())),
            Answer::Later(future) => future,
        }
    })
}

/// Waits for the response of layers, and logs why a layer has none.
pub(super) async fn answered(response: impl Future<Output = HttpResponse>) -> HttpResponse {
    let mut response = response.await;
    if let Some(LayerFailure(why)) = response.extensions_mut().remove() {
        tracing::error!("a layer failed: {why}");
    }
    response
}

fn failed(why: &'static str) -> HttpResponse {
    let view = ErrorView::new(Media::Json, &Method::GET, "");
    let mut response = refuse(StatusCode::INTERNAL_SERVER_ERROR).render(&view).into_http();
    response.extensions_mut().insert(LayerFailure(why.into()));
    response
}
