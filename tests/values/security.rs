//! Protection that is on by default: cross-site requests are refused, and responses have security headers.
use pixie_web::{App, Bearer, HeaderValue, Result, Route, TestResponse, get, post};

#[post("/hook", sync, csrf = false)]
fn webhook() -> &'static str {
    "thanks"
}

#[post("/transfer", sync)]
fn transfer() -> &'static str {
    "done"
}

fn forged(headers: &[(&str, &str)], path: &str) -> TestResponse {
    let app = crate::collected().trust_origin("https://shop.example").after(|_, response| {
        response.headers_mut().insert("x-after", HeaderValue::from_static("1"));
    });
    let client = app.test().expect("the app fits together");
    headers.iter().fold(client.post(path), |request, (name, value)| request.header(name, value)).send()
}

#[test]
fn a_request_that_another_site_made_a_browser_send_is_refused() {
    let passed = [
        &[][..],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://here.example"), ("host", "here.example")],
        &[("origin", "http://here.example:8000"), ("host", "here.example:8000")],
        &[("origin", "https://here.example"), ("host", "here.example:443")],
        &[("origin", "http://here.example"), ("host", "Here.example:80")],
        &[("origin", "https://[::1]"), ("host", "[::1]:443")],
        &[("origin", "https://shop.example"), ("host", "here.example")],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://shop.example")],
    ];
    for headers in passed {
        forged(headers, "/transfer").assert_status(200);
    }
    let refused = [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "Same-Origin")],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://here.example"), ("host", "here.example")],
        &[("origin", "null"), ("host", "here.example")],
        &[("origin", "https://evil.example"), ("host", "here.example")],
        &[("origin", "https://here.example:444"), ("host", "here.example")],
        &[("origin", "https://here.example:444"), ("host", "here.example:443")],
        &[("origin", "https://here.example"), ("host", "here.example:8443")],
        &[("origin", "https://here.example")],
        &[("origin", "http://shop.example"), ("host", "here.example")],
    ];
    for headers in refused {
        let answer = forged(headers, "/transfer").assert_status(403).assert_header("x-after", "1");
        assert!(answer.text().contains("another site"), "{headers:?}: {}", answer.text());
    }
}

#[test]
fn a_request_that_a_page_of_another_site_cannot_send_unasked_passes() {
    let foreign = ("sec-fetch-site", "cross-site");
    for headers in [
        &[("content-type", "application/json")][..],
        &[("content-type", "Application/JSON; charset=utf-8"), ("cookie", "a=b")],
        &[("content-type", "application/merge-patch+json")],
        &[("authorization", "Bearer 7b1f")],
        &[("authorization", "token 7b1f")],
    ] {
        forged(&[&[foreign], headers].concat(), "/transfer").assert_status(200);
    }
    for headers in [
        &[("content-type", "text/plain")][..],
        &[("content-type", "text/plain; application/json")],
        &[("content-type", "text/json")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "")],
        &[("authorization", "Basic YTpi")],
        &[("authorization", "NEGOTIATE YTpi")],
        &[("authorization", "")],
        &[("authorization", "Bearer 7b1f"), ("cookie", "a=b")],
        &[("content-type", "application/json"), ("upgrade", "websocket")],
    ] {
        forged(&[&[foreign], headers].concat(), "/transfer").assert_status(403);
    }
}

#[test]
fn in_development_a_refused_request_names_the_ways_out() {
    let refusal = |development| {
        let client = crate::collected().development(development).test().expect("the app fits together");
        let request = client.post("/transfer").header("sec-fetch-site", "cross-site");
        request.header("origin", "https://front.example").send().assert_status(403).text()
    };
    let shown = refusal(true);
    assert!(shown.contains("App::trust_origin") && shown.contains("https://front.example"), "{shown}");
    assert!(shown.contains("csrf = false"), "{shown}");
    assert!(!refusal(false).contains("App::"));
}

#[test]
fn a_webhook_and_a_safe_method_are_not_checked() {
    let foreign = [("sec-fetch-site", "cross-site")];
    forged(&foreign, "/hook").assert_status(200);
    let client = crate::collected().csrf(false).test().expect("the app fits together");
    client.post("/transfer").header("sec-fetch-site", "cross-site").send().assert_status(200);
    let guarded = App::new().route(Route::get("/").sync(|_| "")).test().expect("the app fits together");
    guarded.get("/").header("sec-fetch-site", "cross-site").send().assert_status(200);
    for wrong in ["shop.example", "https://shop.example/", "https://Shop.example", "ftp://shop.example", "https://"] {
        assert!(crate::collected().trust_origin(wrong).test().is_err(), "{wrong}");
    }
}

#[test]
fn pages_get_the_headers_that_make_browsers_careful_and_other_answers_only_one() {
    let app = || {
        App::new()
            .route(Route::get("/page").sync(|_| pixie_web::Html("hello")))
            .route(Route::get("/text").sync(|_| "hello"))
            .route(Route::get("/framed").pool(|_| ([("x-frame-options", "DENY")], pixie_web::Html("hello"))))
    };
    let client = app().test().expect("the app fits together");
    let page = client.get("/page").send().assert_header("x-content-type-options", "nosniff");
    let page = page.assert_header("x-frame-options", "SAMEORIGIN");
    page.assert_header("referrer-policy", "strict-origin-when-cross-origin");
    let text = client.get("/text").send().assert_header("x-content-type-options", "nosniff");
    assert_eq!((text.header("x-frame-options"), text.header("referrer-policy")), (None, None));
    client.get("/framed").send().assert_header("x-frame-options", "DENY");
    client.get("/missing").header("accept", "text/html").send().assert_header("x-frame-options", "SAMEORIGIN");
    let bare = app().security_headers(false).test().expect("the app fits together").get("/page").send();
    assert_eq!((bare.header("x-frame-options"), bare.header("x-content-type-options")), (None, None));
    let removed = app().after(|_, response| drop(response.headers_mut().remove("x-frame-options")));
    assert_eq!(removed.test().expect("the app fits together").get("/page").send().header("x-frame-options"), None);
}

#[get("/orders")]
async fn orders(token: Bearer) -> Result<&'static str> {
    if token.is("7b1f") { Ok("two orders") } else { Err(Bearer::refused()) }
}

#[get("/orders/pool", pool)]
fn orders_in_a_worker(token: Bearer) -> Result<&'static str> {
    if token.is("7b1f") { Ok("two orders") } else { Err(Bearer::refused()) }
}

#[get("/orders/own", sync)]
fn own_orders(token: Option<Bearer>) -> &'static str {
    if token.is_some() { "a program" } else { "a visitor" }
}

#[test]
fn a_route_that_reads_a_token_answers_401_with_the_scheme_in_every_kind() {
    let client = crate::collected().test().expect("the app fits together");
    for path in ["/orders", "/orders/pool"] {
        client.get(path).send().assert_status(401).assert_header("www-authenticate", "Bearer");
        let refused = client.get(path).header("authorization", "Bearer 7b20").send().assert_status(401);
        refused.assert_header("www-authenticate", r#"Bearer error="invalid_token""#);
        client.get(path).header("authorization", "bearer 7b1f").send().assert_status(200).assert_text("two orders");
    }
    client.get("/orders/own").send().assert_text("a visitor");
    client.get("/orders/own").header("authorization", "Bearer 7b1f").send().assert_text("a program");
}
