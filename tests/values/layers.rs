//! Layers of routes and groups: their order, what they see, and what they cannot do.
use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use pixie_web::{
    App, Body, Carried, Error, Extension, FromRequest, Group, HeaderValue, Request, Response, Result, Route,
    StatusCode, header,
    service::{HttpRequest, HttpResponse, Layered},
};
use tower::{Layer, Service};
use tower_http::{cors::CorsLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};

type Answer = Pin<Box<dyn Future<Output = std::result::Result<HttpResponse, tower::BoxError>> + Send>>;
type Call = Arc<dyn Fn(HttpRequest, Layered) -> Answer + Send + Sync>;

/// A layer from a function of the request and what is inside.
#[derive(Clone)]
struct FromFn(Call);

#[derive(Clone)]
struct Called(Call, Layered);

impl Layer<Layered> for FromFn {
    type Service = Called;

    fn layer(&self, inner: Layered) -> Called {
        Called(self.0.clone(), inner)
    }
}

impl Service<HttpRequest> for Called {
    type Response = HttpResponse;
    type Error = tower::BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Answer {
        (self.0)(request, self.1.clone())
    }
}

/// Notes which code a request has passed.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<&'static str>>>);

impl Notes {
    fn add(&self, name: &'static str) {
        self.0.lock().expect("no panic").push(name);
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("no panic")).join(" ")
    }

    fn layer(&self, name: &'static str) -> FromFn {
        let notes = self.clone();
        changing(move |_| notes.add(name))
    }

    fn hook(&self, name: &'static str) -> impl Fn(&mut Request) + Send + Sync + 'static {
        let notes = self.clone();
        move |_| notes.add(name)
    }
}

/// A layer that changes the request.
fn changing(change: impl Fn(&mut HttpRequest) + Send + Sync + 'static) -> FromFn {
    FromFn(Arc::new(move |mut request, inner| {
        change(&mut request);
        Box::pin(async move { Ok(inner.answer(request).await) })
    }))
}

/// Adds a route of each kind under a path.
fn of_all_kinds(group: Group) -> Group {
    group
        .route(Route::get("/sync/<id>").sync(shown))
        .route(Route::get("/thread/<id>").thread(shown))
        .route(Route::get("/async/<id>").asynchronous(|mut request| async move { shown(&mut request) }))
        .route(Route::get("/pool/<id>").pool(shown))
        .route(Route::get("/stream/<id>").stream(|request: &mut Request| [shown(request)].into_iter()))
}

fn shown(request: &mut Request) -> String {
    format!("{} {:?}", request.param_text("id").unwrap_or_default(), request.peer().map(|peer| peer.port()))
}

const KINDS: [&str; 5] = ["sync", "thread", "async", "pool", "stream"];

#[test]
fn layers_run_from_the_app_to_the_route_and_before_all_hooks() {
    let notes = Notes::default();
    let route = Route::get("/x").sync(|_| "").layer(notes.layer("route")).before(notes.hook("route-hook"));
    let inner = Group::new("/b").layer(notes.layer("b1")).layer(notes.layer("b2")).route(route);
    let app = App::new()
        .layer(notes.layer("app"))
        .before(notes.hook("hook"))
        .group(Group::new("/a").layer(notes.layer("a")).group(inner))
        .route(Route::get("/bare").sync(|_| ""));
    let client = app.test().expect("the app fits together");
    for (path, status, expected) in [
        ("/a/b/x", 200, "app a b2 b1 route hook route-hook"),
        ("/a/b/missing", 404, "app a b2 b1 hook"),
        ("/a/missing", 404, "app a hook"),
        ("/bare", 200, "app hook"),
        ("/missing", 404, "app hook"),
    ] {
        client.get(path).send().assert_status(status);
        assert_eq!(notes.take(), expected, "{path}");
    }
}

#[test]
fn a_layer_wraps_routes_of_all_kinds_with_their_wildcards_address_and_error_pages() {
    let served = SetResponseHeaderLayer::overriding(header::SERVER, HeaderValue::from_static("pixie"));
    let group = of_all_kinds(Group::new("/g").layer(served).error_page(404, |_, _| Response::new("lost")));
    let client = App::new().group(group).test().expect("the app fits together");
    for kind in KINDS {
        let answer = client.get(&format!("/g/{kind}/a%20b")).peer(([192, 0, 2, 1], 7)).send();
        answer.assert_status(200).assert_header("server", "pixie").assert_text("a b Some(7)");
    }
    client.get("/g/missing").send().assert_status(404).assert_header("server", "pixie").assert_text("lost");
}

#[test]
fn a_hook_reads_what_a_layer_of_its_route_has_left() {
    #[derive(Clone)]
    struct Tenant(&'static str);
    let layer = changing(|request| {
        request.extensions_mut().insert(Tenant("blue"));
    });
    let hook = |request: &mut Request| -> Result<()> {
        let Extension(Tenant(name)) = Extension::from_request(request)?;
        request.carry(&name.to_owned())
    };
    let route = Route::get("/").pool(|request| Carried::<String>::from_request(request).map(|Carried(name)| name));
    let client = App::new().route(route.layer(layer).before(hook)).test().expect("the app fits together");
    client.get("/").send().assert_status(200).assert_text("blue");
}

#[tokio::test(start_paused = true)]
async fn a_layer_with_a_timeout_ends_an_async_route() {
    let layer = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(5));
    let slow = Route::get("/").asynchronous(|_| std::future::pending::<()>()).layer(layer);
    let service = App::new().route(slow).into_service().expect("the app fits together");
    let Ok(answer) = tower::ServiceExt::oneshot(service, http::Request::new(Body::empty())).await;
    assert_eq!(answer.status(), 504);
}

#[test]
fn a_preflight_request_reaches_the_layer_of_its_group() {
    let group = Group::new("/api").layer(CorsLayer::permissive()).route(Route::put("/x").sync(|_| "put"));
    let client = App::new().group(group).test().expect("the app fits together");
    let asked = client.request(pixie_web::Method::OPTIONS, "/api/x").header("origin", "https://other.example");
    let answer = asked.header("access-control-request-method", "PUT").send();
    answer.assert_status(200).assert_header("access-control-allow-origin", "*");
}

#[test]
fn a_layer_that_fails_or_leads_elsewhere_is_a_500_and_guards_stay() {
    let forbidden = |_: &mut Request| -> Result<()> { Err(pixie_web::abort(403)) };
    let moved = |path: &'static str| changing(move |request| *request.uri_mut() = path.parse().expect("a path"));
    let failing = FromFn(Arc::new(|_, _| Box::pin(std::future::ready(Err("broken".into())))));
    let app = App::new()
        .route(Route::get("/secret").sync(|_| "secret").before(forbidden))
        .route(Route::get("/moved").sync(|_| "here").layer(moved("/secret")))
        .route(Route::get("/lost").sync(|_| "here").layer(moved("/nowhere")))
        .route(Route::get("/emptied").sync(|_| "here").layer(changing(|request| request.extensions_mut().clear())))
        .route(Route::get("/failing").sync(|_| "here").layer(failing));
    let client = app.test().expect("the app fits together");
    for path in ["/moved", "/lost", "/emptied", "/failing"] {
        client.get(path).send().assert_status(500);
    }
}

#[test]
fn the_page_of_all_statuses_yields_to_that_of_one_and_of_an_inner_group() {
    fn all(name: &'static str) -> impl Fn(&Error, &pixie_web::ErrorView<'_>) -> Response + Send + Sync + 'static {
        move |error, _| Response::new(format!("{name} {}", error.status().as_u16()))
    }
    let inner = Group::new("/in").error_pages(all("inner")).route(Route::get("/x").sync(|_| "x"));
    let app = App::new().route(Route::get("/x").sync(|_| "x")).error_pages(all("all"));
    let app = app.error_page(404, |_, _| Response::new("missing")).group(inner);
    let client = app.test().expect("the app fits together");
    client.get("/missing").send().assert_status(404).assert_text("missing");
    client.post("/x").send().assert_status(405).assert_text("all 405");
    client.get("/in/missing").send().assert_status(404).assert_text("inner 404");
    client.post("/in/x").send().assert_status(405).assert_text("inner 405");
}
