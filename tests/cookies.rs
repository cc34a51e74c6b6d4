//! Cookies as an app sets and reads them: over HTTPS, and sealed, in the main process and in workers.
use pixie_web::{App, Cookie, HeaderValue, PrivateCookies, Response, Route, SignedCookies, get};

const SECRET: &str = "a secret of thirty-two bytes or more";
const NEXT: &str = "the next secret of thirty-two bytes or more";

#[get("/count/sync", sync)]
fn count_sync(cookies: SignedCookies) -> Response {
    count(&cookies)
}

#[get("/count/pool")]
fn count_pool(cookies: SignedCookies) -> Response {
    count(&cookies)
}

fn count(cookies: &SignedCookies) -> Response {
    let seen: u32 = cookies.get("seen").and_then(|seen| seen.parse().ok()).unwrap_or_default();
    Response::new(seen.to_string()).cookie(cookies.sign(Cookie::new("seen", (seen + 1).to_string())))
}

#[get("/secret/pool")]
fn secret(cookies: PrivateCookies) -> Response {
    let known = cookies.get("secret").unwrap_or_default();
    Response::new(known).cookie(cookies.encrypt(Cookie::new("secret", "hidden")))
}

fn app() -> App {
    App::collect().keys([SECRET])
}

pixie_web::test_worker!(app);

#[test]
fn sealed_cookies_are_read_in_workers_and_in_the_main_process() {
    let client = app().test_with_workers(1).expect("the app fits together");
    for (path, seen) in [("/count/sync", "0"), ("/count/pool", "1"), ("/count/pool", "2"), ("/count/sync", "3")] {
        client.get(path).send().assert_status(200).assert_text(seen);
    }
    client.get("/secret/pool").send().assert_text("");
    client.get("/secret/pool").send().assert_text("hidden");
    assert!(client.cookie("secret").is_some_and(|value| !value.contains("hidden")));
}

#[test]
fn a_new_secret_in_front_of_the_old_one_logs_nobody_out() {
    let before = app().test().expect("the app fits together");
    before.get("/count/sync").send().assert_text("0");
    let pair = format!("seen={}", before.cookie("seen").expect("it was set"));
    let rotated = App::collect().keys([NEXT, SECRET]).test().expect("the app fits together");
    rotated.get("/count/sync").header("cookie", &pair).send().assert_text("1");
    rotated.get("/count/pool").send().assert_text("2");
}

#[test]
fn a_route_that_needs_keys_does_not_start_without() {
    for app in [App::collect(), App::collect().keys(["short"])] {
        let refused = app.test().expect_err("the app does not start").to_string();
        assert!(refused.contains("App::keys") && refused.contains("PIXIE_SECRET"), "{refused}");
    }
    let named = App::collect().test().expect_err("the app does not start").to_string();
    assert!(named.contains("tests/cookies.rs:"), "{named}");
}

#[test]
fn cookies_of_handlers_and_of_hooks_are_secure_over_https_only() {
    let answer = |https: bool, path: &str| {
        let plain = Route::get("/").sync(|_| Response::new("").cookies([("a", "1"), ("__Host-b", "2")]));
        let hooked = Route::get("/hooked").sync(|_| "").after(|_, response| {
            response.headers_mut().insert("set-cookie", HeaderValue::from_static("a=1"));
        });
        let client = App::new().route(plain).route(hooked).https(https).test().expect("the app fits together");
        let sent = client.get(path).send();
        sent.header("set-cookie").expect("a cookie is set").to_owned()
    };
    assert_eq!(answer(false, "/"), "a=1; HttpOnly; SameSite=Lax; Path=/");
    assert_eq!(answer(true, "/"), "a=1; HttpOnly; SameSite=Lax; Path=/; Secure");
    assert_eq!((answer(false, "/hooked").as_str(), answer(true, "/hooked").as_str()), ("a=1", "a=1; Secure"));
}
