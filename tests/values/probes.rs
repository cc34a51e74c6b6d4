//! Probes are answered whatever the app does with other requests, and their paths are checked at the start.
use std::future::pending;

use pixie_web::{
    App, OrAbort, Route, StartError,
    service::{HttpRequest, HttpResponse, Layered},
};

fn app() -> App {
    App::new().route(Route::get("/").pool(|_| "Hello")).health("/healthz").ready("/readyz")
}

#[test]
fn probes_are_answered_before_layers_and_hooks() {
    let stuck = |_: Layered| tower::service_fn(|_: HttpRequest| pending::<Result<HttpResponse, std::io::Error>>());
    let app = app().layer(tower::layer::layer_fn(stuck)).before(|_| None::<()>.or_abort(401));
    let client = app.test().expect("the app fits together");
    for path in ["/healthz", "/readyz"] {
        let answer = client.get(path).send().assert_status(200);
        answer.assert_header("cache-control", "no-store").assert_header("content-type", "application/json");
        client.request(pixie_web::Method::HEAD, path).send().assert_status(200);
    }
}

#[test]
fn other_methods_of_a_probe_are_those_of_a_route() {
    let client = app().test().expect("the app fits together");
    client.post("/readyz").send().assert_status(405).assert_header("allow", "GET, HEAD, OPTIONS");
}

#[test]
fn an_app_that_stops_is_alive_and_not_ready() {
    let app = app();
    let shutdown = app.shutdown();
    let client = app.test().expect("the app fits together");
    client.get("/").send().assert_text("Hello");
    client.get("/readyz").send().assert_text(r#"{"pools":{"default":"ready"},"ready":true,"reason":null}"#);
    shutdown.trigger();
    let expected = r#"{"pools":{"default":"ready"},"ready":false,"reason":"the app is stopping"}"#;
    client.get("/readyz").send().assert_status(503).assert_text(expected);
    client.get("/healthz").send().assert_status(200);
}

#[test]
fn the_path_of_a_probe_is_its_own_and_has_no_wildcards() {
    let hello = |path| App::new().route(Route::get(path).sync(|_| "Hello"));
    for (app, fix) in [
        (hello("/healthz").health("/healthz"), "two routes answer the same requests"),
        (hello("/").health("/same").ready("/same"), "two routes answer the same requests"),
        (hello("/").ready("/<name>"), "`App::ready(\"/<name>\")` (tests/values/probes.rs:"),
        (hello("/").ready("/<name>"), "): use a path without wildcards"),
        (hello("/").health("healthz"), "`App::health(\"healthz\")`"),
    ] {
        let message = mistake(app);
        assert!(message.contains(fix), "{message}");
    }
}

/// Returns why an app does not start.
fn mistake(app: App) -> String {
    let error = app.test().expect_err("it is refused");
    error.downcast_ref::<StartError>().expect("it is about the configuration").message().to_owned()
}

#[test]
fn a_page_of_pixie_has_the_line_of_the_program_that_asks_for_it() {
    let hello = || App::new().route(Route::get("/same").sync(|_| "Hello"));
    let apps = [
        ("pixie::health", hello().health("/same")),
        ("pixie::ready", hello().ready("/same")),
        ("pixie::status", hello().status("/same")),
        #[cfg(feature = "metrics")]
        ("pixie::metrics", hello().metrics("/same")),
    ];
    for (name, app) in apps {
        let message = mistake(app);
        assert!(message.contains(&format!("`{name}` ({}:", file!())), "{message}");
    }
}
