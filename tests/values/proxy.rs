//! Behind a proxy: what it reports is the same for every kind of route, for layers and for hooks.
use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use pixie_web::{
    App, FromRequest, Origin, Peer, Request, Response, Route, TestClient,
    core::{HeaderMap, Scheme},
    service::{HttpRequest, Layered},
};
use tower::Service;

const PROXY: [u8; 4] = [10, 0, 0, 1];

/// Writes what a handler learns about its client.
fn seen(request: &mut Request) -> String {
    let peer = Peer::from_request(request).map_or("unknown".into(), |Peer(peer)| peer.to_string());
    let origin = Origin::from_request(request).map_or("unknown".into(), |origin| origin.to_string());
    format!("{peer} {origin}")
}

fn app() -> App {
    let needs = || pixie_web::Needs::default().extractor::<Peer>().extractor::<Origin>();
    App::new()
        .behind_proxy(["10.0.0.0/8"])
        .route(Route::get("/sync").sync(seen))
        .route(Route::get("/thread").thread(seen))
        .route(Route::get("/async").asynchronous(|mut request: Request| async move { seen(&mut request) }))
        .route(Route::get("/pool").pool(seen).needs(needs()))
        .route(Route::get("/stream").stream(|request| vec![seen(request)].into_iter()).needs(needs()))
        .route(Route::get("/cookie").pool(|_| Response::new("").header("set-cookie", "a=1")))
        .route(Route::post("/transfer").sync(|_| "done"))
}

fn client() -> TestClient {
    app().test().expect("the app fits together")
}

#[test]
fn every_kind_of_route_sees_the_client_that_a_trusted_proxy_reports() {
    let layered = app().layer(tower::layer::layer_fn(|inner: Layered| inner)).test().expect("the app fits together");
    for client in [client(), layered] {
        for kind in ["sync", "thread", "async", "pool", "stream"] {
            let path = format!("/{kind}");
            let ask = |peer: [u8; 4]| client.get(&path).peer((peer, 9)).header("host", "inner");
            let x = ask(PROXY).header("x-forwarded-for", "9.9.9.9, 192.0.2.1").header("x-forwarded-proto", "https");
            x.header("x-forwarded-host", "shop.example").send().assert_text("192.0.2.1:0 https://shop.example");
            let standard = r#"for=unknown, for="[2001:db8::1]:7";proto=https;host=shop.example"#;
            let standard = ask(PROXY).header("forwarded", standard);
            standard.send().assert_text("[2001:db8::1]:7 https://shop.example");
            ask(PROXY).send().assert_text("10.0.0.1:9 http://inner");
            let forged = ask([192, 0, 2, 1]).header("x-forwarded-for", "127.0.0.1").header("x-forwarded-host", "evil");
            forged.send().assert_text("192.0.2.1:9 http://inner");
        }
    }
}

#[test]
fn headers_of_two_kinds_that_differ_are_refused() {
    let client = client();
    let ask = || client.get("/sync").peer((PROXY, 9)).header("x-forwarded-for", "192.0.2.1");
    let refused = ask().header("forwarded", "for=127.0.0.1").header("accept", "application/json").send();
    assert!(refused.assert_status(400).text().contains("X-Forwarded"));
    ask().header("forwarded", "for=192.0.2.1").send().assert_text("192.0.2.1:0 unknown");
}

/// Notes what a layer sees.
#[derive(Clone)]
struct Spy(Layered);

impl Service<HttpRequest> for Spy {
    type Response = <Layered as Service<HttpRequest>>::Response;
    type Error = Infallible;
    type Future = <Layered as Service<HttpRequest>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: HttpRequest) -> Self::Future {
        let extensions = request.extensions();
        let peer = extensions.get::<Peer>().map(|Peer(peer)| peer.ip().to_string());
        let scheme = extensions.get::<Scheme>().map(|scheme| scheme.to_string());
        let text = |headers: &HeaderMap| headers.get("host").and_then(|host| host.to_str().ok()).map(str::to_owned);
        let seen = [peer, scheme, text(request.headers())].map(Option::unwrap_or_default).join(" ");
        request.headers_mut().insert("x-layer", seen.parse().expect("a header"));
        self.0.call(request)
    }
}

#[test]
fn a_layer_sees_the_same_client_as_the_handler() {
    let shown = |request: &mut Request| request.header("x-layer").unwrap_or_default().to_owned();
    let app = app().route(Route::get("/layer").sync(shown)).layer(tower::layer::layer_fn(Spy));
    let client = app.test().expect("the app fits together");
    let request = client.get("/layer").peer((PROXY, 9)).header("x-forwarded-for", "192.0.2.1");
    let request = request.header("x-forwarded-proto", "https").header("x-forwarded-host", "shop.example");
    request.send().assert_text("192.0.2.1 https shop.example");
}

#[test]
fn cookies_are_secure_if_the_client_uses_https() {
    let client = client();
    for (proto, expected) in [("https", "a=1; Secure"), ("http", "a=1")] {
        let request = client.get("/cookie").peer((PROXY, 9)).header("x-forwarded-proto", proto);
        request.send().assert_header("set-cookie", expected);
    }
    client.get("/cookie").header("x-forwarded-proto", "https").send().assert_header("set-cookie", "a=1");
    client.get("https://shop.example/cookie").send().assert_header("set-cookie", "a=1; Secure");
}

#[test]
fn a_forged_request_is_compared_with_the_host_and_scheme_that_the_proxy_reports() {
    let client = client();
    let ask = |origin: &str| {
        let request = client.post("/transfer").peer((PROXY, 9)).header("host", "inner").header("origin", origin);
        request.header("x-forwarded-host", "shop.example").header("x-forwarded-proto", "https").send()
    };
    ask("https://shop.example").assert_status(200);
    ask("http://shop.example").assert_status(403);
    ask("https://inner").assert_status(403);
}

#[test]
fn pages_for_operators_stay_hidden_from_requests_that_a_proxy_passes_on() {
    let client = app().behind_proxy(["127.0.0.1"]).status("/status").test().expect("the app fits together");
    let ask = || client.get("/status").peer(([127, 0, 0, 1], 9)).header("host", "localhost");
    ask().send().assert_status(200);
    for (name, value) in
        [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1"), ("x-forwarded-for", "192.0.2.1")]
    {
        ask().header(name, value).send().assert_status(403);
    }
}

#[test]
fn a_bad_network_is_a_start_up_mistake_with_its_fix() {
    let error = app().behind_proxy(["10.0.0.5/8"]).test().expect_err("it is refused").to_string();
    let expected = "`App::behind_proxy([\"10.0.0.5/8\"])`: the network of this address is \"10.0.0.0/8\"";
    assert!(error.contains(expected), "{error}");
}
