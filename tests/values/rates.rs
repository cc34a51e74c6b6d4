//! Limits of how often a client may ask.
use pixie_web::{App, Group, Limit, Request, Route, TestClient};

fn app() -> App {
    App::new()
        .route(Route::get("/").sync(|_| "free"))
        .route(Route::get("/twice").pool(|_| "ran").limit("2/h"))
        .group(Group::new("/api").limit("3/h").route(Route::get("/a").asynchronous(|_| async { "a" })))
}

fn get(client: &TestClient, path: &str, key: &str) -> (u16, Option<String>) {
    let response = client.get(path).header("x-key", key).send();
    let value = |name| response.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    (response.status().as_u16(), value("ratelimit"))
}

#[test]
fn a_client_above_a_limit_is_refused_and_told_when_to_come_back() {
    let client = app().test().expect("it fits together");
    for left in [1, 0] {
        let response = client.get("/twice").send().assert_status(200).assert_text("ran");
        let told = format!("\"/twice\";r={left};t={}", (2 - left) * 1800);
        response.assert_header("ratelimit", &told).assert_header("ratelimit-policy", "\"/twice\";q=2;w=3600");
    }
    let refused = client.get("/twice").send().assert_status(429).assert_header("retry-after", "1800");
    refused.assert_header("ratelimit", "\"/twice\";r=0;t=3600");
    let free = client.get("/").send().assert_status(200);
    assert!(free.headers().get("ratelimit").is_none());
}

#[test]
fn each_limit_counts_for_itself_and_the_response_names_all() {
    let client = app().limit("5/h").test().expect("it fits together");
    assert_eq!(get(&client, "/api/a", ""), (200, Some("\"app\";r=4;t=720, \"/api\";r=2;t=1200".to_owned())));
    assert_eq!(get(&client, "/", ""), (200, Some("\"app\";r=3;t=1440".to_owned())));
    // The group takes a path without a route, too, so that nobody can search for paths without a limit.
    assert_eq!(get(&client, "/api/missing", "").0, 404);
    assert_eq!(get(&client, "/api/a", "").0, 200);
    assert_eq!(get(&client, "/api/a", ""), (429, Some("\"app\";r=0;t=3600, \"/api\";r=0;t=3600".to_owned())));
    assert_eq!(get(&client, "/", ""), (429, Some("\"app\";r=0;t=3600".to_owned())));
}

#[test]
fn a_key_of_any_form_is_counted_and_none_is_not_limited() {
    let key = |request: &Request| request.header("x-key").filter(|key| !key.is_empty()).map(str::to_owned);
    let client = app().limit(Limit::new("1/day").burst(2).by(key)).test().expect("it fits together");
    let long = "k".repeat(300);
    for key in ["a", "a/b", ".", &long] {
        let statuses = [(); 3].map(|()| get(&client, "/", key).0);
        assert_eq!(statuses, [200, 200, 429], "{key}");
    }
    assert_eq!(get(&client, "/", &format!("{long}x")).0, 429);
    assert_eq!([(); 4].map(|()| get(&client, "/", "").0), [200; 4]);
}

#[test]
#[cfg(feature = "sessions")]
fn a_limit_by_session_counts_each_visitor_and_forged_cookies_by_the_address() {
    use pixie_web::{FromRequest, Needs, Result, Session, Sessions};
    let visit = |request: &mut Request| -> Result<String> {
        let session = Session::from_request(request)?;
        session.set("seen", &true)?;
        Ok("seen".to_owned())
    };
    let client = || {
        let needs = Needs::default().extractor::<Session>();
        let app = App::new().sessions(Sessions::InStore).limit(Limit::new("3/h").by_session());
        let app = app.route(Route::get("/set").sync(visit).needs(needs)).route(Route::get("/").sync(|_| "free"));
        app.test().expect("it fits together")
    };
    // The first request has no session yet, so it counts for the address.
    let visitor = client();
    assert_eq!([(); 5].map(|()| get(&visitor, "/set", "").0), [200, 200, 200, 200, 429]);
    let forger = client();
    let forged = |number| forger.get("/").header("cookie", &format!("session=forged{number}")).send().status().as_u16();
    assert_eq!([0, 1, 2, 3].map(forged), [200, 200, 200, 429]);
}

#[test]
fn a_rate_that_is_not_one_is_refused_at_the_start() {
    let refused = |app: App| app.test().expect_err("it is not a rate").to_string();
    let why = refused(app().limit("5 per minute"));
    assert!(why.contains("invalid rate `5 per minute`") && why.contains("such as `5/min`"), "{why}");
    let why = refused(app().route(Route::get("/x").sync(|_| ()).limit("0/min")));
    assert!(why.contains("/x") && why.contains("rates.rs") && why.contains("invalid rate `0/min`"), "{why}");
}
