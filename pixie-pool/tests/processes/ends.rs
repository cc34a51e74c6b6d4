//! Stopping, dropping and killing: no process and no file is left, in every order of exits.

use std::{
    future::poll_fn,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    pin::pin,
    process::{Command, Stdio},
    task::Poll,
    time::Duration,
};

use pixie_pool::{Error, Sandbox, StartMethod};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

use crate::{
    Test,
    setup::{self, ask, children, config, job, open_descriptors, pool, text, until},
    starts::playing,
};

pub(crate) const TESTS: &[Test] = &[
    ("a_stopped_pool_leaves_nothing", || Box::pin(stop_leaves_nothing())),
    ("a_stop_waits_for_running_jobs_and_refuses_new_ones", || Box::pin(stop_waits())),
    ("a_stop_waits_for_a_job_that_its_crashed_worker_has_left", || Box::pin(stop_waits_for_what_is_left())),
    ("a_stop_ends_jobs_after_the_grace_period", || Box::pin(stop_kills())),
    ("a_stop_does_not_wait_for_canceled_jobs", || Box::pin(stop_forgets())),
    ("a_worker_that_is_ended_while_idle_drops_what_its_handler_owns", || Box::pin(farewell())),
    ("a_dropped_pool_ends_its_workers", || Box::pin(drop_ends())),
    ("a_runtime_that_ends_before_its_pool_answers_every_job", || Box::pin(runtime_ends())),
    ("a_runtime_that_ends_before_it_ran_a_task_ends_the_pool", || Box::pin(runtime_ends_at_once())),
    ("no_worker_survives_its_killed_parent", || Box::pin(parent_killed(""))),
    ("no_sandboxed_worker_survives_its_killed_parent", || Box::pin(parent_killed("strict"))),
    ("signals_int_term_hup_and_pipe_do_not_end_a_worker", || Box::pin(signals_are_left())),
];

pub(crate) const DOOMED: &str = "--doomed-parent";

async fn stop_leaves_nothing() {
    let (descriptors, before) = (open_descriptors(), children());
    let directory = tempfile::tempdir().unwrap();
    let pool = pool(config(3).runtime_dir(directory.path().to_owned())).await;
    assert_eq!(ask(&pool, "say x").await.unwrap(), "x");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
    pool.stop(Duration::from_secs(1)).await;
    assert!(matches!(ask(&pool, "say x").await, Err(Error::Stopping)));
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    assert_eq!(children(), before);
    drop(pool);
    assert_eq!(open_descriptors(), descriptors);
}

async fn stop_waits() {
    let pool = pool(config(1)).await;
    let running = tokio::spawn(pool.submit(job("slow")));
    until(&pool, |s| s.busy == 1).await;
    let waiting = tokio::spawn(pool.submit(job("say waited")));
    until(&pool, |s| s.queued == 1).await;
    let stopping = tokio::spawn({
        let pool = pool.clone();
        async move { pool.stop(Duration::from_secs(30)).await }
    });
    while !matches!(ask(&pool, "say refused").await, Err(Error::Stopping)) {}
    assert!(running.await.unwrap().is_ok());
    assert!(waiting.await.unwrap().is_ok());
    stopping.await.unwrap();
}

/// For a moment, the only job is with no worker and not in the queue. Whether the stop happens at that moment
/// is random, so the test repeats.
async fn stop_waits_for_what_is_left() {
    for _ in 0..5 {
        stop_beside_a_crash().await;
    }
}

async fn stop_beside_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let pool = pool(config(0..=1)).await;
    let crash = job(&format!("wait-and-crash-once {}", gate.display())).replayable(true);
    let running = tokio::spawn(pool.submit(crash));
    until(&pool, |s| s.busy == 1).await;
    let mut stopping = pin!(pool.stop(Duration::from_secs(600)));
    // The pool refuses jobs from the first step of the stop on.
    assert!(poll_fn(|cx| Poll::Ready(stopping.as_mut().poll(cx).is_pending())).await);
    assert!(matches!(ask(&pool, "say refused").await, Err(Error::Stopping)));
    std::fs::write(&gate, "").unwrap();
    let (reply, ()) = tokio::join!(running, stopping);
    assert_eq!(text(reply.unwrap().unwrap()).await.unwrap(), "the second time");
}

async fn stop_kills() {
    let pool = pool(config(1)).await;
    let running = tokio::spawn(pool.submit(job("spin")));
    until(&pool, |s| s.busy == 1).await;
    let waiting = tokio::spawn(pool.submit(job("say x")));
    until(&pool, |s| s.queued == 1).await;
    pool.stop(Duration::from_millis(20)).await;
    assert!(matches!(running.await.unwrap(), Err(Error::Stopping)));
    assert!(matches!(waiting.await.unwrap(), Err(Error::Stopping)));
}

/// No worker starts, so the job stays in the queue until it is canceled.
async fn stop_forgets() {
    let pool = pool(playing("exit").size(0..=1).breaker(false)).await;
    let given_up = tokio::spawn(pool.submit(job("say never")));
    until(&pool, |s| s.queued == 1).await;
    let stopping = tokio::spawn({
        let pool = pool.clone();
        async move { pool.stop(Duration::from_secs(600)).await }
    });
    while !matches!(ask(&pool, "say refused").await, Err(Error::Stopping)) {}
    given_up.abort();
    stopping.await.unwrap();
}

async fn farewell() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("farewell");
    let pool = pool(config(1).env("FAREWELL", &file)).await;
    assert_eq!(ask(&pool, "say x").await.unwrap(), "x");
    assert!(!file.exists());
    pool.stop(Duration::ZERO).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "saved");
}

async fn drop_ends() {
    let pool = pool(config(2)).await;
    let pid = ask(&pool, "pid").await.unwrap().parse().unwrap();
    drop(pool);
    assert!(has_ended(pid).await);
}

async fn runtime_ends() {
    let on_its_own_runtime = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let pool = runtime.block_on(pool(config(1)));
        (runtime, pool)
    };
    let (runtime, pool) = tokio::task::spawn_blocking(on_its_own_runtime).await.unwrap();
    let running = tokio::spawn(pool.submit(job("spin")));
    until(&pool, |s| s.busy == 1).await;
    let waiting = tokio::spawn(pool.submit(job("say x")));
    until(&pool, |s| s.queued == 1).await;
    tokio::task::spawn_blocking(move || drop(runtime)).await.unwrap();
    assert!(matches!(running.await.unwrap(), Err(Error::Stopping)));
    assert!(matches!(waiting.await.unwrap(), Err(Error::Stopping)));
    assert!(matches!(ask(&pool, "say late").await, Err(Error::Stopping)));
    pool.stop(Duration::from_secs(600)).await;
}

/// On a runtime with one thread, the tasks of a pool on demand have not run yet when its start returns.
async fn runtime_ends_at_once() {
    let start = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(pool(config(0..=1)))
    };
    let pool = tokio::task::spawn_blocking(start).await.unwrap();
    assert!(matches!(ask(&pool, "say late").await, Err(Error::Stopping)));
}

/// Waits up to a second for the exit of a process.
pub(crate) async fn has_ended(pid: i32) -> bool {
    let Ok(pidfd) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else {
        return true;
    };
    let wait = move || {
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })).unwrap() == 1
    };
    tokio::task::spawn_blocking(wait).await.unwrap()
}

/// In another process: starts a pool with a busy worker, prints the pids, and waits until it is killed.
pub(crate) fn run_doomed_parent() -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = std::env::var_os("DOOMED_DIRECTORY").unwrap();
        setup::start_by(match std::env::var_os("DOOMED_FORK") {
            Some(_) => StartMethod::Fork,
            None => StartMethod::Exec,
        });
        let own = config(2).runtime_dir(PathBuf::from(directory)).args(vec![]).spares(1);
        let pool = pool(match std::env::var("DOOMED_SANDBOX").as_deref() {
            Ok("strict") => own.sandbox(Sandbox::strict().required()),
            _ => own,
        })
        .await;
        // A strict sandbox lets no job start a program.
        let program = std::env::var("DOOMED_PROGRAM").unwrap();
        let head = if program.is_empty() { "spin".to_owned() } else { format!("spin-beside-program {program}") };
        drop(tokio::spawn(pool.submit(job(&head))));
        until(&pool, |s| s.busy == 1 && s.workers.iter().all(|w| w.pid.is_some())).await;
        let pids: Vec<String> = pool.snapshot().workers.iter().filter_map(|w| w.pid).map(|p| p.to_string()).collect();
        let started_by = ask(&pool, "prepared").await.unwrap();
        println!("{} {started_by}", pids.join(" "));
        std::future::pending().await
    })
}

async fn parent_killed(sandbox: &'static str) {
    let (directory, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = programs.path().join("pid");
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .arg(DOOMED)
        .env("DOOMED_DIRECTORY", directory.path())
        .env("DOOMED_SANDBOX", sandbox)
        .env("DOOMED_PROGRAM", if sandbox.is_empty() { program.as_os_str() } else { "".as_ref() })
        .envs((setup::method() == StartMethod::Fork).then_some(("DOOMED_FORK", "1")))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let mut pids: Vec<i32> = line.split_whitespace().map(|p| p.parse().unwrap()).collect();
    assert_eq!(pids.len(), 4, "three workers, and the fork server or the worker that was asked");
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while sandbox.is_empty() && pids.len() == 4 {
        tick.tick().await;
        pids.extend(std::fs::read_to_string(&program).ok().and_then(|pid| pid.parse::<i32>().ok()));
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    for pid in pids {
        assert!(has_ended(pid).await, "{pid} still runs");
    }
    // The next pool removes what the killed parent has left.
    assert_eq!(directories(directory.path()), 1);
    let pool = pool(config(1).runtime_dir(directory.path().to_owned())).await;
    assert_eq!(directories(directory.path()), 1);
    pool.stop(Duration::ZERO).await;
    assert_eq!(directories(directory.path()), 0);
}

fn directories(path: &Path) -> usize {
    std::fs::read_dir(path).unwrap().count()
}

async fn signals_are_left() {
    let pool = pool(config(1)).await;
    let pid = ask(&pool, "pid").await.unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::PIPE] {
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), signal).unwrap();
    }
    assert_eq!(ask(&pool, "pid").await.unwrap(), pid);
    pool.stop(Duration::ZERO).await;
}
