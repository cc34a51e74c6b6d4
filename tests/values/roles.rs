//! Roles: a route of another role is answered with 421 before anything else happens, and the pages of pixie
//! itself are everywhere.
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use pixie_web::{
    App, Body, BodyReader, Error, Form, FromRequest, Group, Method, Needs, Request, Response, Route, StartError,
};

type Fields = Form<Vec<(String, String)>>;

/// An app with a route of each kind, in the role `web` and in that of the pool `images`. `count` counts the
/// hooks that run.
fn app(count: &Arc<AtomicUsize>) -> App {
    let hook = || {
        let count = count.clone();
        move |_: &mut Request| {
            count.fetch_add(1, Ordering::Relaxed);
            None::<Response>
        }
    };
    let after = {
        let count = count.clone();
        move |_: &pixie_web::RequestView<'_>, _: &mut Response| {
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    let reader = |request: &mut Request| BodyReader::from_request(request).map(|_| "read");
    let reads = Needs::default().extractor::<BodyReader>();
    let images = Group::new("/images")
        .before(hook())
        .route(Route::post("/pool").pool(|_| "pool").pool("images"))
        .route(Route::post("/stream").stream(|_| ["stream"].into_iter()).pool("images"))
        .route(Route::post("/form").pool(|_| "form").needs(Needs::default().extractor::<Fields>()).pool("images"))
        .route(Route::post("/read").pool(reader).needs(reads).pool("images").before(hook()));
    App::new()
        .before(hook())
        .after(after)
        .route(Route::post("/sync").sync(|_| "sync"))
        .route(Route::post("/thread").thread(|_| "thread").needs(Needs::whole_request()))
        .route(Route::post("/async").asynchronous(|_| async { "async" }))
        .route(Route::post("/pool").pool(|_| "pool"))
        .route(Route::post("/stream").stream(|_| ["stream"].into_iter()))
        .group(images)
        .health("/healthz")
        .ready("/readyz")
        .status("/status")
        .operators(|_| true)
}

const WEB: [&str; 5] = ["/sync", "/thread", "/async", "/pool", "/stream"];
const IMAGES: [&str; 4] = ["/images/pool", "/images/stream", "/images/form", "/images/read"];

/// A body that nobody may read.
struct Untouched;

impl futures_core::Stream for Untouched {
    type Item = std::io::Result<&'static str>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        panic!("the body is read")
    }
}

#[test]
fn a_route_of_another_role_is_misdirected_before_hooks_run_and_the_body_is_read() {
    for (role, elsewhere) in [("web", &IMAGES[..]), ("images", &WEB)] {
        let count = Arc::new(AtomicUsize::new(0));
        let client = app(&count).role(role).development(false).test().expect("the app fits together");
        for path in elsewhere {
            // A request that the check for forged ones would refuse.
            let request = client.post(path).header("sec-fetch-site", "cross-site");
            let request = request.header("content-type", "multipart/form-data; boundary=b");
            let answer = request.body(Body::from_stream(Untouched)).send().assert_status(421);
            assert!(answer.text().contains("this server does not serve this address"), "{}", answer.text());
            assert!(!answer.text().contains("images"), "a client does not learn the roles: {}", answer.text());
        }
        assert_eq!(count.load(Ordering::Relaxed), 0, "{role}: no hook ran");
    }
}

#[test]
fn a_process_serves_the_routes_of_its_roles() {
    for (role, here) in [("web", &WEB[..]), ("images", &IMAGES), ("all", &WEB), ("all", &IMAGES), ("images,web", &WEB)]
    {
        let count = Arc::new(AtomicUsize::new(0));
        let client = app(&count).role(role).test().expect("the app fits together");
        for path in here {
            let request = client.post(path).header("content-type", "application/x-www-form-urlencoded");
            let word = path.rsplit('/').next().expect("it has a word");
            request.body("a=b").send().assert_status(200).assert_text(word);
        }
        assert!(count.load(Ordering::Relaxed) >= 2 * here.len(), "{role}: hooks run");
    }
}

#[test]
fn requests_without_a_route_belong_to_the_role_web() {
    let count = Arc::default();
    let ask = |role: &str, method: Method, path: &str| {
        let client = app(&count).role(role).test().expect("the app fits together");
        client.request(method, path).send().status().as_u16()
    };
    for (method, path, status) in [
        (Method::GET, "/nowhere", 404),
        (Method::GET, "/images/nowhere", 404),
        (Method::DELETE, "/images/pool", 405),
        (Method::OPTIONS, "/images/pool", 204),
        (Method::GET, "/%zz", 400),
    ] {
        assert_eq!(ask("web", method.clone(), path), status, "{method} {path}");
        assert_eq!(ask("images", method.clone(), path), 421, "{method} {path}");
    }
}

#[test]
fn every_role_has_the_probes_and_the_status_of_its_own_pools() {
    let count = Arc::default();
    for (role, path, pools) in [
        ("web", "/pool", r#"{"default":"ready","streams":"ready"}"#),
        ("images", "/images/pool", r#"{"images":"ready"}"#),
        ("all", "/images/pool", r#"{"default":"ready","images":"ready","streams":"ready"}"#),
    ] {
        let client = app(&count).role(role).test().expect("the app fits together");
        client.get("/healthz").send().assert_status(200);
        let ready = format!(r#"{{"pools":{pools},"ready":true,"reason":null}}"#);
        client.get("/readyz").send().assert_status(200).assert_text(&ready);
        client.post(path).send().assert_status(200);
        let status: serde_json::Value = client.get("/status").send().assert_status(200).json();
        assert_eq!((&status["role"], &status["process"]), (&role.into(), &std::process::id().into()));
        assert!(status["host"].as_str().is_some_and(|host| !host.is_empty()), "{status}");
        assert_eq!(status["pools"].as_array().map(Vec::len), Some(1), "{status}");
    }
}

#[test]
fn the_error_page_of_the_app_shows_a_misdirected_request() {
    let page = |_: &Error, _: &pixie_web::ErrorView<'_>| Response::new("another host has this");
    let client = app(&Arc::default()).error_page(421, page).role("web").test().expect("the app fits together");
    client.post("/images/pool").send().assert_status(421).assert_text("another host has this");
}

#[test]
#[cfg(feature = "sessions")]
fn a_misdirected_request_opens_no_session_and_does_not_count_for_a_limit() {
    use pixie_web::{Result, Session, Sessions};
    let visit = |request: &mut Request| -> Result<String> {
        Session::from_request(request)?.set("seen", &1).map(|()| "seen".into())
    };
    let needs = Needs::default().extractor::<Session>();
    let app = App::new()
        .route(Route::get("/visit").pool(visit).needs(needs).pool("visits").limit("1/h"))
        .sessions(Sessions::InStore)
        .limit("1/h");
    let client = app.role("web").test().expect("the app fits together");
    for _ in 0..3 {
        let answer = client.get("/visit").send().assert_status(421);
        assert_eq!((answer.header("set-cookie"), answer.header("ratelimit")), (None, None));
    }
}

#[test]
fn a_role_that_does_not_exist_and_a_pool_with_the_name_of_a_role_are_refused() {
    let in_pool = |name| App::new().route(Route::get("/").pool(|_| "done").pool(name));
    for (app, why) in [
        (
            app(&Arc::default()).role("imagse"),
            "`App::role`: unknown role `imagse`: did you mean `images`? this app has `web`, `images`, and `all` for every role",
        ),
        (in_pool("web").role("web"), "the pool `web` cannot have a role"),
        (in_pool("all").role("web"), "the pool `all` cannot have a role"),
        (in_pool("images").agent("9707"), "`App::agent`: `9707` is not `HOST:PORT` or `:PORT`"),
        (in_pool("images").replicas(0), "`App::replicas(0)`"),
    ] {
        let error = app.test().expect_err("it is refused");
        let message = error.downcast_ref::<StartError>().expect("it is about the configuration").message();
        assert!(message.contains(why), "{message}");
    }
    in_pool("web").test().expect("without a role it has no meaning").get("/").send().assert_text("done");
}
