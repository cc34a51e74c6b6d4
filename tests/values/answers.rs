//! Unusual responses, mostly errors: every kind of route treats them in the same way.
use pixie_web::{
    App, Cookie, Error, HeaderValue, IntoResponse, Pieces, Response, Route, StatusCode, TestClient, abort, header,
};

/// Makes the answer under test.
type Make = fn() -> Response;

/// An app that gives the same response in each kind of route. A stream route uses its head.
fn app(answer: Make) -> App {
    App::new()
        .route(Route::get("/sync").sync(move |_| answer()))
        .route(Route::get("/thread").thread(move |_| answer()))
        .route(Route::get("/async").asynchronous(move |_| async move { answer() }))
        .route(Route::get("/pool").pool(move |_| answer()))
        .route(Route::get("/stream").stream(move |_| Pieces::new(["a piece"]).head(answer())))
}

const KINDS: [&str; 5] = ["/sync", "/thread", "/async", "/pool", "/stream"];

fn client(app: App) -> TestClient {
    app.test().expect("the app fits together")
}

#[test]
fn a_failure_keeps_its_status_in_every_kind_of_route() {
    let answers: [(Make, u16); 4] = [
        (|| (StatusCode::CREATED, Err::<String, Error>(abort(409))).into_response(), 409),
        (|| Response::new("x").header("bad name", "v").code(201), 500),
        (|| Response::from(abort(403)).code(200), 403),
        (|| Response::new("x").code(201), 201),
    ];
    for (answer, status) in answers {
        let client = client(app(answer));
        for kind in KINDS {
            let answer = client.get(kind).header("accept", "application/json").send();
            assert_eq!(answer.status(), status, "{kind}");
            let is_failed = status >= 400;
            assert_eq!(answer.header("content-type") == Some("application/problem+json"), is_failed, "{kind}");
            assert!(!is_failed || answer.json::<serde_json::Value>()["status"] == status, "{kind}: {}", answer.text());
        }
    }
}

#[test]
fn a_failure_keeps_the_headers_and_cookies_that_were_added_to_it() {
    let answer = || {
        let failed = abort(401).with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        let failed = Response::from(failed).header("x-a", "b").cookie(Cookie::new("one", "1"));
        failed.cookie(Cookie::new("two", "2")).content_type("text/csv").header("content-disposition", "attachment")
    };
    let plain = || app(answer).development(false);
    let own = || plain().error_page(401, |_, _| Response::new("sign in").cookie(Cookie::new("three", "3")));
    let pages: [(&dyn Fn() -> App, _, _); 2] = [(&plain, "401 Unauthorized\n", None), (&own, "sign in", Some("3"))];
    for ((make, text, third), kind) in pages.iter().flat_map(|page| KINDS.map(|kind| (page, kind))) {
        let client = client(make());
        let answer = client.get(kind).header("accept", "text/plain").send().assert_status(401).assert_text(text);
        let answer = answer.assert_header("x-a", "b").assert_header("www-authenticate", "Basic");
        assert_ne!(answer.header("content-type"), Some("text/csv"), "{kind}: the page is no table");
        assert_eq!(answer.header("content-disposition"), None, "{kind}: the page is shown, not stored");
        let cookies = ["one", "two", "three"].map(|name| client.cookie(name));
        assert_eq!(cookies.each_ref().map(Option::as_deref), [Some("1"), Some("2"), *third], "{kind}");
    }
}

#[test]
fn an_error_page_that_fails_or_panics_gives_way_to_the_plain_one() {
    let app = app(|| abort(409).into())
        .error_page(404, |_, _| panic!("the page of a missing page"))
        .error_page(409, |_, _| Response::from(abort(503)).header("x-page", "own"))
        .development(false);
    let client = client(app);
    let plain = |path| client.get(path).header("accept", "text/plain").send();
    plain("/nope").assert_status(404).assert_text("404 Not Found\n");
    for kind in KINDS {
        let answer = plain(kind).assert_status(409).assert_text("409 Conflict\n");
        assert_eq!(answer.header("x-page"), None, "{kind}");
    }
}

#[test]
fn a_status_that_ends_no_answer_is_a_500_in_every_kind_of_route() {
    let answers: [(Make, &str); 5] = [
        (|| Response::new("x").code(100), "100 Continue"),
        (|| Response::new("x").code(101), "101 Switching Protocols"),
        (|| Response::new("x").code(103), "103 Early Hints"),
        (|| Error::new(StatusCode::PROCESSING).into(), "102 Processing"),
        (|| abort(700).into(), "abort(700)"),
    ];
    for (answer, cause) in answers {
        let client = client(app(answer).development(true));
        for kind in KINDS {
            let answer = client.get(kind).header("accept", "text/plain").send().assert_status(500);
            assert!(answer.text().contains(cause), "{kind}: {}", answer.text());
        }
    }
    let hooked = app(|| Response::new("fine")).after(|_, response| response.set_status(StatusCode::EARLY_HINTS));
    client(hooked).get("/sync").send().assert_status(500);
}

#[test]
fn caches_are_told_that_an_error_page_depends_on_what_the_client_accepts() {
    let vary = |answer: Make, path: &str, expected: &[&str]| {
        let answer = client(app(answer)).get(path).send();
        assert_eq!(answer.headers().get_all("vary").iter().collect::<Vec<_>>(), expected, "{path}");
    };
    for path in KINDS.into_iter().chain(["/nope"]) {
        vary(|| abort(403).into(), path, &["accept"]);
    }
    for path in KINDS {
        vary(|| Response::from(abort(403)).header("vary", "cookie"), path, &["cookie", "accept"]);
        vary(|| Response::from(abort(403)).header("vary", "Cookie, Accept"), path, &["Cookie, Accept"]);
        vary(|| Response::new("fine"), path, &[]);
    }
}
