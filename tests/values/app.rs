//! Responses of an app, in-process: extractors, return values, errors, state and URLs.
//!
//! Pool routes run on a thread here, through the encoding of workers. `with_workers.rs` does the same with
//! real processes.
use pixie_web::{
    App, Bytes, Cookie, Cookies, Error, Form, Headers, Html, Json, Method, OrAbort, Peer, Query, Redirect, Request,
    Response, Result, Route, State, StatusCode, TestClient, Urls, abort, delete, get, post, put, route,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
struct Person {
    name: String,
    age: u8,
}

#[get("/", sync)]
fn index() -> &'static str {
    "index"
}

#[get("/people/<name>/<age>")]
fn person(name: String, age: u8) -> Json<Person> {
    Json(Person { name, age })
}

#[get("/files/<rest:path>", sync)]
fn file(rest: String) -> String {
    rest
}

#[get("/number/<n:int>", thread)]
fn number(n: i64) -> String {
    n.to_string()
}

#[get("/search")]
async fn search(query: Query<Person>) -> String {
    format!("{} is {}", query.name, query.age)
}

#[post("/form/sync", sync)]
fn form_sync(form: Form<Person>) -> String {
    form.name.clone()
}

#[post("/form/thread", thread)]
fn form_thread(form: Form<Person>) -> String {
    form.name.clone()
}

#[post("/form/async")]
async fn form_async(form: Form<Person>) -> String {
    form.name.clone()
}

#[post("/form/pool")]
fn form_pool(form: Form<Person>) -> String {
    form.name.clone()
}

#[post("/form/stream", stream)]
fn form_stream(form: Form<Person>) -> impl Iterator<Item = String> {
    form.name.chars().map(String::from).collect::<Vec<_>>().into_iter()
}

#[post("/json")]
fn json(person: Json<Person>) -> String {
    person.name.clone()
}

#[put("/bytes", body_limit = "16B")]
fn bytes(body: Bytes) -> Vec<u8> {
    body.iter().rev().copied().collect()
}

#[route("/both", sync, GET, POST)]
fn both(request: &Request) -> String {
    format!("{} {} {}", request.verb(), request.protocol(), request.query_pairs().get("q").unwrap_or("none"))
}

#[get("/raw")]
fn raw(request: Request) -> Vec<u8> {
    request.raw()
}

#[get("/maybe", sync)]
fn maybe(cookies: Cookies, query: Option<Query<Person>>) -> String {
    format!("{:?} {}", cookies.get("seen"), query.is_some())
}

#[get("/outcome", sync)]
fn outcome(query: Result<Query<Person>, Error>) -> String {
    query.map_or_else(|error| error.detail().unwrap_or_default().to_owned(), |query| query.name.clone())
}

#[get("/agent")]
fn agent(headers: Headers) -> String {
    headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or("none").to_owned()
}

#[get("/peer", sync)]
fn peer(peer: Option<Peer>) -> StatusCode {
    if peer.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT }
}

#[get("/set", sync)]
fn set_cookie() -> Response {
    Response::new("set").cookie(Cookie::new("seen", "yes, twice"))
}

#[get("/go", sync)]
fn go(urls: Urls) -> Result<Redirect> {
    Ok(Redirect::to(urls.url_for("person", &[("name", &"Ada L"), ("age", &36)])?))
}

#[get("/page", sync)]
fn page() -> Html<&'static str> {
    Html("<p>page")
}

#[get("/teapot", sync)]
fn teapot() -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    (StatusCode::IM_A_TEAPOT, [("x-pot", "short")], "stout")
}

#[get("/nothing", sync)]
fn nothing() -> Option<String> {
    None
}

#[get("/io/<kind>", sync)]
fn io(kind: String) -> Result<String> {
    match kind.as_str() {
        "question" => Ok(std::fs::read_to_string("/no/such/secret/file")?),
        "abort" => Err(abort(409).with_detail("somebody was faster")),
        _ => None::<String>.or_abort(410),
    }
}

#[get("/io/pool")]
fn io_in_pool() -> Result<String, std::io::Error> {
    std::fs::read_to_string("/no/such/secret/file")
}

#[get("/panic/sync", sync)]
fn panic_sync() -> String {
    panic!("a secret")
}

#[get("/panic/thread", thread)]
fn panic_thread() -> String {
    panic!("a secret")
}

#[get("/panic/async")]
async fn panic_async() -> String {
    panic!("a secret")
}

#[get("/panic/pool")]
fn panic_pool() -> String {
    panic!("a secret")
}

#[get("/panic/stream", stream)]
fn panic_stream() -> std::iter::Once<String> {
    panic!("a secret")
}

#[get("/cut", stream)]
fn cut() -> impl Iterator<Item = String> {
    (0..3).map(|number| if number < 2 { format!("{number};") } else { panic!("in the middle") })
}

#[get("/late", thread, deadline = "10ms")]
fn late() -> &'static str {
    // Longer than the deadline on any machine: the response must be 504 before this ends.
    std::thread::park_timeout(std::time::Duration::from_secs(2));
    "late"
}

#[get("/late/async", deadline = "10ms")]
async fn late_async() -> &'static str {
    std::future::pending().await
}

#[delete("/count", sync)]
fn count(count: State<u32>) -> String {
    count.to_string()
}

#[get("/worker/count")]
fn worker_count(count: State<u64>) -> String {
    count.to_string()
}

fn app() -> App {
    crate::collected().development(false)
}

fn client() -> TestClient {
    app().test().expect("the app fits together")
}

#[test]
fn wildcards_are_bound_by_name_and_type() {
    let client = client();
    let person: Person = client.get("/people/Ada%20L/36").send().assert_status(200).json();
    assert_eq!((person.name.as_str(), person.age), ("Ada L", 36));
    client.get("/people/Ada/old").send().assert_status(404);
    client.get("/files/a/b%2Fc").send().assert_text("a/b/c");
    client.get("/number/-12").send().assert_text("-12");
    client.get("/number/twelve").send().assert_status(404);
    client.get("/files/%zz").send().assert_status(400);
}

#[test]
fn head_options_and_allow_come_with_the_routes() {
    let client = client();
    client.request(Method::HEAD, "/").send().assert_status(200);
    client
        .request(Method::OPTIONS, "/both")
        .send()
        .assert_status(204)
        .assert_header("allow", "GET, HEAD, OPTIONS, POST");
    client.delete("/").send().assert_status(405).assert_header("allow", "GET, HEAD, OPTIONS");
    client.get("/missing").send().assert_status(404);
}

#[test]
fn forms_reach_all_five_kinds() {
    let client = client();
    for kind in ["sync", "thread", "async", "pool", "stream"] {
        let path = format!("/form/{kind}");
        client.post(&path).form(&[("name", "Ada"), ("age", "36")]).send().assert_status(200).assert_text("Ada");
        client.post(&path).form(&[("name", "Ada")]).send().assert_status(422);
        client.post(&path).header("content-type", "text/plain").body("x").send().assert_status(415);
    }
}

#[test]
fn bodies_are_read_by_their_type_and_limited_in_length() {
    let client = client();
    client.post("/json").json(&Person { name: "Ada".into(), age: 36 }).send().assert_text("Ada");
    client.post("/json").header("content-type", "application/json").body("{").send().assert_status(400);
    client.post("/json").json(&1).send().assert_status(422);
    client.put("/bytes").body("0123456789abcdef").send().assert_text("fedcba9876543210");
    client.put("/bytes").body("0123456789abcdef0").send().assert_status(413);
}

#[test]
fn a_request_shows_all_its_parts() {
    let client = client();
    client.post("/both?q=x%20y").send().assert_text("POST HTTP/1.1 x y");
    client.get("/raw?a=1").header("x-one", "1").send().assert_text("GET /raw?a=1 HTTP/1.1\r\nx-one: 1\r\n\r\n");
    client.get("/agent").header("user-agent", "test").send().assert_text("test");
    client.get("/search?name=Ada&age=36").send().assert_text("Ada is 36");
    client.get("/search").send().assert_status(400);
    client.get("/maybe").send().assert_text("None false");
    client.get("/maybe?name=Ada&age=200").send().assert_text("None true");
    client.get("/maybe?name=Ada").send().assert_status(400);
    client.get("/peer").send().assert_status(204);
    assert!(
        client.get("/outcome?name=Ada").send().text().contains("`age` of the query string does not fit: it is missing")
    );
}

#[test]
fn what_handlers_return_becomes_a_response() {
    let client = client();
    client.get("/").send().assert_header("content-type", "text/plain; charset=utf-8");
    client.get("/page").send().assert_header("content-type", "text/html; charset=utf-8");
    client.get("/teapot").send().assert_status(418).assert_header("x-pot", "short").assert_text("stout");
    client.get("/nothing").send().assert_status(404);
    client.get("/go").send().assert_status(303).assert_header("location", "/people/Ada%20L/36");
    client.get("/").send().assert_header("x-content-type-options", "nosniff");
}

#[test]
fn the_client_keeps_cookies_and_they_are_safe_by_default() {
    let client = client();
    let expected = "seen=yes%2C%20twice; HttpOnly; SameSite=Lax; Path=/";
    client.get("/set").send().assert_header("set-cookie", expected);
    assert_eq!(client.cookie("seen").as_deref(), Some("yes, twice"));
    client.get("/maybe").send().assert_text("Some(\"yes, twice\") false");
}

#[test]
fn the_client_sends_a_cookie_to_its_path_and_domain_and_a_secure_one_only_over_https() {
    // Sets the cookie of the query, or shows the cookies of the request.
    let answer = |request: &mut Request| match request.query().and_then(|query| query.split_once(':')) {
        Some((name, attributes)) => {
            Response::new("").header("set-cookie", format!("{name}=1{}", attributes.replace('+', "; ")))
        }
        None => Response::new(request.header("cookie").unwrap_or_default().to_owned()),
    };
    let app = || App::new().route(Route::get("/<rest:path>").sync(answer));
    let client = app().test().expect("the app fits together");
    for (set_at, cookie, sent_to, not_to) in [
        ("/a/b/set", "c:", "/a/b/x", "/a/x"),
        ("/a/set", "c:+Path=/a/b", "/a/b", "/a/bc"),
        ("/a/set", "c:+Path=relative", "/a/x", "/x"),
        ("/a/set", "c:+Path=/", "/x", "http://other.example/x"),
        ("/a/set", "c:+Path=/+Secure", "https://localhost/x", "/x"),
        ("http://a.example/a/set", "c:+Path=/", "http://a.example/x", "http://b.a.example/x"),
        ("http://b.a.example/a/set", "c:+Path=/+Domain=.A.example", "http://c.a.example/x", "http://da.example/x"),
    ] {
        client.get(&format!("{set_at}?{cookie}")).send().assert_status(200);
        client.get(sent_to).send().assert_text("c=1");
        client.get(not_to).send().assert_text("");
        client.get(&format!("{set_at}?{cookie}+Expires=Thu,%2001%20Jan%201970%2000:00:00%20GMT+Max-Age=0")).send();
        client.get(sent_to).send().assert_text("");
    }
    client.get("http://a.example/a/set?c:+Domain=example.org").send();
    assert_eq!(client.cookie("c"), None, "a host sets no cookies for another");
    client.get("/a/b/set?two:+Path=/").send();
    client.get("/a/b/set?one:").send();
    client.get("/a/b/x").send().assert_text("one=1; two=1");
    let secure = app().https(true).test().expect("the app fits together");
    secure.get("/a/set?c:+Path=/").send();
    secure.get("/x").send().assert_text("c=1");
}

#[test]
fn the_host_of_the_target_is_the_host_that_handlers_see() {
    let app = App::new().route(Route::get("/").sync(|request: &mut Request| request.header("host").map(str::to_owned)));
    let client = app.test().expect("the app fits together");
    client.get("http://a.example:81/").header("host", "b.example").send().assert_text("a.example:81");
}

#[test]
fn a_body_with_a_content_coding_is_refused_unless_a_hook_decodes_it() {
    let app = || App::new().route(Route::post("/").sync(|request: &mut Request| request.body().to_vec()));
    let coded =
        |client: &TestClient, coding: &str| client.post("/").header("content-encoding", coding).body("x").send();
    let client = app().test().expect("the app fits together");
    coded(&client, "gzip").assert_status(415).assert_header("accept-encoding", "identity");
    coded(&client, "identity").assert_status(200).assert_text("x");
    let decodes = |request: &mut Request| {
        request.headers_mut().remove("content-encoding");
        request.set_body("decoded".into());
    };
    coded(&app().before(decodes).test().expect("the app fits together"), "gzip")
        .assert_status(200)
        .assert_text("decoded");
}

#[test]
fn errors_have_their_status_and_hide_their_cause() {
    let client = client();
    client.get("/io/abort").send().assert_status(409);
    client.get("/io/other").send().assert_status(410);
    for path in ["/io/question", "/io/pool"] {
        let answer = client.get(path).header("accept", "text/html").send().assert_status(500);
        assert!(!answer.text().contains("file") && !answer.text().contains("os error"), "{}", answer.text());
    }
    let detail: serde_json::Value = client.get("/io/abort").send().json();
    assert_eq!(detail["detail"], "somebody was faster");
    assert_eq!(detail["status"], 409);
}

#[test]
fn in_development_the_page_shows_cause_place_and_request() {
    let client = app().development(true).test().expect("the app fits together");
    for path in ["/io/question", "/io/pool"] {
        let page = client.get(path).header("accept", "text/html").header("x-mine", "<me>").send().text();
        assert!(page.contains("No such file or directory"), "{page}");
        assert!(page.contains("x-mine<td>&lt;me&gt;"), "{page}");
    }
    for kind in ["sync", "thread", "async", "pool", "stream"] {
        let page = client.get(&format!("/panic/{kind}")).header("accept", "text/html").send().assert_status(500).text();
        assert!(page.contains("panicked: a secret") && page.contains("tests/values/app.rs"), "{kind}: {page}");
    }
}

#[test]
fn a_panic_is_a_500_in_every_kind_and_its_message_stays_inside() {
    let client = client();
    for kind in ["sync", "thread", "async", "pool", "stream"] {
        let answer = client.get(&format!("/panic/{kind}")).send().assert_status(500);
        assert!(!answer.text().contains("secret"), "{kind}: {}", answer.text());
    }
}

#[test]
fn a_stream_that_fails_after_its_head_is_cut() {
    let answer = client().get("/cut").send().assert_status(200);
    assert!(answer.is_cut());
    assert_eq!(answer.text(), "0;1;");
}

#[test]
fn a_deadline_answers_504_in_the_kinds_that_have_one() {
    let client = client();
    client.get("/late").send().assert_status(504);
    client.get("/late/async").send().assert_status(504);
}

#[test]
fn errors_come_in_the_form_that_the_client_reads() {
    let client = client();
    let cases = [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
        ("*/*", "application/problem+json"),
        ("application/json", "application/problem+json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html;q=0.1, application/json", "application/problem+json"),
        ("image/png", "application/problem+json"),
    ];
    for (accept, media) in cases {
        client.get("/missing").header("accept", accept).send().assert_status(404).assert_header("content-type", media);
    }
}

#[test]
fn in_development_a_missing_page_lists_the_routes_nearest_first() {
    let client = app().development(true).test().expect("the app fits together");
    let asked = |path: &str| client.get(path).header("accept", "text/html").send().assert_status(404).text();
    let page = asked("/peple/Ada");
    assert!(page.contains("No route answers <code>GET /peple/Ada</code>"), "{page}");
    let (_, rows) = page.split_once("nearest first").expect("the list");
    let first = rows.split("<tr>").nth(1).expect("a row");
    assert!(first.contains("/people/&lt;name&gt;"), "{first}");
    assert!(page.contains("#[get(&quot;/peple/Ada&quot;)]") || page.contains("#[get(\"/peple/Ada\")]"), "{page}");
    // A path from outside is text.
    assert!(!asked("/%3Cscript%3E'\"").contains("<script>"));
    // A handler that finds nothing is not a missing route.
    let production = app().development(false).test().expect("the app fits together");
    let page = production.get("/peple/Ada").header("accept", "text/html").send().text();
    assert!(!page.contains("people"), "{page}");
}

#[test]
fn an_error_page_can_be_replaced() {
    let own = |error: &Error, view: &pixie_web::ErrorView<'_>| {
        Response::new(format!("{} is not here ({})", view.path, error.status().as_u16()))
    };
    let client = app().error_page(404, own).test().expect("the app fits together");
    client.get("/missing").send().assert_status(404).assert_text("/missing is not here (404)");
    client.delete("/").send().assert_status(405);
}

#[test]
fn state_is_of_the_process_that_the_route_runs_in() {
    let client = client();
    client.delete("/count").send().assert_text("7");
    client.get("/worker/count").send().assert_text("8");
}

fn refusal(app: App) -> String {
    match app.test() {
        Ok(_) => panic!("the app should be refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_app_that_does_not_fit_together_is_refused_with_names_and_the_fix() {
    let reader = |kind: fn(pixie_web::core::RoutePath) -> Route| {
        kind(Route::get("/x").name("reader")).needs(pixie_web::Needs::default().extractor::<State<i8>>())
    };
    let pooled = |path: pixie_web::core::RoutePath| path.pool(|_| "x");
    let inline = |path: pixie_web::core::RoutePath| path.sync(|_| "x");
    let cases = [
        (App::new(), "has no routes"),
        (App::new().route(Route::get("/<a").sync(|_| "x")), "tests/values/app.rs"),
        (App::new().route(reader(pooled)).state(1i8), "`App::worker_state`"),
        (App::new().route(reader(inline)), "put it in with `App::state`"),
        (App::new().route(reader(inline)).worker_state(|| 1i8), "`App::state`"),
        (App::collect().include("missing"), "missing"),
        (app().route(Route::get("/").name("second").sync(|_| "x")), "second"),
        (app().error_page(200, |_, _| Response::new("x")), "400 to 599"),
        (app().threads(0), "from 1 on"),
    ];
    for (app, expected) in cases {
        let message = refusal(app);
        assert!(message.contains(expected), "`{expected}` is not in: {message}");
    }
}

#[test]
fn addresses_are_made_from_names_and_wrong_ones_are_named() {
    let urls = client().urls();
    assert_eq!(urls.url_for("number", &[("n", &-3)]).expect("it has this wildcard"), "/number/-3");
    let unknown = urls.url_for("nobody", &[]).expect_err("there is no such route").to_string();
    assert!(unknown.contains("`nobody`"), "{unknown}");
    assert!(urls.url_for("number", &[]).is_err());
    assert!(urls.url_for("number", &[("n", &"x")]).is_err());
}

#[test]
fn the_test_client_asks_with_every_method_that_has_an_attribute() {
    let route = Route::get("/").method(Method::POST).method(Method::PUT).method(Method::PATCH).method(Method::DELETE);
    let app = App::new().route(route.sync(|request: &mut pixie_web::Request| request.verb().to_owned()));
    let client = app.csrf(false).test().expect("the app fits together");
    let asked = [client.get("/"), client.post("/"), client.put("/"), client.patch("/"), client.delete("/")];
    let verbs: Vec<_> = asked.into_iter().map(|request| request.send().text()).collect();
    assert_eq!(verbs, ["GET", "POST", "PUT", "PATCH", "DELETE"]);
}
