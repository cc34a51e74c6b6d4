//! Starting: workers of another program are refused, and errors say what a program must do to have workers.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use pixie_pool::{Error, Handler, Job, Pool, Submission};

use crate::{
    Test,
    calls::config,
    work::{nothing, segfault},
};

pub(crate) const TESTS: &[Test] = &[
    ("a_worker_with_other_tasks_is_refused", || Box::pin(other_program())),
    ("a_pool_with_a_handler_of_its_own_runs_no_tasks", || Box::pin(raw_pool())),
    ("a_program_may_have_pools_of_both_sorts", || Box::pin(both_sorts())),
    ("tasks_run_on_threads_where_no_processes_are_wanted", || Box::pin(threads())),
    ("the_environment_is_applied_once_and_later_settings_are_kept", || Box::pin(overridden())),
    ("a_program_without_init_is_told_so_before_any_worker_starts", || Box::pin(without_init())),
    ("under_tokio_main_tasks_run_after_a_warning_that_names_the_remedy", || Box::pin(in_runtime())),
];

const ROLE: &str = "TASKS_ROLE";
const RAW_HASH: u64 = 1;

/// Behaves as another program would, if a test has started this process to do so.
pub(crate) fn play_role() {
    match std::env::var(ROLE).unwrap_or_default().as_str() {
        "other-program" => {
            let worker = pixie_pool::worker().expect("this is a worker");
            worker.serve(RAW_HASH, raw());
        }
        "without-init" => {
            let error = runtime().block_on(config(1).start_tasks()).unwrap_err();
            println!("{error}");
            std::process::exit(0)
        }
        "overridden" => {
            let mut config = Pool::named("overridden");
            config.override_by_environment().unwrap();
            let from_environment = config.queue;
            config = config.queue(3);
            config.override_by_environment().unwrap();
            println!("{from_environment}, {}", config.queue);
            std::process::exit(0)
        }
        "in-runtime" => runtime().block_on(program_under_tokio_main()),
        _ => {}
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be built")
}

/// Does what a program with `#[tokio::main]` above its `main` does.
async fn program_under_tokio_main() {
    tracing::subscriber::set_global_default(Printer).expect("this is the only subscriber");
    pixie_pool::init();
    let pool = config(1).env(ROLE, "in-runtime").start_tasks().await.unwrap();
    assert!(matches!(pool.call(segfault, &()).await, Err(Error::Exited(_))));
    pool.call(nothing, &()).await.unwrap();
    println!("done");
    pool.stop(Duration::ZERO).await;
    std::process::exit(0)
}

/// Serves the pools without tasks, in whose workers `init` returns.
pub(crate) fn serve_raw() {
    if let Some(worker) = pixie_pool::worker() {
        worker.serve(RAW_HASH, raw());
    }
}

fn raw() -> Handler {
    Arc::new(|job: Job| drop(job.reply(b"", b"raw")))
}

/// Runs this program in a role, and returns what it printed.
fn words_of(role: &str) -> String {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this)
        .env(ROLE, role)
        .env("PIXIE_POOL_OVERRIDDEN", "queue=7")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn other_program() {
    match config(1).env(ROLE, "other-program").start_tasks().await {
        Err(Error::Start(message)) => assert!(message.contains("the worker's table is 0000000000000001"), "{message}"),
        other => panic!("{other:?}"),
    }
}

async fn raw_pool() {
    let pool = config(0).start(raw()).await.unwrap();
    let error = pool.call(nothing, &()).await.unwrap_err();
    assert!(matches!(error, Error::NoTasks));
    assert!(error.to_string().contains("start_tasks()"), "{error}");
    pool.stop(Duration::ZERO).await;
}

async fn both_sorts() {
    let raw_pool = config(1).table_hash(RAW_HASH).start(raw()).await.unwrap();
    let tasks = config(1).start_tasks().await.unwrap();
    assert_eq!(raw_pool.submit(Submission::new("")).await.unwrap().body.collect().await.unwrap(), "raw");
    tasks.call(nothing, &()).await.unwrap();
    raw_pool.stop(Duration::ZERO).await;
    tasks.stop(Duration::ZERO).await;
}

async fn threads() {
    let pool = config(0).start_tasks().await.unwrap();
    assert_eq!(pool.call(crate::work::worker_pid, &()).await.unwrap(), std::process::id());
    pool.stop(Duration::ZERO).await;
}

async fn without_init() {
    let words = words_of("without-init");
    assert!(words.contains("init() has not been called") && words.contains("fn main() {"), "{words}");
}

async fn overridden() {
    assert_eq!(words_of("overridden"), "7, 3\n");
}

async fn in_runtime() {
    let words = words_of("in-runtime");
    assert!(words.contains("inside of a tokio runtime") && words.contains("fn main() {"), "{words}");
    assert!(words.ends_with("done\n"), "{words}");
}

/// Prints log events.
struct Printer;

impl tracing::Subscriber for Printer {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut |_: &tracing::field::Field, value: &dyn std::fmt::Debug| println!("{value:?}"));
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
