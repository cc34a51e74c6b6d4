//! `pixie-core` on plain hyper: uses its routes, requests and error pages in a custom accept loop.
//!
//! `cargo run --release --example core_on_hyper`, then
//! `curl localhost:8000/hello/you localhost:8000/missing`. Look at `answer`.
use std::{
    convert::Infallible,
    env::{self, VarError},
    sync::Arc,
};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use pixie_core::{
    Body, ErrorView, Found, Handler, Media, Pattern, Place, Request, Response, Route, Router, abort, header,
};

fn routes() -> Result<Router<Route>, Box<dyn std::error::Error>> {
    let mut router = Router::new();
    let greet =
        |request: &mut Request| Ok::<_, pixie_core::Error>(format!("Hello {}", request.param::<String>("name")?));
    for route in [Route::get("/").sync(|_| "Hello"), Route::get("/hello/<name>").sync(greet)] {
        let (pattern, methods, place) = (Pattern::parse(route.path())?, route.methods().to_vec(), route.place());
        router.insert(&pattern, &methods, route, Place { name: "core_on_hyper", ..place })?;
    }
    Ok(router)
}

fn answer(router: &Router<Route>, mut request: Request) -> Response {
    let mut response = match router.find(request.method(), request.path()) {
        Found::Route { value: route, params } => {
            request.plumbing_mut().params = params;
            match route.handler() {
                Handler::Sync(handler) => handler(&mut request),
                _ => abort(501).into(),
            }
        }
        _ => abort(404).into(),
    };
    let Some(error) = response.take_error() else { return response };
    let accept = request.headers().get_all(header::ACCEPT);
    error.render(&ErrorView::new(Media::preferred(accept), request.method(), request.path()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let router = Arc::new(routes()?);
    let port = match env::var("PIXIE_PORT") {
        Err(VarError::NotPresent) => "8000".to_owned(),
        port => port?,
    };
    let listener = tokio::net::TcpListener::bind(format!("localhost:{port}")).await?;
    println!("listening on http://localhost:{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        let router = router.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let response = answer(&router, Request::from_http(request.map(Body::new)));
            async move { Ok::<_, Infallible>(response.into_http()) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
