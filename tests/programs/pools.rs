//! Pools with numbers of their own: declared by the program, overridden by the environment, and the clock of
//! a job.
use std::time::Duration;

use crate::support::{self, Program};
use pixie_web::{App, Pool, Route, TimeLimit, get};

#[get("/left", pool = "timed", deadline = "30s")]
fn left(time: TimeLimit) -> String {
    let before = time.remaining().expect("it has a deadline");
    let granted = [2, 4].map(|seconds| time.extend(Duration::from_secs(seconds)).as_secs());
    let after = time.remaining().expect("it still has one");
    assert!(after > before, "{after:?} after {before:?}");
    format!("{granted:?}")
}

fn refusal(app: App) -> String {
    app.test().map(|_| ()).expect_err("the app is refused").to_string()
}

fn in_pool(name: &'static str) -> App {
    App::new().route(Route::get("/").pool(|_| "done").pool(name))
}

#[test]
fn a_handler_sees_what_is_left_of_its_time_and_gets_more_up_to_the_cap() {
    let app = App::collect().pool(Pool::named("timed").extension(Duration::from_secs(5)));
    app.test().expect("the app fits together").get("/left").send().assert_text("[2, 3]");
}

#[test]
fn a_route_of_the_main_process_has_no_clock_to_look_at() {
    use pixie_web::FromRequest;
    let clock = |request: &mut pixie_web::Request| TimeLimit::from_request(request).map(|time| format!("{time:?}"));
    let needs = pixie_web::Needs::default().extractor::<TimeLimit>();
    let app = App::new().route(Route::get("/").sync(clock).needs(needs));
    let message = refusal(app);
    assert!(message.contains("only pool and stream routes have a clock"), "{message}");
}

#[test]
fn a_declared_pool_that_no_route_runs_in_is_refused_with_those_that_there_are() {
    let message = refusal(in_pool("images").pool(Pool::named("imagse")));
    assert!(message.contains("declares `imagse`") && message.contains("routes run in `images`"), "{message}");
    let message = refusal(App::new().route(Route::get("/").sync(|_| "")).pool(Pool::named("images")));
    assert!(message.contains("no route runs in a pool"), "{message}");
}

#[test]
fn a_pool_is_declared_once() {
    let message = refusal(in_pool("images").pool(Pool::named("images")).pool(Pool::named("images")));
    assert!(message.contains("declares `images` twice"), "{message}");
}

#[test]
fn what_is_no_size_in_bytes_is_refused_at_the_start() {
    let client = in_pool("images").pool(Pool::named("images").memory("256XB")).test().expect("routes fit together");
    client.get("/").send().assert_status(500);
}

#[test]
fn the_environment_has_the_last_word_about_a_pool() {
    let narrow = [("PIXIE_POOL_NARROW", "size=3 queue=100"), ("PIXIE_POOL_DEFAULT", "size=1 spares=0")];
    let banner = Program::start_with("faults", &narrow).banner();
    assert!(banner.contains("pool default: 1 worker process\n"), "{banner}");
    let all = Program::start_with("faults", &[("PIXIE_WORKERS", "2"), ("PIXIE_POOL_DEFAULT", "size=1..3")]).banner();
    assert!(all.contains("pool burners: 2 worker processes") && all.contains("pool default: 1 to 3"), "{all}");
}

#[test]
fn a_mistake_in_the_environment_is_named_at_the_start() {
    let output = std::process::Command::new(support::example("faults"))
        .env("PIXIE_PORT", "0")
        .env("PIXIE_POOL_NARROW", "size=3 queu=100")
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let mistake = "PIXIE_POOL_NARROW: unknown setting `pools.narrow.queu`: did you mean `queue`?";
    assert!(said.contains(mistake), "{said}");
}

#[test]
fn an_option_that_the_kind_of_a_route_cannot_keep_is_refused_at_the_start() {
    let deadline = Duration::from_secs(1);
    let refused = [
        (Route::get("/").sync(|_| "").deadline(deadline), "the sync route `/`", "cannot be stopped: remove `deadline`"),
        (
            Route::get("/").thread(|_| "").pool("images"),
            "the thread route `/`",
            "runs in the main process: remove `pool`",
        ),
        (Route::get("/").thread(|_| "").retry(true), "the thread route `/`", "could crash: remove `retry`"),
    ];
    for (route, who, why) in refused {
        let message = refusal(App::new().route(route));
        assert!(message.contains(who) && message.contains(why), "{message}");
    }
    let kept = Route::get("/").pool(|_| "").deadline(deadline).pool("images").retry(false);
    App::new().route(kept).test().expect("a pool route has them all");
}
