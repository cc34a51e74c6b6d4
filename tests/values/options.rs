//! Options of routes: sizes mean the same in attribute, builder and environment, and `cache_control` sets its
//! header.
use pixie_web::{
    App, ByteSize, Bytes, Error, FormLimits, Pool, Redirect, Response, Route, ServerConfig, TestClient, abort, get,
    post,
};

#[post("/limited/MB", sync, body_limit = "1MB")]
fn limited_mb(body: Bytes) -> String {
    body.len().to_string()
}

#[post("/limited/MiB", sync, body_limit = "1MiB")]
fn limited_mib(body: Bytes) -> String {
    body.len().to_string()
}

#[get("/cached/<how>", sync, cache_control = "max-age=60")]
fn cached(how: String) -> Result<Response, Error> {
    match how.as_str() {
        "own" => Ok(Response::new("own").header("cache-control", "no-store")),
        "redirect" => Ok(pixie_web::IntoResponse::into_response(Redirect::permanent("/"))),
        "missing" => Err(abort(404)),
        _ => Ok(Response::new("plain")),
    }
}

fn length(request: &mut pixie_web::Request) -> String {
    request.body().len().to_string()
}

#[test]
fn a_size_means_the_same_in_attribute_builder_and_environment() {
    let client = |app: App| -> TestClient { app.test().expect("the routes fit together") };
    let attributes = client(super::collected());
    for (text, bytes) in [("1MB", 1_000_000), ("1MiB", 1_048_576)] {
        let path = format!("/limited/{}", &text[1..]);
        let route = client(App::new().route(Route::post("/").sync(length).body_limit(text)));
        let app = client(App::new().route(Route::post("/").sync(length)).body_limit(text));
        for (client, path) in [(&attributes, path.as_str()), (&route, "/"), (&app, "/")] {
            client.post(path).body(vec![b'x'; bytes]).send().assert_status(200);
            client.post(path).body(vec![b'x'; bytes + 1]).send().assert_status(413);
        }
        let mut pool = Pool::named("images");
        pool.override_by(&format!("memory={text}")).expect("the line is well-formed");
        assert_eq!(pool.memory, Some(ByteSize::from(bytes as u64)));
        assert_eq!(pool.memory, Pool::named("images").memory(text).memory);
    }
}

#[test]
fn a_malformed_size_is_refused_at_the_start_with_the_options_name() {
    let app = || App::new().route(Route::get("/").sync(|_| ""));
    for (app, option) in [
        (app().body_limit("10 gigs"), "`App::body_limit`"),
        (app().worker_memory("10 gigs"), "`App::worker_memory`"),
        (app().form_limits(FormLimits::default().file("10 gigs")), "`App::form_limits`: `file`"),
        (app().server(ServerConfig::new().head_bytes_max("10 gigs")), "`App::server`: `head_bytes_max`"),
        (App::new().route(Route::get("/").sync(|_| "").body_limit("10 gigs")), "route `/`"),
        (App::new().route(Route::get("/").sync(|_| "").body_limit("10 gigs")), "`body_limit`"),
    ] {
        let message = app.test().map(|_| ()).expect_err("the size is malformed").to_string();
        assert!(message.contains(option) && message.contains("invalid size `10 gigs`"), "{message}");
    }
}

#[test]
fn cache_control_is_set_on_success_and_redirect_unless_the_handler_sets_it() {
    let client = super::collected().test().expect("the routes fit together");
    for (path, status, header) in [
        ("/cached/plain", 200, Some("max-age=60")),
        ("/cached/own", 200, Some("no-store")),
        ("/cached/redirect", 308, Some("max-age=60")),
        ("/cached/missing", 404, None),
    ] {
        let response = client.get(path).send().assert_status(status);
        assert_eq!(response.header("cache-control"), header, "{path}");
    }
}

#[test]
fn cache_control_is_not_set_on_the_response_of_a_before_hook() {
    let route = |path| Route::get(path).sync(|_| "private").cache_control("max-age=60");
    let app = App::new().route(route("/open")).route(route("/closed").before(|_| Some(Redirect::to("/login"))));
    let client = app.test().expect("the routes fit together");
    client.get("/open").send().assert_header("cache-control", "max-age=60");
    assert_eq!(client.get("/closed").send().assert_status(303).header("cache-control"), None);
}

#[test]
fn a_cache_control_that_is_not_a_header_value_is_refused_at_the_start() {
    let app = App::new().route(Route::get("/").sync(|_| "").cache_control("no-store\r\nx: y"));
    let message = app.test().map(|_| ()).expect_err("a line break is not allowed in a header").to_string();
    assert!(message.contains("route `/`") && message.contains("`cache_control`"), "{message}");
}
