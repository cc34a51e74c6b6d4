//! The test client with real worker processes: this program is its own worker.
#[path = "with_workers/errors.rs"]
mod errors;
#[cfg(feature = "store-redis")]
#[path = "programs/redis.rs"]
mod redis;
#[path = "with_workers/shared.rs"]
mod shared;
#[cfg(feature = "store")]
#[path = "with_workers/store.rs"]
mod store;

use std::{
    fs, io,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
};

use pixie_web::{
    App, Body, BodyReader, Bytes, Carried, FromRequest, Headers, Needs, OrAbort, Pool, ProcessType, Request, Response,
    Result, Route, Writer, proc_env,
};

const LIMIT: usize = 300_000;

fn app() -> App {
    // The program's own hook, which it installs in `main`, so also in each worker.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            earlier(info);
        }));
    });
    let probes = ["probe", "bomb", "panics", "panic"].into_iter().zip([probe, bomb, panics, panic as fn() -> String]);
    let probed = probes.fold(App::new(), |app, (name, run)| in_all_kinds(app, name, run));
    let probed = shared::routes(errors::routes(probed));
    #[cfg(feature = "store")]
    let probed = store::routes(probed);
    probed
        .pool(Pool::named("default").core_dumps(true))
        .route(Route::get("/body/panics").sync(|_| Response::new(Body::new(Broken::Poll))))
        .route(Route::get("/body/drop").sync(|_| Response::new(Body::new(Broken::Drop))))
        .route(Route::get("/late").asynchronous(late).deadline(std::time::Duration::from_millis(50)))
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

const KINDS: [&str; 5] = ["sync", "thread", "async", "pool", "stream"];
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Adds routes `/name/kind` that run the same code.
fn in_all_kinds(app: App, name: &str, run: fn() -> String) -> App {
    let at = |kind| Route::get(&*format!("/{name}/{kind}").leak());
    app.route(at("sync").sync(move |_| run()))
        .route(at("thread").thread(move |_| run()))
        .route(at("async").asynchronous(move |_| async move { run() }))
        .route(at("pool").pool(move |_| run()))
        .route(at("stream").stream_to(move |_, out| Ok(out.send(run())?)))
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("it goes off");
    }
}

fn bomb() -> String {
    std::panic::panic_any(Bomb)
}

fn panic() -> String {
    panic!("a handler panicked")
}

fn panics() -> String {
    PANICS.load(Ordering::SeqCst).to_string()
}

/// Waits longer than its deadline, and panics when it is dropped.
async fn late(_: Request) -> Response {
    let _bomb = Bomb;
    std::future::pending().await
}

/// A body that announces some bytes and panics.
enum Broken {
    Poll,
    Drop,
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
        match *self {
            Broken::Poll => std::panic::panic_any(Bomb),
            Broken::Drop => std::task::Poll::Ready(None),
        }
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        if matches!(self, Broken::Drop) {
            panic!("it goes off");
        }
    }
}

/// Returns what a handler can see of its process.
fn probe() -> String {
    let of = |file: &str, names: &[&str]| {
        let text = fs::read_to_string(file).expect("Linux has /proc");
        text.lines()
            .filter(|line| names.iter().any(|name| line.starts_with(name)))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let own = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("PIXIE_");
    let mut variables: Vec<_> = std::env::vars_os().filter(|(name, _)| !own(name)).collect();
    variables.sort();
    let file = tempfile::NamedTempFile::with_prefix_in("probe", std::env::temp_dir()).expect("a file can be made");
    let beside = file.path().with_extension("beside");
    fs::write(&beside, "").expect("a file can be written");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&beside).expect("it is there").permissions());
    let _ = fs::remove_file(&beside);
    let seen = [
        of("/proc/self/status", &["Umask", "CapEff", "Seccomp", "NoNewPrivs"]),
        of("/proc/thread-self/status", &["SigBlk", "SigIgn"]),
        of("/proc/self/limits", &["Max"]),
        format!("{variables:?}\n{:?} {:?} {mode:o}", std::env::current_dir(), std::env::temp_dir()),
    ];
    seen.concat()
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
fn what_a_handler_sees_does_not_depend_on_the_kind_of_its_route() {
    let client = app().test_with_workers(1).expect("the app fits together");
    let [first, others @ ..] = KINDS.map(|kind| client.get(&format!("/probe/{kind}")).send().assert_status(200).text());
    for (seen, kind) in others.iter().zip(&KINDS[1..]) {
        let differs = first.lines().zip(seen.lines()).find(|(one, other)| one != other);
        assert!(first == *seen, "{kind}: {differs:?}");
    }
}

#[test]
fn the_hook_of_a_program_sees_the_panics_of_all_kinds_of_routes() {
    let client = app().test_with_workers(1).expect("the app fits together");
    for kind in KINDS {
        let count = || client.get(&format!("/panics/{kind}")).send().text().parse::<usize>().expect("a number");
        let before = count();
        client.get(&format!("/panic/{kind}")).send().assert_status(500);
        assert!(count() > before, "{kind}");
    }
}

#[test]
fn a_panic_whose_payload_panics_too_is_500_in_all_kinds_and_the_next_request_is_answered() {
    let client = app().test_with_workers(1).expect("the app fits together");
    let pid = client.get("/where").send().text();
    for kind in KINDS.into_iter().chain(KINDS) {
        client.get(&format!("/bomb/{kind}")).send().assert_status(500);
        client.get("/where").send().assert_status(200);
    }
    assert_ne!(client.get("/where").send().text(), pid, "the worker was replaced");
}

#[test]
fn a_panic_of_what_a_handler_leaves_ends_its_own_response_only() {
    let client = app().test_with_workers(1).expect("the app fits together");
    assert!(client.get("/body/panics").send().assert_status(200).is_cut());
    client.get("/body/drop").send().assert_status(200);
    client.get("/late").send().assert_status(504);
    client.get("/where").send().assert_status(200);
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
