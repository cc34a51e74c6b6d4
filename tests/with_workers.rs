//! The test client with real worker processes: this program is its own worker.
use pixie_web::{App, ProcessType, Route, proc_env};

fn app() -> App {
    App::new()
        .route(Route::get("/where").pool(|_| format!("{} {}", proc_env().process_type, proc_env().pid)))
        .route(Route::get("/die").pool(|_| -> String { std::process::abort() }))
        .route(Route::get("/pieces").stream(|_| (0..3).map(|number| number.to_string())))
        .route(Route::post("/echo").pool(|request| request.body().to_vec()))
}

pixie_web::test_worker!(app);

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
