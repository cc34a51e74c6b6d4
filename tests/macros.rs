//! The routes that the attributes register, called as an app would call them, but without an app.
//!
//! What the compiler says about wrong ones is in `ui.rs`. This file denies warnings and unsafe code, and
//! shadows the names of the standard library, because a user's program may do so as well.
#![deny(warnings, missing_docs, unused_qualifications, elided_lifetimes_in_paths, unreachable_pub)]
#![forbid(unsafe_code)]

use std::{
    future::Future,
    io,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use pixie_web::{
    __macro::{Registered, inventory},
    Body, Bytes, HeaderValue, Method, Request, Response, Route, Writer,
    core::{BodyUse, Found, Handler, PieceSink, RouteType, Router},
};

mod handlers {
    //! Handlers as users write them.
    use std::collections::HashMap;

    use pixie_web::{
        Body, BodyReader, Bytes, Error, Form, Headers, IntoResponse, Json, Peer, Pieces, Query, Request, Result,
        StatusCode, Writer, abort, delete, get, patch, post, put, route,
    };

    #[route("/", sync)]
    fn index() -> String {
        "index".to_owned()
    }

    #[route("/thread", thread, deadline = "500ms")]
    fn on_a_thread() -> &'static str {
        "thread"
    }

    #[route("/async")]
    async fn on_the_runtime() -> &'static str {
        "async"
    }

    #[route("/async/<id:int>", async, deadline = "1m")]
    async fn awaiting(request: &Request, id: u64, Query(query): Query<HashMap<String, String>>) -> Result<String> {
        let name = std::future::ready(query.get("name")).await.ok_or_else(|| abort(400))?;
        Ok(format!("{} {id} {name}", request.verb()))
    }

    #[route("/pool")]
    fn in_the_pool() -> String {
        "pool".to_owned()
    }

    #[post("/thumb/<width>", pool = "images", deadline = "2s", body_limit = "10MB", retry = true, name = "thumbnail")]
    fn thumb(width: u32, image: Bytes) -> Result<Vec<u8>> {
        Ok(image.repeat(width as usize))
    }

    #[route("/both/<rest:path>", sync, GET, POST, body_limit = 1_024)]
    fn both(mut rest: String, request: Request) -> String {
        rest.push_str(request.verb());
        rest
    }

    #[put("/put/<type>/<file>.txt", thread)]
    fn keyword(r#type: String, file: String) -> (StatusCode, String) {
        (StatusCode::CREATED, r#type + &file)
    }

    #[patch("/patch", body_limit = "64KiB")]
    fn patched(Json(values): Json<Vec<u32>>, Headers(headers): Headers) -> Json<u32> {
        Json(values.iter().sum::<u32>() + headers.len() as u32)
    }

    #[delete("/delete")]
    async fn deleted() {}

    #[get("/maybe", sync)]
    fn maybe(peer: Option<Peer>, form: std::result::Result<Form<HashMap<String, String>>, Error>) -> String {
        format!("{} {}", peer.is_none(), form.is_err())
    }

    #[get("/impl", sync)]
    fn nameless(request: &Request) -> impl IntoResponse {
        (StatusCode::ACCEPTED, request.path().to_owned())
    }

    #[get("/read", sync)]
    fn lent_beside_an_extractor(Form(fields): Form<HashMap<String, String>>, request: &Request) -> String {
        format!("{} of {}", fields.len(), request.body().len())
    }

    #[post("/upload")]
    async fn upload(body: Body) -> String {
        body.as_bytes().unwrap_or_default().len().to_string()
    }

    #[post("/counted")]
    fn counted(request: &Request, body: BodyReader) -> Result<String> {
        Ok(format!("{} {}", request.path(), std::io::read_to_string(body)?.len()))
    }

    #[post("/through", stream)]
    fn through(mut body: BodyReader, out: &mut Writer<'_>) -> Result<()> {
        std::io::copy(&mut body, out)?;
        Ok(())
    }

    #[route("/written/<count>", stream, deadline = "5s", pool = "streams")]
    fn written(count: usize, out: &mut Writer<'_>) -> std::io::Result<()> {
        (0..count).try_for_each(|number| out.send(number.to_string()))
    }

    #[route("/silent", stream)]
    fn silent(_: &mut Writer<'_>) {}

    #[route("/pieces", stream)]
    fn pieces() -> impl Iterator<Item = String> {
        ["a", "b"].into_iter().map(String::from)
    }

    #[route("/perhaps/<count:int>", stream)]
    fn perhaps(count: usize) -> Result<Pieces> {
        if count > 3 { Err(abort(416)) } else { Ok(Pieces::new(vec!["x"; count])) }
    }

    #[route("/nameless_pieces", stream)]
    fn nameless_pieces() -> Result<impl Iterator<Item = &'static str>, Error> {
        Ok(["c", "d"].into_iter())
    }

    #[get("/twice/get", sync)]
    #[post("/twice/post", thread)]
    fn twice() -> &'static str {
        "twice"
    }

    #[get("/gone", sync)]
    #[cfg(any())]
    fn gone() -> NoSuchType {}

    /// A handler whose name and arguments are those of the written code.
    #[get("/request/<argument0>/<value>", sync)]
    fn request(argument0: u8, value: u8) -> String {
        format!("{argument0}{value}")
    }

    #[get("/writer", stream)]
    fn writer(writer: &mut Writer<'_>) -> Result<()> {
        writer.send("writer")?;
        Ok(())
    }

    #[get("/owned")]
    async fn owned(request: &Request) -> String {
        request.path().to_owned()
    }

    pub(crate) fn by_hand() -> String {
        index() + &request(1, 2) + twice()
    }

    pub(crate) mod shadowed {
        //! Everything that the written code could mistake for something else.
        #![allow(dead_code, reason = "these names exist to be in the way")]

        pub(crate) struct Result;
        pub(crate) struct Option;
        pub(crate) struct String;
        pub(crate) struct Route;
        pub(crate) struct Box;
        pub(crate) struct Response;
        pub(crate) struct Ok;
        pub(crate) struct Err;
        pub(crate) mod core {}
        pub(crate) mod std {}
        pub(crate) mod pixie_web {}
        pub(crate) trait Getting {
            fn sync(self, _: u8) -> Self;
        }
        impl<T> Getting for T {
            fn sync(self, _: u8) -> Self {
                self
            }
        }

        #[::pixie_web::get("/shadowed/<id>", sync)]
        fn shadowed(id: u8, request: &::pixie_web::Request) -> ::std::string::String {
            ::std::format!("{id}{}", request.verb())
        }

        #[::pixie_web::get("/shadowed/async/<id>")]
        async fn shadowed_async(id: u8) -> &'static str {
            if id == 0 { "zero" } else { "more" }
        }

        #[::pixie_web::get("/shadowed/stream/<id>", stream)]
        fn shadowed_stream(id: u8) -> ::std::vec::IntoIter<::std::string::String> {
            ::std::vec![id.to_string()].into_iter()
        }
    }
}

#[test]
fn a_route_has_the_kind_the_methods_and_the_options_that_are_written() {
    let kinds = [
        ("index", RouteType::Sync),
        ("on_a_thread", RouteType::Thread),
        ("on_the_runtime", RouteType::Async),
        ("in_the_pool", RouteType::Pool),
        ("pieces", RouteType::Stream),
        ("thumbnail", RouteType::Pool),
    ];
    for (name, kind) in kinds {
        assert_eq!(named(name).kind(), kind, "{name}");
    }
    let route = named("thumbnail");
    assert_eq!(route.path(), "/thumb/<width>");
    assert_eq!(route.methods(), [Method::POST]);
    assert_eq!(route.options().pool, Some("images"));
    assert_eq!(route.options().deadline, Some(Duration::from_secs(2)));
    assert_eq!(route.options().body_limit, Some(10_000_000.into()));
    assert!(route.options().retries(&Method::POST));

    let route = named("both");
    assert_eq!(route.methods(), [Method::GET, Method::POST]);
    assert_eq!(
        (route.options().pool, route.options().deadline, route.options().body_limit.clone()),
        (None, None, Some(1024.into()))
    );
    assert!(!route.options().retries(&Method::POST));
    assert_eq!(named("written").options().pool, Some("streams"));
    assert_eq!(named("awaiting").options().deadline, Some(Duration::from_secs(60)));
}

#[test]
fn a_route_knows_its_package_and_its_handlers_line() {
    let source = include_str!("macros.rs");
    let line = source.lines().position(|line| line.starts_with("    fn index()")).expect("it is in this file");
    let place = named("index").place();
    assert_eq!((place.file, place.line as usize), (file!(), line + 1));
    assert!(inventory::iter::<Registered>().all(|registered| registered.package == "pixie-web"));
}

#[test]
fn a_route_needs_what_its_extractors_read() {
    let index = named("index");
    assert_eq!((index.reads().body, index.reads().query), (BodyUse::Unused, false));
    assert_eq!(index.reads().header_names(), Some(&[][..]));
    assert_eq!(named("thumbnail").reads().body, BodyUse::Whole);
    assert_eq!(named("upload").reads().body, BodyUse::Stream);
    assert_eq!(named("counted").reads().body, BodyUse::Read, "a lent request does not change that");
    assert!(named("awaiting").reads().query);
    assert!(named("owned").reads().header_names().is_none(), "a lent request shows everything");
    assert_eq!(named("patched").reads().body, BodyUse::Whole);
}

#[test]
fn handlers_of_every_kind_answer() {
    let cases = [
        ("GET", "/", 200, "index"),
        ("GET", "/thread", 200, "thread"),
        ("GET", "/async", 200, "async"),
        ("GET", "/async/7?name=joe", 200, "GET 7 joe"),
        ("GET", "/pool", 200, "pool"),
        ("POST", "/thumb/2", 200, "[1,2][1,2]"),
        ("GET", "/both/a/b/", 200, "a/b/GET"),
        ("POST", "/both/x", 200, "xPOST"),
        ("PUT", "/put/a/b.txt", 201, "ab"),
        ("PATCH", "/patch", 200, "4"),
        ("DELETE", "/delete", 200, ""),
        ("GET", "/maybe", 200, "true true"),
        ("GET", "/impl", 202, "/impl"),
        ("POST", "/upload", 200, "5"),
        ("POST", "/counted", 200, "/counted 5"),
        ("POST", "/through", 200, "[1,2]|"),
        ("GET", "/written/3", 200, "0|1|2|"),
        ("GET", "/silent", 200, ""),
        ("GET", "/pieces", 200, "a|b|"),
        ("GET", "/perhaps/2", 200, "x|x|"),
        ("GET", "/nameless_pieces", 200, "c|d|"),
        ("GET", "/twice/get", 200, "twice"),
        ("POST", "/twice/post", 200, "twice"),
        ("GET", "/request/1/2", 200, "12"),
        ("GET", "/writer", 200, "writer|"),
        ("GET", "/owned", 200, "/owned"),
        ("GET", "/shadowed/4", 200, "4GET"),
        ("GET", "/shadowed/async/0", 200, "zero"),
        ("GET", "/shadowed/stream/9", 200, "9|"),
    ];
    for (method, target, status, text) in cases {
        let answer = answer(json(method, target));
        assert_eq!((answer.status().as_u16(), text_of(answer).as_str()), (status, text), "{method} {target}");
    }
}

#[test]
fn what_cannot_be_extracted_is_answered_by_the_error_of_the_extractor() {
    let cases = [
        ("GET", "/async/7", 400),                       // the handler's own error
        ("GET", "/async/99999999999999999999999", 404), // fits the filter, not the type
        ("POST", "/thumb/wide", 404),
        ("GET", "/request/1/256", 404),
        ("GET", "/read", 415),
        ("GET", "/written/many", 404),
        ("GET", "/perhaps/-1", 404),
        ("GET", "/perhaps/4", 416),
    ];
    for (method, target, status) in cases {
        assert_eq!(answer(json(method, target)).status().as_u16(), status, "{method} {target}");
    }
}

#[test]
fn a_lent_request_shows_the_body_beside_an_extractor_that_reads_it() {
    let mut request = request("GET", "/read");
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    request.set_body(Body::from("a=1&b=2"));
    assert_eq!(text_of(answer(request)), "2 of 7");
}

#[test]
fn a_handler_stays_a_function_that_can_be_called() {
    assert_eq!(handlers::by_hand(), "index12twice");
}

#[test]
fn a_handler_that_is_not_compiled_has_no_route() {
    assert!(routes().all(|route| route.place().name != "gone"));
}

#[test]
fn a_handler_in_a_function_is_registered_too() {
    #[pixie_web::get("/local", sync)]
    fn local() -> &'static str {
        "local"
    }
    assert_eq!(text_of(answer(request("GET", "/local"))), "local");
}

fn routes() -> impl Iterator<Item = Route> {
    inventory::iter::<Registered>().map(|registered| (registered.route)())
}

fn named(name: &str) -> Route {
    routes().find(|route| route.place().name == name).expect("a route of this name is registered")
}

fn request(method: &str, target: &str) -> Request {
    Request::new(method.parse().expect("a method"), target.parse().expect("a target"))
}

fn json(method: &str, target: &str) -> Request {
    let mut request = request(method, target);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    request.set_body(Body::from(Bytes::from_static(b"[1,2]")));
    request
}

/// Finds the route and runs its handler here and now, whatever its kind.
fn answer(mut request: Request) -> Response {
    let mut router = Router::new();
    for route in routes() {
        let pattern = route.pattern().expect("a checked path").clone();
        let (methods, place) = (route.methods().to_vec(), route.place());
        router.insert(&pattern, &methods, route, place).expect("no two routes are alike");
    }
    let path = request.path().to_owned();
    let Found::Route { value: route, params } = router.find(&request.method().clone(), &path) else {
        panic!("no route for {path}");
    };
    request.plumbing_mut().params = params;
    match route.handler() {
        Handler::Sync(call) | Handler::Thread(call) | Handler::Pool(call) => call(&mut request),
        Handler::Async(call) => at_once(call(request)),
        Handler::Stream(call) => {
            let mut pieces = Joined::default();
            match call(&mut request, &mut Writer::new(&mut pieces)) {
                Ok(()) => Response::new(Body::from(pieces.0)),
                Err(error) => error.into(),
            }
        }
    }
}

/// The pieces of a stream, a bar behind each.
#[derive(Default)]
struct Joined(String);

impl PieceSink for Joined {
    fn start(&mut self, _: &Response) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.0 += &String::from_utf8_lossy(piece);
        self.0.push('|');
        Ok(())
    }

    fn is_closed(&self) -> bool {
        false
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("these handlers wait for nothing"),
    }
}

fn text_of(mut response: Response) -> String {
    let body = response.take_body();
    String::from_utf8(body.as_bytes().unwrap_or_default().to_vec()).expect("text")
}
