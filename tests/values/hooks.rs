//! Hooks and groups: their order, early responses, error pages, and the values that they carry to workers.
use std::sync::{Arc, Mutex};

use pixie_web::{
    App, Carried, Cookies, Extension, FromRequest, Group, HeaderValue, Headers, Needs, OrAbort, Origin, Peer, Query,
    Redirect, Request, Response, Result, Route, State, Urls, abort, core::boxed_hook, get,
};

/// Notes, in order, what ran.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: &str) {
        self.0.lock().expect("no test panics here").push(note.to_owned());
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("no test panics here")).join(" ")
    }
}

fn level<T>(notes: &Notes, name: &'static str, start: T, add: impl FnOnce(T, Before, After) -> T) -> T {
    let (one, other) = (notes.clone(), notes.clone());
    let before = move |request: &mut Request| {
        one.add(&format!("{name}>"));
        (request.header("x-stop") == Some(name)).then(|| abort(418))
    };
    add(start, Box::new(before), Box::new(move |status| other.add(&format!("<{name}:{status}"))))
}

type Before = Box<dyn Fn(&mut Request) -> Option<pixie_web::Error> + Send + Sync>;
type After = Box<dyn Fn(u16) + Send + Sync>;

fn nested(notes: &Notes) -> App {
    let handled = |name: &'static str| {
        let notes = notes.clone();
        move |_: &mut Request| {
            notes.add(name);
            name
        }
    };
    let route = level(notes, "route", Route::get("/page").sync(handled("page")), |route, before, after| {
        route.before(before).after(move |_, response| after(response.status().as_u16()))
    });
    let inner = level(notes, "inner", Group::new("/users").route(route), |group, before, after| {
        group.before(before).after(move |_, response| after(response.status().as_u16()))
    });
    let outer = level(notes, "outer", Group::new("/admin").group(inner), |group, before, after| {
        group.before(before).after(move |_, response| after(response.status().as_u16()))
    });
    let app = level(notes, "app", App::new(), |app, before, after| {
        app.before(before).after(move |_, response| after(response.status().as_u16()))
    });
    app.group(outer.route(Route::get("/").thread(handled("index")))).route(Route::get("/plain").sync(handled("plain")))
}

#[test]
fn hooks_run_inwards_and_then_outwards() {
    let notes = Notes::default();
    let client = nested(&notes).test().expect("the app fits together");
    let cases = [
        ("/admin/users/page", "app> outer> inner> route> page <route:200 <inner:200 <outer:200 <app:200"),
        ("/admin", "app> outer> index <outer:200 <app:200"),
        ("/plain", "app> plain <app:200"),
        ("/missing", "app> <app:404"),
        ("/administrator", "app> <app:404"),
        ("/admin/missing", "app> outer> <outer:404 <app:404"),
        ("/%61dmin/users/missing", "app> outer> inner> <inner:404 <outer:404 <app:404"),
    ];
    for (path, expected) in cases {
        client.get(path).send();
        assert_eq!(notes.take(), expected, "{path}");
    }
    client.post("/admin").send().assert_status(405);
    assert_eq!(notes.take(), "app> outer> <outer:405 <app:405");
}

#[test]
fn an_early_answer_passes_the_after_hooks_of_the_levels_it_reached() {
    let notes = Notes::default();
    let client = nested(&notes).test().expect("the app fits together");
    let cases = [
        ("app", "app> <app:418"),
        ("outer", "app> outer> <outer:418 <app:418"),
        ("inner", "app> outer> inner> <inner:418 <outer:418 <app:418"),
        ("route", "app> outer> inner> route> <route:418 <inner:418 <outer:418 <app:418"),
    ];
    for (stop, expected) in cases {
        client.get("/admin/users/page").header("x-stop", stop).send().assert_status(418);
        assert_eq!(notes.take(), expected, "{stop}");
    }
}

#[test]
fn within_one_level_after_hooks_nest() {
    let notes = Notes::default();
    let add = |name: &'static str| {
        let notes = notes.clone();
        move |_: &pixie_web::RequestView<'_>, _: &mut Response| notes.add(name)
    };
    let app = App::new().route(Route::get("/").sync(|_| "")).after(add("first")).after(add("second"));
    app.test().expect("the app fits together").get("/").send();
    assert_eq!(notes.take(), "second first");
}

#[test]
fn an_async_hook_may_answer_for_every_kind_and_for_missing_pages() {
    let app = App::new()
        .route(Route::get("/sync").sync(|_| "sync"))
        .route(Route::get("/async").asynchronous(|_| async { "async" }))
        .route(Route::get("/pool").pool(|_| "pool"))
        .route(Route::get("/stream").stream(|_| ["stream"].into_iter()))
        .before(|request| drop(request.headers_mut().insert("x-first", HeaderValue::from_static("1"))))
        .before_async(async |request: &mut Request| {
            tokio::task::yield_now().await;
            assert!(request.header("x-first").is_some(), "hooks run in order, whether they wait or not");
            (request.query() == Some("no")).then(|| Redirect::to("/login"))
        });
    let client = app.test().expect("the app fits together");
    for kind in ["sync", "async", "pool", "stream"] {
        client.get(&format!("/{kind}")).send().assert_status(200).assert_text(kind);
        client.get(&format!("/{kind}?no")).send().assert_header("location", "/login");
    }
    client.get("/missing?no").send().assert_status(303);
    client.get("/missing").send().assert_status(404);
}

#[tokio::test(start_paused = true)]
async fn an_async_hook_that_waits_longer_than_the_deadline_is_a_504() {
    let app = App::new()
        .route(Route::get("/").sync(|_| "never"))
        .before_async(async |_: &mut Request| std::future::pending::<Option<Response>>().await)
        .after(|_, response| drop(response.headers_mut().insert("x-after", HeaderValue::from_static("1"))));
    let request = http::Request::new(pixie_web::Body::empty());
    let Ok(answer) = tower::ServiceExt::oneshot(app.into_service().expect("the app fits together"), request).await;
    assert_eq!(answer.status().as_u16(), 504);
    assert!(answer.headers().contains_key("x-after"));
}

#[test]
fn a_refused_request_never_reaches_a_worker_nor_has_its_body_read() {
    let app = App::new()
        .route(Route::post("/").pool(|_| -> String { panic!("it reached the worker") }).body_limit(1))
        .before(|request| request.header("x-user").or_abort(401).map(drop));
    let client = app.test().expect("the app fits together");
    client.post("/").body("longer than the limit").send().assert_status(401);
    client.post("/").header("x-user", "me").body("longer than the limit").send().assert_status(413);
}

#[test]
fn a_hook_that_panics_is_a_500_and_the_server_lives() {
    let app = App::new()
        .development(false)
        .route(Route::get("/<page>").sync(|request| request.path().to_owned()))
        .before(|request| assert_ne!(request.path(), "/before"))
        .after(|request, _| assert_ne!(request.path(), "/after"))
        .after(|request, response| {
            if request.path() == "/answer" {
                *response = abort(503).into();
            }
        });
    let client = app.test().expect("the app fits together");
    client.get("/before").send().assert_status(500);
    client.get("/after").send().assert_status(500).assert_header("content-type", "application/problem+json");
    client.get("/answer").send().assert_status(503).assert_header("content-type", "application/problem+json");
    client.get("/fine").send().assert_status(200);
}

#[test]
fn the_innermost_error_page_counts_and_after_hooks_see_it() {
    let page = |text: &'static str| move |_: &pixie_web::Error, _: &pixie_web::ErrorView<'_>| Response::new(text);
    let app = App::new()
        .error_page(404, page("app"))
        .error_page(500, page("app"))
        .group(Group::new("/admin").error_page(404, page("admin")))
        .route(Route::get("/admin/broken").sync(|_| abort(500)))
        .route(Route::get("/admin/gone").asynchronous(|_| async { abort(404) }))
        .after(|_, response| {
            let length = response.body().as_bytes().map_or(0, <[u8]>::len);
            response.headers_mut().insert("x-length", HeaderValue::from(length));
        });
    let client = app.test().expect("the app fits together");
    client.get("/missing").send().assert_status(404).assert_text("app").assert_header("x-length", "3");
    client.get("/admin/missing").send().assert_status(404).assert_text("admin").assert_header("x-length", "5");
    client.get("/admin/gone").send().assert_status(404).assert_text("admin");
    client.get("/admin/broken").send().assert_status(500).assert_text("app");
}

#[test]
fn after_hooks_see_what_before_hooks_attached_whatever_the_kind() {
    let app = App::new()
        .route(Route::get("/sync").sync(|_| ""))
        .route(Route::get("/async").asynchronous(|_| async { "" }))
        .route(Route::get("/pool").pool(|_| ""))
        .before(|request| {
            request.extensions_mut().insert(7u32);
        })
        .after(|request, response| {
            let number = request.extensions.get::<u32>().copied().unwrap_or_default();
            let agent = request.headers.get("user-agent").cloned().unwrap_or(HeaderValue::from_static("none"));
            response.headers_mut().insert("x-number", HeaderValue::from(number));
            response.headers_mut().insert("x-agent", agent);
        });
    let client = app.test().expect("the app fits together");
    for path in ["/sync", "/async", "/pool"] {
        client
            .get(path)
            .header("user-agent", "me")
            .send()
            .assert_header("x-number", "7")
            .assert_header("x-agent", "me");
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct User {
    name: String,
}

#[get("/carried/sync", sync)]
fn carried_sync(user: Carried<User>) -> String {
    user.0.name
}

#[get("/carried/async")]
async fn carried_async(user: Carried<User>) -> String {
    user.0.name
}

#[get("/carried/pool")]
fn carried_pool(user: Carried<User>) -> String {
    user.0.name
}

#[get("/carried/stream", stream)]
fn carried_stream(user: Carried<User>) -> impl Iterator<Item = String> {
    [user.0.name].into_iter()
}

#[get("/carried/maybe")]
fn carried_maybe(user: Option<Carried<User>>) -> String {
    format!("{}", user.is_some())
}

#[test]
fn a_carried_value_reaches_every_kind_of_route() {
    let app = crate::collected().development(false).before(|request| match request.header("x-user") {
        Some(name) => {
            let name = name.to_owned();
            request.carry(&User { name: "another".into() })?;
            request.carry(&User { name })
        }
        None => Ok(()),
    });
    let client = app.test().expect("the app fits together");
    for kind in ["sync", "async", "pool", "stream"] {
        let path = format!("/carried/{kind}");
        client.get(&path).header("x-user", "Ada").send().assert_status(200).assert_text("Ada");
        client.get(&path).send().assert_status(500);
    }
    client.get("/carried/maybe").header("x-user", "Ada").send().assert_text("true");
    client.get("/carried/maybe").send().assert_text("false");
}

#[test]
fn an_extension_is_for_routes_of_the_main_process_only() {
    let needs = || Needs::default().extractor::<Extension<u32>>();
    let read =
        |request: &mut Request| Extension::<u32>::from_request(request).map(|Extension(number)| number.to_string());
    let app = App::new().route(Route::get("/").thread(read).needs(needs())).before(|request| {
        request.extensions_mut().insert(7u32);
    });
    app.test().expect("the app fits together").get("/").send().assert_text("7");
    let refused = App::new().route(Route::get("/").pool(read).needs(needs())).test();
    let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("`Extension<u32>`") && message.contains("request.carry"), "{message}");
}

#[test]
fn a_group_with_a_wildcard_or_a_page_without_an_error_status_is_refused_at_the_start() {
    let message = |group: Group| {
        let app = App::new().route(Route::get("/").sync(|_| "")).group(group);
        app.test().err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(message(Group::new("/users/<id>")).contains("must not have wildcards"));
    assert!(message(Group::new("users")).contains("starts with `/`"));
    for outer in ["/admin", "/"] {
        let nested = message(Group::new(outer).group(Group::new("users").route(Route::get("/x").sync(|_| ""))));
        assert!(nested.contains("`Group::new(\"users\")`") && nested.contains("starts with `/`"), "{nested}");
    }
    assert!(message(Group::new("/users").error_page(200, |_, _| Response::new(""))).contains("400 to 599"));
    assert_eq!(message(Group::new("/")), "");
}

#[test]
fn a_group_that_would_not_do_what_it_says_is_refused_at_the_start() {
    let route = |path: &'static str| Route::get(path).sync(|_| "");
    let message = |group: Group| {
        let app = App::new().route(route("/users")).group(group);
        app.test().err().map(|error| error.to_string()).unwrap_or_default()
    };
    let twice = message(Group::new("/admin").route(route("/admin/users")));
    assert!(twice.contains("`/admin/admin/users`") && twice.contains("write `/users`"), "{twice}");
    assert!(message(Group::new("/admin").route(route("/admin"))).contains("write `/`"));
    let nested = Group::new("/admin/users").route(route("/x"));
    assert!(message(Group::new("/admin").group(nested)).contains("write `/users`"));
    assert_eq!(message(Group::new("/admin").route(route("/administrators"))), "");
    let idle = message(Group::new("/admin").before(|_: &mut Request| ()));
    assert!(idle.contains("no route has a path under `/admin`"), "{idle}");
    assert_eq!(message(Group::new("/users").before(|_: &mut Request| ())), "");
}

#[test]
fn a_plain_async_fn_and_a_boxed_closure_are_hooks_of_every_level() {
    async fn waits(request: &mut Request) -> Result<()> {
        tokio::task::yield_now().await;
        request.headers_mut().append("x-hook", HeaderValue::from_static("waits"));
        Ok(())
    }
    let added = HeaderValue::from_static("boxed");
    let boxed = boxed_hook(move |request| {
        let added = added.clone();
        Box::pin(async move {
            request.headers_mut().append("x-hook", added);
        })
    });
    let count = |request: &mut Request| request.headers().get_all("x-hook").iter().count().to_string();
    let route = Route::get("/x").sync(count).before_async(waits).before_async(boxed);
    let app = App::new().before_async(waits).group(Group::new("/in").before_async(waits).route(route));
    app.test().expect("the app fits together").get("/in/x").send().assert_text("4");
}

#[test]
fn a_hook_extracts_what_the_head_of_a_request_has() {
    fn hook(request: &mut Request) -> Result<()> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request(request)?;
        let (Headers(headers), cookies) = (Headers::from_request(request)?, Cookies::from_request(request)?);
        let (State(number), Peer(peer)) = (State::<u8>::from_request(request)?, Peer::from_request(request)?);
        let (Origin { host, .. }, urls) = (Origin::from_request(request)?, Urls::from_request(request)?);
        let id: u32 = request.param("id")?;
        let headers = headers.len();
        let seen = format!(
            "{pairs:?} {} {number} {} {host} {id} {} {}",
            cookies.get("a").unwrap_or_default(),
            peer.port(),
            headers > 1,
            urls.url_for("item", &[("id", &id)])?
        );
        request.carry(&seen)
    }
    let item = |request: &mut Request| Carried::<String>::from_request(request).map(|Carried(seen)| seen);
    let route = Route::post("/<id:int>").name("item").sync(item).before(hook);
    let client = App::new().route(route).state(7u8).test().expect("the app fits together");
    let ask = client.post("/5?q=1").header("cookie", "a=b").header("host", "shop").peer(([192, 0, 2, 1], 9));
    ask.send().assert_text("[(\"q\", \"1\")] b 7 9 shop 5 true /5");
}

#[test]
fn a_hook_that_waits_leaves_a_body_alone_that_its_handler_does_not_read() {
    let route = Route::post("/").sync(|_| "not read").needs(Needs::default()).body_limit(4);
    let client =
        App::new().route(route).before_async(async |_: &mut Request| ()).test().expect("the app fits together");
    client.post("/").body("12345").send().assert_status(200).assert_text("not read");
}

#[test]
fn an_outer_group_comes_first_even_if_its_prefix_is_the_longer_text() {
    let notes = Notes::default();
    let note = |name: &'static str| {
        let notes = notes.clone();
        move |_: &mut Request| notes.add(name)
    };
    let (inner, outer) = (Group::new("/abc/d").before(note("inner")), Group::new("/%61%62%63").before(note("outer")));
    let app = App::new().route(Route::get("/abc/d/x").sync(|_| "")).group(inner).group(outer);
    let client = app.test().expect("the app fits together");
    for path in ["/abc/d/x", "/abc/d/missing"] {
        client.get(path).send();
        assert_eq!(notes.take(), "outer inner", "{path}");
    }
}

#[test]
fn a_hook_does_not_see_the_body_in_a_test_either() {
    let seen = |request: &Request| request.body().len().to_string();
    let hook = move |request: &mut Request| {
        let seen = seen(request);
        request.carry(&seen)
    };
    let both = move |request: &mut Request| {
        let Carried(before) = Carried::<String>::from_request(request)?;
        Ok::<_, pixie_web::Error>(format!("{before} {}", seen(request)))
    };
    let client = App::new().route(Route::post("/").sync(both).before(hook)).test().expect("the app fits together");
    client.post("/").body("12345").send().assert_text("0 5");
    client.post("/").send().assert_text("0 0");
}
