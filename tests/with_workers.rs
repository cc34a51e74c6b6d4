//! The test client with real worker processes: this program is its own worker.
use std::io;

use pixie_web::{
    App, BodyReader, Carried, FromRequest, Headers, Needs, OrAbort, ProcessType, Request, Response, Result, Route,
    Writer, proc_env,
};

const LIMIT: usize = 300_000;

fn app() -> App {
    App::new()
        .route(Route::get("/where").pool(|_| format!("{} {}", proc_env().process_type, proc_env().pid)))
        .route(Route::get("/abort").pool(|_| -> String { std::process::abort() }))
        .route(Route::get("/pieces").stream(|_| (0..3).map(|number| number.to_string())))
        .route(Route::get("/who").pool(|request| Carried::<String>::from_request(request).map(|Carried(name)| name)))
        .before(sign_in)
        .route(Route::get("/wait").pool(|_| std::thread::park_timeout(std::time::Duration::from_secs(2))))
        .route(Route::post("/echo").pool(|request| request.body().to_vec()))
        .route(
            Route::post("/count")
                .pool(count)
                .needs(Needs::default().extractor::<BodyReader>())
                .body_limit(LIMIT as u64),
        )
        .route(
            Route::post("/head")
                .stream_to(head)
                .needs(Needs::default().extractor::<BodyReader>().extractor::<Headers>()),
        )
}

/// Reads the body while it arrives, and answers 200 with the number of bytes or the error.
fn count(request: &mut Request) -> Result<String> {
    let copied = io::copy(&mut BodyReader::from_request(request)?, &mut io::sink());
    Ok(copied.map_or_else(|error| error.to_string(), |bytes| bytes.to_string()))
}

/// Sends a head with the length from the request's header, and then the body.
fn head(request: &mut Request, out: &mut Writer) -> Result<()> {
    let mut body = BodyReader::from_request(request)?;
    let announced = request.header("x-announced").or_abort(400)?;
    out.set_head(Response::new("").header("content-length", announced))?;
    io::copy(&mut body, out)?;
    Ok(())
}

/// Lets every request through, but `/who` only with a name.
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
    client.get("/abort").send().assert_status(502);
    client.get("/pieces").send().assert_status(200).assert_text("012");
    let large = "0123456789".repeat(100_000);
    client.post("/echo").body(large.clone()).send().assert_status(200).assert_text(&large);
}

#[test]
fn a_body_that_is_read_while_it_arrives_has_its_limit() {
    let client = app().test_with_workers(1).expect("the app fits together");
    for length in [0, 1, LIMIT] {
        client.post("/count").body(vec![b'x'; length]).send().assert_status(200).assert_text(&length.to_string());
    }
    client.post("/count").body(vec![b'x'; LIMIT + 1]).send().assert_status(413);
    client.post("/count").body("x").send().assert_text("1");
}

#[test]
fn an_announced_length_reaches_the_client_and_has_to_be_true() {
    let client = app().test_with_workers(1).expect("the app fits together");
    let body = "0123456789".repeat(20_000);
    for (announced, is_cut) in [(200_000, false), (199_999, true), (200_001, true)] {
        let answer = client.post("/head").header("x-announced", &announced.to_string()).body(body.clone()).send();
        assert_eq!((answer.status().as_u16(), answer.is_cut()), (200, is_cut), "{announced}");
        assert!(is_cut || answer.text() == body, "{announced}");
    }
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
