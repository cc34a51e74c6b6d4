//! What the log reports about workers that exit and jobs that are slow.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pixie_pool::{Config, Error, Submission};
use rustix::process::{Pid, Signal, kill_process};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{
    Test,
    setup::{ask, config, job, pool, text, until},
    starts::playing,
};

pub(crate) const TESTS: &[Test] = &[
    ("an_exit_is_one_event_with_cause_route_request_and_last_lines", || Box::pin(exits_are_told())),
    ("a_worker_out_of_memory_is_told_from_one_that_aborts", || Box::pin(out_of_memory_is_told())),
    ("a_kill_at_the_deadline_is_one_event_with_the_peak_of_memory", || Box::pin(kills_are_told())),
    ("a_crash_is_told_with_its_job_even_if_that_is_done_again", || Box::pin(retried_crash_is_told())),
    ("the_exit_of_an_idle_worker_blames_no_job", || Box::pin(idle_exit_is_told())),
    ("a_worker_cannot_fake_a_line_of_the_log", || Box::pin(curses_are_harmless())),
    ("a_worker_that_does_not_start_cannot_fake_a_line_of_the_log", || Box::pin(curses_before_the_start_are_harmless())),
    ("two_pools_that_could_be_mixed_up_are_told", || Box::pin(mix_ups_are_told())),
    ("a_slow_job_is_reported_once_with_what_it_does", || Box::pin(slow_is_told_once())),
    ("a_snapshot_shows_what_each_worker_runs_for_whom_and_how_large_it_is", || Box::pin(snapshot_shows_workers())),
];

const MIXED_UP: &str = "two pools with different handlers have the same `table_hash`, so a worker that serves the wrong handler is not \
     detected: choose the handler by `worker.identity().pool`, and give each pool its own `table_hash`";
const EXITED: &str = "a worker exited";
pub(crate) const KILLED: &str = "a worker was killed";
const NOT_STARTED: &str = "starting a worker failed";
const SLOW: &str = "a job is slow";

/// The fields of an event, as text.
pub(crate) type Fields = BTreeMap<&'static str, String>;

static LOG: Mutex<Vec<Fields>> = Mutex::new(Vec::new());

/// Keeps the events of exits, kills and slow jobs.
pub(crate) fn listen() {
    tracing::subscriber::set_global_default(Listener).expect("this is the only subscriber");
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= tracing::Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut read = Read(Fields::new());
        event.record(&mut read);
        log().push(read.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Read(Fields);

impl Visit for Read {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

fn log() -> std::sync::MutexGuard<'static, Vec<Fields>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the events about a pool.
fn said(pool: &str, message: &str) -> Vec<Fields> {
    let is_meant = |fields: &&Fields| fields["message"] == message && fields.get("pool").is_some_and(|p| p == pool);
    log().iter().filter(is_meant).cloned().collect()
}

/// Returns the events about exited workers of a pool.
pub(crate) fn exits(pool: &str) -> Vec<Fields> {
    said(pool, EXITED)
}

/// Waits for an event about a pool.
pub(crate) async fn heard(pool: &str, message: &str) -> Fields {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    loop {
        if let Some(fields) = said(pool, message).pop() {
            return fields;
        }
        tick.tick().await;
    }
}

fn named(name: &str) -> Config {
    config(1).name(name)
}

fn request(head: &str, id: &str) -> Submission {
    job(head).label("the-route").request_id(id)
}

fn number(fields: &Fields, name: &str) -> f64 {
    fields.get(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("`{name}` is no number: {fields:?}"))
}

async fn exits_are_told() {
    for (at, (command, cause, signal, code, stderr)) in [
        ("segv", "SIGSEGV", Some("11"), None, None),
        ("abort", "SIGABRT", Some("6"), None, None),
        ("kill", "SIGKILL", Some("9"), None, None),
        ("overflow", "stack overflow", Some("6"), None, Some("has overflowed its stack")),
        ("exit 3", "exit code 3", None, Some("3"), Some("leaving with 3")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("exit-{at}");
        let pool = pool(named(&name)).await;
        assert_eq!(ask(&pool, "say one").await.unwrap(), "one");
        let pid = ask(&pool, "pid").await.unwrap();
        assert!(pool.submit(request(command, &format!("request-{at}"))).await.is_err());
        let told = heard(&name, EXITED).await;
        let field = |name: &str| told.get(name).map(String::as_str);
        assert_eq!(field("cause"), Some(cause), "{told:?}");
        assert_eq!((field("signal"), field("code")), (signal, code), "{told:?}");
        assert_eq!((field("pid"), field("worker"), field("jobs")), (Some(&*pid), Some("1"), Some("2")), "{told:?}");
        assert_eq!((field("route"), field("job")), (Some("the-route"), Some("3")), "{told:?}");
        assert_eq!(field("request"), Some(&*format!("request-{at}")), "{told:?}");
        assert!(number(&told, "age") >= number(&told, "ran") && number(&told, "ran") >= 0.0, "{told:?}");
        let peak = field("memory_peak").or(field("memory_peak_at_most")).and_then(|bytes| bytes.parse::<u64>().ok());
        assert!(peak.is_some_and(|bytes| bytes > 100 * 1024), "{told:?}");
        match stderr {
            Some(words) => assert!(field("stderr").is_some_and(|said| said.contains(words)), "{told:?}"),
            None => assert_eq!(field("stderr"), None, "{told:?}"),
        }
        assert_eq!(pool.snapshot().counts.exits.get(cause), Some(&1));
        pool.stop(Duration::ZERO).await;
        assert_eq!(said(&name, EXITED).len(), 1, "one event for one exit");
    }
}

async fn out_of_memory_is_told() {
    let pool = pool(named("hoard").memory("256MB")).await;
    assert!(pool.submit(request("oom", "greedy")).await.is_err());
    let told = heard("hoard", EXITED).await;
    assert_eq!((told["cause"].as_str(), told["signal"].as_str()), ("out of memory", "6"), "{told:?}");
    // This process uses far less, so the system reports the worker's own memory.
    let peak = number(&told, "memory_peak");
    assert!((128.0..512.0).contains(&(peak / 1024.0 / 1024.0)), "{told:?}");
    pool.stop(Duration::ZERO).await;
}

async fn kills_are_told() {
    let pool = pool(named("late").deadline(Duration::from_millis(300))).await;
    assert!(pool.submit(request("spin", "endless")).await.is_err());
    let told = heard("late", KILLED).await;
    assert_eq!((told["cause"].as_str(), told["request"].as_str()), ("deadline", "endless"), "{told:?}");
    assert_eq!((told["route"].as_str(), told["job"].as_str()), ("the-route", "1"), "{told:?}");
    assert!(number(&told, "ran") >= 0.3, "{told:?}");
    assert!(number(&told, "memory_peak") > 100.0 * 1024.0, "{told:?}");
    assert_eq!(pool.snapshot().counts.kills["deadline"], 1);
    pool.stop(Duration::ZERO).await;
    assert_eq!(said("late", KILLED).len(), 1);
    assert!(said("late", EXITED).is_empty(), "a kill is not logged as an exit");
}

async fn retried_crash_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let pool = pool(named("again")).await;
    let submission = request(&format!("once {}", mark.display()), "twice").replayable(true);
    assert_eq!(text(pool.submit(submission).await.unwrap()).await.unwrap(), "the second time");
    let told = heard("again", EXITED).await;
    assert_eq!((told["cause"].as_str(), told["request"].as_str()), ("SIGABRT", "twice"), "{told:?}");
    pool.stop(Duration::ZERO).await;
}

async fn idle_exit_is_told() {
    let pool = pool(named("bored")).await;
    let pid: i32 = ask(&pool, "pid").await.unwrap().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let told = heard("bored", EXITED).await;
    assert_eq!(told["cause"], "SIGKILL");
    assert!(!told.contains_key("route") && !told.contains_key("job") && !told.contains_key("ran"), "{told:?}");
    pool.stop(Duration::ZERO).await;
}

async fn curses_are_harmless() {
    let pool = pool(named("cursed")).await;
    assert!(pool.submit(request("curse", "spell")).await.is_err());
    let told = heard("cursed", EXITED).await;
    assert!(told["stderr"].ends_with("ERROR all is lost | \u{fffd}[2J"), "{told:?}");
    assert!(told["stderr"].len() <= 1024 && !told["stderr"].chars().any(char::is_control), "{told:?}");
    pool.stop(Duration::ZERO).await;
}

async fn mix_ups_are_told() {
    let shared = crate::handler::handler();
    let mut pools = Vec::new();
    for (name, table_hash, handler) in [
        ("one", 0, &shared),
        ("its-twin", 0, &shared),
        ("one", 0, &crate::handler::handler()),
        ("known", 1, &crate::handler::handler()),
        ("other", 0, &crate::handler::handler()),
    ] {
        let own = named(name).size(0..=1).table_hash(table_hash);
        pools.push(own.start(handler.clone()).await.unwrap());
    }
    assert_eq!(["one", "its-twin", "known", "other"].map(|name| said(name, MIXED_UP).len()), [0, 0, 0, 1]);
    assert_eq!(said("other", MIXED_UP)[0]["other"], "one");
    for pool in pools {
        pool.stop(Duration::ZERO).await;
    }
}

async fn curses_before_the_start_are_harmless() {
    let cursed = playing("curse").name("hexed");
    let Err(Error::Start(message)) = cursed.start(crate::handler::handler()).await else {
        panic!("it starts");
    };
    // The error shows the lines, without control characters.
    assert!(message.ends_with("\nERROR all is lost\n\u{fffd}[2J"), "{message:?}");
    let told = heard("hexed", NOT_STARTED).await;
    assert!(told["cause"].ends_with("(exit code 1)") && !told["cause"].contains('\n'), "{told:?}");
    assert!(told["stderr"].ends_with("ERROR all is lost | \u{fffd}[2J"), "{told:?}");
    assert!(told["stderr"].len() <= 1024 && !told["stderr"].chars().any(char::is_control), "{told:?}");
}

async fn slow_is_told_once() {
    let patience = Some(Duration::from_millis(50));
    let pool = pool(named("slow").slow_after(patience).deadline(Duration::from_secs(1))).await;
    assert!(pool.submit(request("spin", "sluggish")).await.is_err());
    let told = said("slow", SLOW);
    assert_eq!(told.len(), 1, "{told:?}");
    let told = &told[0];
    assert_eq!((told["request"].as_str(), told["route"].as_str()), ("sluggish", "the-route"), "{told:?}");
    assert!(number(told, "ran") >= 0.05, "{told:?}");
    // The thread runs, or waits for a core, which is the same state.
    assert_eq!(told["state"], "R", "{told:?}");
    assert!(number(told, "memory") > 100.0 * 1024.0 && number(told, "cpu") >= 0.0, "{told:?}");
    assert_eq!(pool.snapshot().counts.slow, 1);
    pool.stop(Duration::ZERO).await;
}

async fn snapshot_shows_workers() {
    let pool = pool(named("shown").spares(1)).await;
    until(&pool, |s| s.idle == 2).await;
    let running = tokio::spawn(pool.submit(request("spin", "watched")));
    let is_busy = |w: &&pixie_pool::WorkerSnapshot| w.state == pixie_pool::WorkerState::Busy;
    until(&pool, |s| s.workers.iter().any(|w| is_busy(&w))).await;
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.busy, snapshot.idle, snapshot.spares), (1, 1, 1));
    let busy = snapshot.workers.iter().find(is_busy).unwrap();
    assert_eq!((busy.label.as_deref(), busy.request_id.as_deref()), (Some("the-route"), Some("watched")));
    assert!(busy.running_for.is_some() && busy.age >= busy.running_for, "{busy:?}");
    assert!(snapshot.workers.iter().all(|w| w.memory.is_some_and(|bytes| bytes > 100 * 1024)), "{snapshot:?}");
    running.abort();
    pool.stop(Duration::ZERO).await;
}
