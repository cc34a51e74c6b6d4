//! The test client with real worker processes: this program is its own worker.
use pixie_web::{App, Carried, FromRequest, OrAbort, ProcessType, Request, Result, Route, proc_env};

fn app() -> App {
    App::new()
        .route(Route::get("/where").pool(|_| format!("{} {}", proc_env().process_type, proc_env().pid)))
        .route(Route::get("/die").pool(|_| -> String { std::process::abort() }))
        .route(Route::get("/pieces").stream(|_| (0..3).map(|number| number.to_string())))
        .route(Route::get("/who").pool(|request| Carried::<String>::from_request(request).map(|Carried(name)| name)))
        .before(sign_in)
        .route(Route::get("/wait").pool(|_| std::thread::park_timeout(std::time::Duration::from_secs(2))))
        .route(Route::post("/echo").pool(|request| request.body().to_vec()))
}

/// Everybody may come in, but to `/who` only with a name.
fn sign_in(request: &mut Request) -> Result<()> {
    if request.path() != "/who" {
        return Ok(());
    }
    let name = request.header("x-name").or_abort(401)?.to_owned();
    request.carry(&format!("{name}, let in by process {}", std::process::id()))
}

pixie_web::test_worker!(app);

#[test]
fn what_a_hook_decided_in_the_main_process_reaches_the_worker() {
    let client = app().test_with_workers(1).expect("the app fits together");
    client.get("/who").send().assert_status(401);
    let expected = format!("Ada, let in by process {}", std::process::id());
    client.get("/who").header("x-name", "Ada").send().assert_text(&expected);
}

#[test]
fn pool_routes_run_in_another_process_and_may_die_there() {
    let client = app().test_with_workers(1).expect("the app fits together");
    let answer = client.get("/where").send().assert_status(200).text();
    let (process, pid) = answer.split_once(' ').expect("two words");
    assert_eq!(process, ProcessType::Pool.to_string());
    assert_ne!(pid, std::process::id().to_string());
    client.get("/die").send().assert_status(502);
    client.get("/pieces").send().assert_status(200).assert_text("012");
    let large = "0123456789".repeat(100_000);
    client.post("/echo").body(large.clone()).send().assert_status(200).assert_text(&large);
}

#[test]
fn a_request_that_waits_too_long_for_a_worker_is_told_when_to_come_again() {
    let client =
        app().queue_timeout(std::time::Duration::from_millis(50)).test_with_workers(1).expect("it fits together");
    client.get("/where").send().assert_status(200);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..3).map(|_| scope.spawn(|| client.get("/wait").send())).collect();
        let answers: Vec<_> = asked.into_iter().map(|asked| asked.join().expect("it did not panic")).collect();
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status() == 503).collect();
        assert_eq!(refused.len(), 2, "{answers:?}");
        assert!(
            refused.iter().all(|answer| answer.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()))
        );
    });
}
