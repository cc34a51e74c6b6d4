//! CORS: which pages of other origins may read responses.
use pixie_web::{App, Cors, Method, Route, TestClient, TestResponse};

const SHOP: &str = "https://shop.example";

fn app() -> App {
    App::new().route(Route::put("/cart").sync(|_| "saved")).route(Route::post("/form").sync(|_| "done"))
}

fn client(cors: Cors) -> TestClient {
    app().cors(cors).test().expect("the app fits together")
}

fn preflight(client: &TestClient, origin: &str, method: &str) -> TestResponse {
    let request = client.request(Method::OPTIONS, "/cart").header("origin", origin);
    request.header("access-control-request-method", method).send()
}

#[test]
fn a_browser_that_asks_gets_an_answer_for_allowed_origins_only() {
    let client = client(Cors::origins([SHOP, "http://localhost:5173"]).credentials(true));
    let allowed = preflight(&client, SHOP, "PUT").assert_status(200);
    let allowed = allowed.assert_header("access-control-allow-origin", SHOP);
    let allowed = allowed.assert_header("access-control-allow-credentials", "true");
    let allowed = allowed.assert_header("access-control-allow-methods", "GET,HEAD,POST,PUT,PATCH,DELETE");
    let allowed = allowed.assert_header("access-control-allow-headers", "content-type,authorization");
    allowed.assert_header("access-control-max-age", "3600");
    assert_eq!(preflight(&client, "https://evil.example", "PUT").header("access-control-allow-origin"), None);
    assert_eq!(
        preflight(&client, "https://shop.example.evil.example", "PUT").header("access-control-allow-origin"),
        None
    );
}

#[test]
fn a_page_of_an_allowed_origin_reads_responses_and_errors() {
    let client = client(Cors::origins([SHOP]).expose(["x-total"]));
    let put = client.put("/cart").header("origin", SHOP).header("sec-fetch-site", "cross-site").send();
    let put = put.assert_text("saved").assert_header("access-control-allow-origin", SHOP);
    put.assert_header("access-control-expose-headers", "x-total");
    let missing = client.get("/missing").header("origin", SHOP).send().assert_status(404);
    missing.assert_header("access-control-allow-origin", SHOP);
    // A response without the header must not be kept for a page with it.
    let own = client.get("/missing").send();
    assert!(own.headers().get_all("vary").iter().any(|vary| vary.as_bytes().starts_with(b"origin")));
    let form = client.post("/form").header("origin", "https://evil.example").header("sec-fetch-site", "cross-site");
    form.form(&[("a", "b")]).send().assert_status(403);
}

#[test]
fn every_page_may_read_without_cookies() {
    let client = client(Cors::any_origin());
    preflight(&client, "https://any.example", "PUT").assert_header("access-control-allow-origin", "*");
    let send = |kind: &str| {
        let request =
            client.post("/form").header("origin", "https://any.example").header("sec-fetch-site", "cross-site");
        request.header("content-type", kind).send().status()
    };
    assert_eq!([send("application/json"), send("text/plain")].map(|status| status.as_u16()), [200, 403]);
    // A browser has asked before it sends another method, so the app has allowed it; a form is not asked for.
    let put = |client: &TestClient| client.put("/cart").header("sec-fetch-site", "cross-site").send().status().as_u16();
    assert_eq!(put(&client), 200);
    assert_eq!(put(&app().test().expect("the app fits together")), 403);
}

#[test]
fn options_that_no_browser_asks_for_cors_lists_the_methods() {
    let client = client(Cors::any_origin());
    let answer = client.request(Method::OPTIONS, "/cart").send().assert_status(204);
    assert_eq!(answer.header("allow"), Some("OPTIONS, PUT"));
}

#[test]
fn a_mistake_stops_the_start_and_names_its_line() {
    let error = app().cors(Cors::origins(["https://shop.example/"])).test().expect_err("it has a path");
    let message = error.to_string();
    assert!(message.contains("tests/values/cors.rs:") && message.contains("without a path"), "{message}");
}
