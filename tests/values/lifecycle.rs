//! What an app does besides answering requests: at its start, after responses, and at its stop.
use std::sync::{Arc, Mutex, MutexGuard};

use pixie_web::{
    AfterResponse, App, AppHandle, Error, Headers, Needs, Request, Result, Route, Shutdown, State, abort,
    core::FromRequest,
};

#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, word: impl Into<String>) {
        self.lines().push(word.into());
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().expect("no panic")
    }
}

fn hello() -> Route {
    Route::get("/").sync(|_| "Hello")
}

#[test]
fn the_steps_run_in_order_and_share_the_state() {
    let (diary, of_start) = (Diary::default(), Diary::default());
    let noted = of_start.clone();
    let reading = Route::get("/").sync(|request| Ok::<_, Error>(State::<u32>::from_request(request)?.to_string()));
    let app = App::new()
        .route(reading.needs(Needs::default().extractor::<State<u32>>()))
        .state(diary.clone())
        .state_with(async move || {
            tokio::task::yield_now().await;
            of_start.note("state");
            Ok(42_u32)
        })
        .on_start(async |app: AppHandle| {
            let number = app.state::<u32>()?;
            app.state::<Diary>()?.note(format!("start {number}"));
            app.state::<Shutdown>()?;
            Ok(())
        })
        .on_stop(async |app: AppHandle| {
            app.state::<Diary>()?.note("first stop");
            Ok(())
        })
        .on_stop(async |_| Err(abort(500)))
        .on_stop(async |app: AppHandle| {
            app.state::<Diary>()?.note("last stop");
            Ok(())
        });
    let client = app.test().expect("it starts");
    client.get("/").send().assert_text("42");
    assert_eq!((&*noted.lines(), &*diary.lines()), (&vec!["state".to_owned()], &vec!["start 42".to_owned()]));
    drop(client);
    assert_eq!(*diary.lines(), ["start 42", "last stop", "first stop"]);
}

#[test]
fn a_step_that_fails_ends_the_start_and_names_its_line() {
    let app = App::new().route(hello()).state_with(async || Err::<u32, _>(abort(500).with_detail("no database")));
    let error = app.test().expect_err("it fails").to_string();
    assert!(error.contains("`App::state_with` (") && error.contains("lifecycle.rs:"), "{error}");
    let error =
        App::new().route(hello()).every("5 minutes", async |_| Ok(())).test().expect_err("a mistake").to_string();
    assert!(error.contains("App::every(\"5 minutes\")") && error.contains("such as `2s`"), "{error}");
    let error = App::new().route(hello()).on_start(async |_| Ok(())).into_service().expect_err("refused").to_string();
    assert!(error.contains("`App::into_service` has no runtime"), "{error}");
}

#[test]
fn a_route_may_read_a_state_that_is_made_at_the_start() {
    let needs = || Needs::default().extractor::<State<u8>>();
    let app = App::new().route(Route::get("/").sync(|_| "").needs(needs())).state_with(async || Ok(1_u8));
    app.test().expect("the start check knows the type");
    let error =
        App::new().route(Route::get("/").sync(|_| "").needs(needs())).test().expect_err("there is none").to_string();
    assert!(error.contains("put it in with `App::state`"), "{error}");
}

fn leaving(status: u16) -> Route {
    let route = Route::get("/").asynchronous(move |mut request: Request| async move {
        let diary = request.state().and_then(|state| state.get::<Diary>()).expect("a diary");
        AfterResponse::from_request(&mut request)?.run(async move {
            diary.note("after");
            Ok(())
        })?;
        Ok::<_, Error>(pixie_web::Response::new("sent").code(status))
    });
    route.needs(Needs::default().extractor::<AfterResponse>())
}

#[test]
fn work_runs_after_the_response_unless_it_is_an_error() -> Result<()> {
    for (status, expected) in [(200, 1), (302, 1), (404, 0)] {
        let diary = Diary::default();
        let client = App::new().route(leaving(status)).state(diary.clone()).test()?;
        client.get("/").send().assert_status(status);
        client.finish_background();
        assert_eq!(diary.lines().len(), expected, "{status}");
    }
    Ok(())
}

#[test]
fn work_that_panics_or_fails_does_not_hold_up_the_stop() -> Result<()> {
    let route = Route::get("/").sync(|request| {
        let after = AfterResponse::from_request(request)?;
        after.run(async { panic!("told to") })?;
        after.run(async { Err(abort(500)) })?;
        Ok::<_, Error>("sent")
    });
    let route = route.needs(Needs::default().extractor::<AfterResponse>());
    let client = App::new().route(route).test()?;
    client.get("/").send().assert_text("sent");
    client.finish_background();
    Ok(())
}

#[test]
fn a_pool_route_cannot_leave_work() {
    let route = Route::get("/").pool(|_| "").needs(Needs::default().extractor::<AfterResponse>());
    let error = App::new().route(route).test().expect_err("refused").to_string();
    assert!(error.contains("its work runs in the main process"), "{error}");
}

struct SignedIn(String);

#[pixie_web::extractor]
fn signed_in(headers: Headers, users: State<Vec<&'static str>>) -> Result<SignedIn> {
    let name = headers.get("x-user").and_then(|name| name.to_str().ok()).ok_or_else(|| Error::missing("sign in"))?;
    let known = users.contains(&name).then(|| SignedIn(name.to_owned()));
    known.ok_or_else(|| abort(403))
}

#[test]
fn the_start_check_sees_the_state_that_an_extractor_of_the_app_reads() -> Result<()> {
    let reading = |request: &mut Request| Ok::<_, Error>(SignedIn::from_request(request)?.0);
    let needs = || Needs::default().extractor::<SignedIn>();
    let thread = || Route::get("/").name("me").thread(reading).needs(needs());
    let pool = || Route::get("/").name("me").pool(reading).needs(needs());
    for (app, remedy) in [
        (App::new().route(thread()), "put it in with `App::state`"),
        (App::new().route(pool()).state(vec!["Ada"]), "make one there with `App::worker_state`"),
    ] {
        let error = app.test().expect_err("it has no such state").to_string();
        assert!(error.contains("`me` (") && error.contains(remedy), "{error}");
    }
    for app in [
        App::new().route(thread()).state_with(async || Ok(vec!["Ada"])),
        App::new().route(pool()).worker_state(|| vec!["Ada"]),
    ] {
        let client = app.test()?;
        client.get("/").header("x-user", "Ada").send().assert_text("Ada");
        client.get("/").header("x-user", "Eve").send().assert_status(403);
        client.get("/").send().assert_status(400);
    }
    Ok(())
}
