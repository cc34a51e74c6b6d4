//! The metrics in the text format of Prometheus. The only test of its program, because the recorder counts
//! for the process.
#[path = "programs/support.rs"]
mod support;

use std::{hint::black_box, time::Duration};

use pixie_web::{App, Route, TestClient};
use support::until;

fn app() -> App {
    App::new()
        .route(Route::get("/ok").name("fine").pool(|_| "ok").pool("watched"))
        // With POST, so that a crash is not retried.
        .route(Route::post("/abort").name("aborts").pool(|_| -> String { std::process::abort() }).pool("watched"))
        .route(Route::post("/exit").name("leaves").pool(|_| -> String { std::process::exit(3) }).pool("watched"))
        .route(Route::post("/panic").name("panics").pool(|_| -> String { panic!("told to") }).pool("watched"))
        .route(
            Route::post("/spin")
                .name("spins")
                .pool(|_| -> String { spin() })
                .pool("watched")
                .deadline(Duration::from_millis(400)),
        )
        .route(Route::get("/sync").name("inline").sync(|_| "here"))
        .slow_after(Duration::from_millis(20))
        .metrics("/metrics")
        .operators(|request| request.header("x-operator") == Some("yes"))
}

fn spin() -> ! {
    loop {
        black_box(0);
    }
}

pixie_web::test_worker!(app);

fn metrics(client: &TestClient) -> String {
    let answer = client.get("/metrics").header("x-operator", "yes").send().assert_status(200);
    answer.assert_header("content-type", "text/plain; version=0.0.4; charset=utf-8").text()
}

#[test]
fn the_metrics_count_what_has_happened() {
    let client = app().test_with_workers(1).expect("the app fits together");
    (0..3).for_each(|_| drop(client.get("/ok").send().assert_status(200)));
    (0..2).for_each(|_| drop(client.post("/abort").send().assert_status(502)));
    client.post("/exit").send().assert_status(502);
    client.post("/panic").send().assert_status(500);
    client.post("/spin").send().assert_status(504);
    client.get("/sync").send().assert_status(200);
    client.get("/nowhere/secret").send().assert_status(404);
    // The response is sent before the worker is killed.
    let kill = r#"pixie_pool_kills_total{pool="watched",cause="deadline"} 1"#;
    let text = until("the kill is counted", || Some(metrics(&client)).filter(|text| text.contains(kill)));
    for line in [
        r#"pixie_pool_jobs_total{pool="watched",outcome="answered"} 4"#,
        r#"pixie_pool_jobs_total{pool="watched",outcome="exited"} 3"#,
        r#"pixie_pool_jobs_total{pool="watched",outcome="deadline"} 1"#,
        r#"pixie_pool_exits_total{pool="watched",cause="SIGABRT"} 2"#,
        r#"pixie_pool_exits_total{pool="watched",cause="exit code 3"} 1"#,
        r#"pixie_pool_slow_total{pool="watched"} "#,
        r#"pixie_pool_queue_wait_seconds_count{pool="watched"} 8"#,
        r#"pixie_pool_run_seconds_count{pool="watched"} 4"#,
        r#"pixie_pool_run_seconds_bucket{pool="watched",le="+Inf"} 4"#,
        r#"pixie_pool_size{pool="watched"} 1"#,
        r#"pixie_pool_queued{pool="watched"} 0"#,
        r#"pixie_http_requests_total{route="fine",status="2xx"} 3"#,
        r#"pixie_http_requests_total{route="aborts",status="5xx"} 2"#,
        r#"pixie_http_requests_total{route="panics",status="5xx"} 1"#,
        r#"pixie_http_requests_total{route="spins",status="5xx"} 1"#,
        r#"pixie_http_requests_total{route="inline",status="2xx"} 1"#,
        r#"pixie_http_requests_total{route="",status="4xx"} 1"#,
        r#"pixie_http_request_seconds_count{route="fine"} 3"#,
        r#"pixie_connections_total{outcome="accepted"} 0"#,
        r#"pixie_protocols_total{protocol="http1"} 0"#,
        "# TYPE pixie_connections_open gauge",
        "# TYPE pixie_pool_run_seconds histogram",
        "# HELP pixie_pool_exits_total ",
    ] {
        assert!(
            text.lines().any(|found| found == line || line.ends_with(' ') && found.starts_with(line)),
            "{line}\n{text}"
        );
    }
    let bytes = text.lines().find_map(|line| line.strip_prefix(r#"pixie_pool_memory_bytes{pool="watched"} "#));
    assert!(bytes.is_some_and(|bytes| bytes.parse::<f64>().is_ok_and(|bytes| bytes > 0.0)), "{text}");
    let refused = client.get("/metrics").send().assert_status(403);
    assert!(!refused.text().contains("watched"));
    assert!(!text.contains("secret"), "what a client asked for is no label");
}
