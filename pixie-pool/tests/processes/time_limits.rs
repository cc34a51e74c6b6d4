//! The limits of a job's time: deadline, extension and CPU time.

use std::{
    fs::File,
    path::PathBuf,
    process::Command,
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};

use pixie_pool::{Config, Error, Sandbox};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Test,
    setup::{ask, config, job, pool, text, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("a_blocked_runtime_does_not_delay_the_kill_at_a_deadline", || Box::pin(blocked_kill())),
    ("a_job_that_answers_in_time_while_the_runtime_is_blocked_gets_its_answer", || Box::pin(blocked_answer())),
    (PAUSED_SERVER, || Box::pin(paused_server())),
    ("a_handler_gets_more_time_up_to_the_cap", || Box::pin(extension())),
    ("without_a_cap_no_handler_gets_more_time", || Box::pin(no_extension())),
    ("a_deadline_that_was_put_off_still_kills", || Box::pin(extended_deadline_kills())),
    ("a_job_that_uses_up_its_cpu_time_is_killed", || Box::pin(cpu_time())),
    ("waiting_costs_no_cpu_time", || Box::pin(waiting_is_free())),
    ("each_job_has_its_own_cpu_time", || Box::pin(cpu_time_of_each())),
    ("times_that_no_clock_reaches_mean_never", || Box::pin(never())),
];

const PAUSED_SERVER: &str = "jobs_that_answered_while_the_server_was_paused_get_their_answers";
/// The variable with the folder of the paused server.
const PAUSED: &str = "PAUSED_SERVER";

/// Pools whose workers share a socket, and pools whose workers are leased.
fn both() -> [Config; 2] {
    [config(1), config(1).sandbox(Sandbox::no_network())]
}

/// Blocks all threads of the test's runtime, this one too, until a time or until this returns true.
fn block_until(end: Instant, mut has_ended: impl FnMut() -> bool) {
    let (entered, left) = (Arc::new(Barrier::new(3)), Arc::new(Barrier::new(3)));
    for _ in 0..2 {
        let (entered, left) = (Arc::clone(&entered), Arc::clone(&left));
        drop(tokio::spawn(async move { (entered.wait(), left.wait()) }));
    }
    entered.wait();
    while Instant::now() < end && !has_ended() {
        std::thread::yield_now();
    }
    left.wait();
}

/// Returns the state of a process as a letter: `Z` if it has exited.
fn state(pid: u32) -> Option<char> {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?.rsplit(") ").next()?.chars().next()
}

async fn blocked_kill() {
    for own in both() {
        let pool = pool(own).await;
        let pid: u32 = ask(&pool, "pid").await.unwrap().parse().unwrap();
        let running = tokio::spawn(pool.submit(job("spin").deadline(ms(300))));
        until(&pool, |s| s.workers[0].label.is_some()).await;
        let begun = Instant::now();
        block_until(begun + ms(2300), || state(pid).is_none_or(|state| state == 'Z'));
        assert!(begun.elapsed() < ms(500), "{:?}", begun.elapsed());
        assert!(matches!(running.await.unwrap(), Err(Error::Deadline)));
        pool.stop(Duration::ZERO).await;
    }
}

async fn blocked_answer() {
    for own in both() {
        let pool = pool(own).await;
        let running = tokio::spawn(pool.submit(job("sleep 200").deadline(ms(400))));
        until(&pool, |s| s.workers[0].label.is_some()).await;
        block_until(Instant::now() + ms(2400), || false);
        assert_eq!(text(running.await.unwrap().unwrap()).await.unwrap(), "200");
        assert_eq!(pool.snapshot().counts.kills, [].into());
        pool.stop(Duration::ZERO).await;
    }
}

/// The server is another process, which runs this test as well.
async fn paused_server() {
    let Some(folder) = std::env::var_os(PAUSED).map(PathBuf::from) else {
        return pause_server().await;
    };
    let mut running = Vec::new();
    for own in both() {
        let pool = pool(own.env("NOTES", folder.join("notes"))).await;
        running.push(tokio::spawn(pool.submit(job("note-and-hold held").deadline(ms(2000)))));
        until(&pool, |s| s.workers[0].label.is_some()).await;
        running.push(tokio::spawn(async move { pool.submit(job("say next")).await }));
    }
    File::create(folder.join("ready")).unwrap();
    for answer in running {
        assert!(answer.await.unwrap().is_ok());
    }
}

async fn pause_server() {
    let folder = tempfile::tempdir().unwrap();
    File::create(folder.path().join("notes")).unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap());
    let mut server = server.arg(PAUSED_SERVER).env(PAUSED, folder.path()).spawn().unwrap();
    let pid = Pid::from_child(&server);
    let mut tick = tokio::time::interval(ms(1));
    while !folder.path().join("ready").exists() {
        tick.tick().await;
    }
    kill_process(pid, Signal::STOP).unwrap();
    while state(server.id()) != Some('T') {
        tick.tick().await;
    }
    File::create(folder.path().join("notes.open")).unwrap();
    // The deadlines, and the time in which a worker must take its next step, are over then.
    tokio::time::sleep(ms(3300)).await;
    kill_process(pid, Signal::CONT).unwrap();
    assert!(tokio::task::spawn_blocking(move || server.wait()).await.unwrap().unwrap().success());
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

async fn extension() {
    let pool = pool(config(1).deadline(ms(1000)).extension(ms(30_000))).await;
    // The handler runs longer than its first deadline, so only the extension lets it finish.
    assert_eq!(ask(&pool, "extend 10000 15000 8000 1").await.unwrap(), "[10000, 15000, 5000, 0]");
    assert_eq!(pool.snapshot().counts.kills.get("deadline"), None);
    // The next job has its own extension.
    assert_eq!(ask(&pool, "extend 30000").await.unwrap(), "[30000]");
    pool.stop(Duration::ZERO).await;
}

async fn no_extension() {
    let pool = pool(config(1).deadline(ms(100))).await;
    assert!(matches!(ask(&pool, "extend-and-spin").await, Err(Error::Deadline)));
    pool.stop(Duration::ZERO).await;
}

async fn extended_deadline_kills() {
    let pool = pool(config(1).deadline(ms(1000)).extension(ms(1000))).await;
    let begun = Instant::now();
    // It gets part of what it asks for.
    assert!(matches!(ask(&pool, "extend-and-spin").await, Err(Error::Deadline)));
    assert!(begun.elapsed() >= ms(2000), "{:?}", begun.elapsed());
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    assert_eq!(pool.snapshot().counts.kills.get("deadline"), Some(&1));
    pool.stop(Duration::ZERO).await;
}

async fn cpu_time() {
    let pool = pool(config(1).cpu_time(ms(100))).await;
    let begun = Instant::now();
    assert!(matches!(ask(&pool, "spin").await, Err(Error::CpuTime)));
    assert!(begun.elapsed() < ms(10_000), "the deadline of 15 s is not what ended it");
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    let counts = pool.snapshot().counts;
    assert_eq!(counts.kills, [("cpu_time", 1)].into());
    pool.stop(Duration::ZERO).await;
}

async fn waiting_is_free() {
    let pool = pool(config(1).cpu_time(ms(200))).await;
    assert_eq!(ask(&pool, "sleep 600").await.unwrap(), "600");
    pool.stop(Duration::ZERO).await;
}

async fn cpu_time_of_each() {
    let pool = pool(config(1).cpu_time(ms(400))).await;
    for _ in 0..4 {
        assert_eq!(ask(&pool, "burn 150").await.unwrap(), "burnt");
    }
    assert_eq!(pool.snapshot().counts.kills.get("cpu_time"), None);
    pool.stop(Duration::ZERO).await;
}

async fn never() {
    let config = config(1..=2)
        .deadline(Duration::MAX)
        .extension(Duration::MAX)
        .cpu_time(Duration::MAX)
        .slow_after(Duration::MAX)
        .recycle_age(Duration::MAX)
        .queue_timeout(Duration::MAX)
        .start_timeout(Duration::MAX)
        .idle_timeout(Duration::MAX)
        .cancel_grace(Duration::MAX)
        .stream_idle_timeout(Duration::MAX);
    let pool = pool(config).await;
    // The job waits and makes the pool grow; the timer serves both.
    let jobs = [tokio::spawn(pool.submit(job("sleep 300"))), tokio::spawn(pool.submit(job("sleep 300")))];
    until(&pool, |s| s.size == 2).await;
    for job in jobs {
        assert!(job.await.unwrap().is_ok());
    }
    let streamed = pool.submit(job("stream 3").deadline(Duration::MAX)).await.unwrap();
    assert!(text(streamed).await.is_ok());
    // A short deadline still works: the timer has coped with the long ones.
    let short = job("spin").deadline(ms(50));
    assert!(matches!(pool.submit(short).await, Err(Error::Deadline)));
    pool.stop(Duration::ZERO).await;
}
