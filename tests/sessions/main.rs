//! Sessions as an app uses them: in every kind of route, in real workers, over HTTPS, and with cookies that
//! were forged, copied or have expired.
mod in_store;
#[cfg(feature = "store-redis")]
#[path = "../programs/redis.rs"]
mod redis;

use std::time::{Duration, Instant};

use pixie_web::{
    App, FromRequest, IntoResponse as _, Needs, Redirect, Request, Response, Result, Route, Session, Sessions,
    TestClient, Writer, abort, get,
};

const SECRET: &str = "a secret of thirty-two bytes or more";
const NEXT: &str = "the next secret of thirty-two bytes or more";
pub(crate) const KINDS: [&str; 5] = ["sync", "thread", "async", "pool", "stream"];

/// The same code for each kind: counts a visit.
fn count(session: &Session) -> Result<String> {
    let visits = session.get("visits")?.unwrap_or(0) + 1;
    session.set("visits", &visits)?;
    Ok(visits.to_string())
}

#[get("/visits/sync", sync)]
fn visits_sync(session: Session) -> Result<String> {
    count(&session)
}

#[get("/visits/thread", thread)]
fn visits_thread(session: Session) -> Result<String> {
    count(&session)
}

#[get("/visits/async")]
async fn visits_async(session: Session) -> Result<String> {
    count(&session)
}

#[get("/visits/pool")]
fn visits_pool(session: Session) -> Result<String> {
    count(&session)
}

#[get("/visits/stream", stream)]
fn visits_stream(session: Session, writer: &mut Writer<'_>) -> Result<()> {
    Ok(writer.send(count(&session)?)?)
}

/// Adds routes `/name/kind` that run the same code.
pub(crate) fn in_all_kinds(app: App, name: &str, run: fn(&Session) -> Result<Response>) -> App {
    let at = |kind| Route::get(&*format!("/{name}/{kind}").leak());
    let needs = || Needs::default().extractor::<Session>();
    let run = move |request: &mut Request| run(&Session::from_request(request)?);
    app.route(at("sync").sync(run).needs(needs()))
        .route(at("thread").thread(run).needs(needs()))
        .route(at("async").asynchronous(move |mut request| async move { run(&mut request) }).needs(needs()))
        .route(at("pool").pool(run).needs(needs()))
        .route(at("stream").stream_to(move |request, writer| write(run(request)?, writer)).needs(needs()))
}

fn write(mut response: Response, writer: &mut Writer<'_>) -> Result<()> {
    let body = response.take_body();
    writer.set_head(response)?;
    Ok(writer.send(body.as_bytes().unwrap_or_default())?)
}

fn sign_in(session: &Session) -> Result<Response> {
    session.renew()?;
    session.set("user", "Ada")?;
    Ok(Redirect::to("/").into_response())
}

pub(crate) fn app() -> App {
    with_secrets(&[SECRET])
}

fn with_secrets(secrets: &[&str]) -> App {
    let app = in_all_kinds(App::collect().keys(secrets), "in", sign_in);
    let app = in_all_kinds(app, "out", |session| session.end().map(|()| Response::new("out")));
    let app = in_all_kinds(app, "who", |session| {
        Ok(Response::new(session.get::<String>("user")?.unwrap_or_else(|| "a guest".into())))
    });
    let app = in_all_kinds(app, "refused", |session| {
        session.set("tries", &(session.get::<u32>("tries")?.unwrap_or(0) + 1))?;
        Err(abort(401))
    });
    let app = in_all_kinds(app, "failed", |session| {
        session.set("tries", &100)?;
        Err(abort(500))
    });
    let app = in_all_kinds(app, "panics", |session| {
        session.set("tries", &100)?;
        panic!("too much")
    });
    let app = in_all_kinds(app, "tries", |session| Ok(Response::new(format!("{:?}", session.get::<u32>("tries")?))));
    in_all_kinds(app, "large", |session| {
        session.set("text", &"a".repeat(2_889))?;
        let error = session.set("text", &"a".repeat(2_890)).expect_err("it is too large");
        assert_eq!(session.get::<String>("text")?.map(|text| text.len()), Some(2_889));
        Ok(Response::new(error.to_string()))
    })
}

pixie_web::test_worker!(app);

fn client() -> TestClient {
    app().test().expect("the app fits together")
}

#[test]
fn the_same_code_works_in_every_kind_and_in_real_workers() {
    let workers = |app: App| app.test_with_workers(1).expect("the app fits together");
    let kept = |kept| app().sessions(kept);
    let in_store = kept(Sessions::InStore).test().expect("the app fits together");
    for client in [client(), workers(kept(Sessions::InCookie)), in_store, workers(kept(Sessions::InStore))] {
        for (before, kind) in KINDS.iter().chain(&KINDS).enumerate() {
            let path = format!("/visits/{kind}");
            client.get(&path).send().assert_status(200).assert_text(&(before + 1).to_string());
        }
        for kind in KINDS {
            client.get(&format!("/in/{kind}")).send().assert_status(303);
            KINDS.iter().for_each(|kind| drop(client.get(&format!("/who/{kind}")).send().assert_text("Ada")));
            client.get(&format!("/out/{kind}")).send().assert_text("out");
            assert_eq!(client.cookie("session"), None, "after {kind}");
            client.get(&format!("/who/{kind}")).send().assert_text("a guest");
        }
    }
}

#[test]
fn changes_are_saved_with_a_refusal_but_not_with_a_failure_of_the_server() {
    for kind in KINDS {
        let client = client();
        client.get(&format!("/refused/{kind}")).send().assert_status(401);
        client.get(&format!("/failed/{kind}")).send().assert_status(500);
        client.get(&format!("/panics/{kind}")).send().assert_status(500);
        client.get(&format!("/tries/{kind}")).send().assert_text("Some(1)");
    }
}

#[test]
fn a_session_is_as_large_as_a_cookie_allows() {
    for kind in KINDS {
        let client = client();
        let sent = client.get(&format!("/large/{kind}")).send().assert_status(200);
        assert!(sent.text().contains("2901 bytes, but may have 2900: store less"), "{}", sent.text());
        let cookie = sent.header("set-cookie").expect("a cookie is set");
        assert!((3_900..4_096).contains(&cookie.len()), "{} bytes", cookie.len());
    }
}

#[test]
fn no_cookie_is_sent_until_a_value_is_set_and_then_only_after_a_change() {
    let client = client();
    for kind in KINDS {
        let sent = client.get(&format!("/who/{kind}")).send().assert_text("a guest").assert_header("vary", "cookie");
        assert_eq!((sent.header("set-cookie"), sent.header("cache-control")), (None, None));
        assert_eq!(client.get(&format!("/out/{kind}")).send().header("set-cookie"), None);
    }
    let sent = client.get("/in/sync").send().assert_header("cache-control", "no-store");
    let cookie = sent.header("set-cookie").expect("a cookie is set");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=86400"), "{cookie}");
    for kind in KINDS {
        let sent = client.get(&format!("/who/{kind}")).send().assert_text("Ada");
        assert_eq!((sent.header("set-cookie"), sent.header("cache-control")), (None, None));
    }
}

#[test]
fn over_https_only_the_host_itself_can_set_the_cookie() {
    let client = app().https(true).test().expect("the app fits together");
    let sent = client.get("/in/pool").send();
    let cookie = sent.header("set-cookie").expect("a cookie is set").to_owned();
    assert!(cookie.starts_with("__Host-session=") && cookie.contains("; Secure"), "{cookie}");
    client.get("/who/pool").send().assert_text("Ada");
    // The value is valid only under the name with the prefix, and that name is not read over plain HTTP.
    let value = client.cookie("__Host-session").expect("it was set");
    for pair in [format!("session={value}"), format!("__Host-session={value}")] {
        self::client().get("/who/sync").header("cookie", &pair).send().assert_text("a guest");
    }
}

#[test]
fn a_cookie_that_is_forged_or_of_another_app_is_a_new_session() {
    let value = |client: &TestClient| {
        client.get("/in/sync").send();
        client.cookie("session").expect("it was set")
    };
    let own = value(&client());
    let other = value(&with_secrets(&[NEXT]).test().expect("the app fits together"));
    let cut = &own[..own.len() - 4];
    let client = client();
    for forged in ["", "Ada", "{\"v\":{\"user\":\"Ada\"}}", &other, cut] {
        for kind in KINDS {
            let request = client.get(&format!("/who/{kind}")).header("cookie", &format!("session={forged}"));
            request.send().assert_status(200).assert_text("a guest");
        }
    }
    // A forged cookie does not hide the valid one.
    let both = format!("session={other}; session={own}");
    client.get("/who/sync").header("cookie", &both).send().assert_text("Ada");
}

#[test]
fn a_new_secret_in_front_of_the_old_one_ends_no_session() {
    let before = client();
    before.get("/in/sync").send();
    let pair = format!("session={}", before.cookie("session").expect("it was set"));
    let rotated = with_secrets(&[NEXT, SECRET]).test().expect("the app fits together");
    rotated.get("/who/pool").header("cookie", &pair).send().assert_text("Ada");
    // A change seals the session with the new secret.
    rotated.get("/visits/pool").header("cookie", &pair).send();
    let pair = format!("session={}", rotated.cookie("session").expect("it was set"));
    let finished = with_secrets(&[NEXT]).test().expect("the app fits together");
    finished.get("/who/pool").header("cookie", &pair).send().assert_text("Ada");
}

#[test]
fn a_session_ends_when_it_is_idle_for_too_long() {
    let (idle, lifetime) = (Duration::from_secs(1), Duration::from_secs(60));
    let client = app().session_times(idle, lifetime).test().expect("the app fits together");
    client.get("/in/sync").send();
    // The jar keeps an expired cookie out, so the cookie is sent by hand.
    let pair = format!("session={}", client.cookie("session").expect("it was set"));
    let end = Instant::now() + Duration::from_secs(10);
    while client.get("/who/pool").header("cookie", &pair).send().text() != "a guest" {
        assert!(Instant::now() < end, "the session does not end");
    }
}

#[test]
fn a_change_after_the_head_is_an_error_and_is_not_saved() {
    let late = |request: &mut Request, writer: &mut Writer<'_>| {
        let session = Session::from_request(request)?;
        session.set("user", "Ada")?;
        writer.send("first, ")?;
        let told = [session.set("user", "Eve"), session.remove("user"), session.renew(), session.end()];
        let refused = told.into_iter().filter(|told| told.as_ref().is_err_and(says_why)).count();
        Ok(writer.send(refused.to_string())?)
    };
    let late = Route::get("/late").stream_to(late).needs(Needs::default().extractor::<Session>());
    let client = app().route(late).test().expect("the app fits together");
    client.get("/late").send().assert_text("first, 4");
    client.get("/who/sync").send().assert_text("Ada");
}

fn says_why(error: &pixie_web::Error) -> bool {
    error.to_string().contains("the head of the response was sent")
}

#[test]
fn hooks_read_and_change_the_session() {
    let guard = |request: &mut Request| -> Result<Option<Response>> {
        let session = Session::from_request(request)?;
        if session.get::<String>("user")?.is_some() {
            return Ok(None);
        }
        session.set("next", request.path())?;
        Ok(Some(Redirect::to("/in/sync").into_response()))
    };
    let back = |session: &Session| Ok(Response::new(session.get::<String>("next")?.unwrap_or_default()));
    for kind in KINDS {
        let guarded = Route::get("/guarded").sync(|_| "secret").needs(Needs::default()).before(guard);
        let client = in_all_kinds(app().route(guarded), "back", back).test().expect("the app fits together");
        client.get("/guarded").send().assert_status(303);
        client.get(&format!("/back/{kind}")).send().assert_text("/guarded");
        client.get(&format!("/in/{kind}")).send();
        client.get("/guarded").send().assert_text("secret");
    }
}

#[test]
fn a_worker_gets_neither_the_cookie_nor_a_session_that_its_route_does_not_read() {
    let seen = |request: &mut Request| {
        let session = Session::from_request(request).is_ok();
        format!("{session} {}", request.headers().len())
    };
    let with = Route::get("/with").pool(seen).needs(Needs::default().extractor::<Session>());
    let without = Route::get("/without").pool(seen).needs(Needs::default());
    let client = app().route(with).route(without).test().expect("the app fits together");
    client.get("/in/sync").send();
    client.get("/with").send().assert_text("true 0");
    client.get("/without").send().assert_text("false 0");
}

#[test]
fn a_response_with_the_cookie_stays_out_of_shared_caches() {
    let cached = |name: &'static str, value: &'static str| {
        let set = |request: &mut Request| Session::from_request(request)?.set("a", "b");
        Route::get(name).sync(move |request| set(request).map(|()| "")).cache_control(value)
    };
    let routes = [("/public", "public, max-age=60"), ("/private", "private, max-age=60"), ("/never", "No-Store")];
    for (path, given) in routes {
        let client = app().route(cached(path, given)).test().expect("the app fits together");
        let expected = if path == "/public" { "no-store" } else { given };
        client.get(path).send().assert_status(200).assert_header("cache-control", expected);
        // The second request changes nothing, so the response is the handler's.
        client.get(path).send().assert_header("cache-control", given);
    }
}

#[test]
fn an_app_without_a_secret_names_the_route_and_the_fix() {
    let refused = App::collect().test().expect_err("the app does not start").to_string();
    for part in ["tests/sessions/main.rs:", "needs a session", "App::keys", "PIXIE_SECRET", "Sessions::InStore"] {
        assert!(refused.contains(part), "{refused}");
    }
    for app in [app().session_cookie("a b"), app().session_cookie("__Host-a"), app().session_cookie("")] {
        let refused = app.test().expect_err("the name is wrong").to_string();
        assert!(refused.contains("session_cookie"), "{refused}");
    }
    let (idle, lifetime) = (Duration::from_secs(2), Duration::from_secs(1));
    let refused = app().session_times(idle, lifetime).test().expect_err("the times are wrong").to_string();
    assert!(refused.contains("session_times"), "{refused}");
}

#[test]
fn two_apps_on_one_host_have_cookies_of_different_names() {
    let client = app().session_cookie("notes").test().expect("the app fits together");
    client.get("/in/sync").send();
    assert!(client.cookie("notes").is_some() && client.cookie("session").is_none());
    client.get("/who/pool").send().assert_text("Ada");
}
