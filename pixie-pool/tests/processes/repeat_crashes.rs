//! Jobs that crash several workers, and workers that do not start: which jobs are refused.

use std::time::Duration;

use pixie_pool::{Error, Snapshot, WorkerState};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Test,
    setup::{ask, config, job, job_with, pool, until},
    starts,
};

pub(crate) const TESTS: &[Test] = &[
    ("a_job_that_killed_two_workers_is_refused_and_others_are_not", || Box::pin(repeat_crash())),
    ("a_repeat_crash_is_recognized_by_its_body_too", || Box::pin(crashing_body())),
    ("a_replayable_job_that_crashes_is_sent_to_two_workers_at_most", || Box::pin(replayed())),
    ("bodies_that_differ_in_their_last_byte_only_are_different_jobs", || Box::pin(long_bodies())),
    ("workers_that_others_kill_are_not_the_fault_of_their_jobs", || Box::pin(killed_by_others())),
    ("a_handler_that_closes_its_connection_is_at_fault_although_the_pool_kills_it", || Box::pin(hung_up())),
    ("an_answer_clears_the_crashes_of_its_job", || Box::pin(answered_between())),
    ("without_the_refusal_each_crashing_job_costs_a_worker", || Box::pin(refusal_off())),
    ("a_healthy_job_is_queued_while_a_pool_respawns", || Box::pin(healthy_jobs_wait())),
    ("without_its_breaker_a_pool_whose_workers_do_not_start_lets_jobs_wait", || Box::pin(breaker_off())),
];

async fn repeat_crash() {
    let pool = pool(config(1)).await;
    for _ in 0..2 {
        assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    }
    for _ in 0..3 {
        assert!(matches!(ask(&pool, "abort").await, Err(Error::RepeatCrash)));
    }
    assert!(matches!(ask(&pool, "abort now").await, Err(Error::Exited(_))), "it is another job");
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    let counts = pool.snapshot().counts;
    assert_eq!((counts.refused["repeat_crash"], counts.exits["SIGABRT"]), (3, 3));
    pool.stop(Duration::ZERO).await;
}

async fn crashing_body() {
    let pool = pool(config(1)).await;
    // One body in the frame of the head, one in pieces after it.
    for bytes in [1000, 1_000_000] {
        let bad = || pool.submit(job_with("abort", vec![b'x'; bytes]));
        assert!(matches!(bad().await, Err(Error::Exited(_))));
        assert!(matches!(bad().await, Err(Error::Exited(_))));
        assert!(matches!(bad().await, Err(Error::RepeatCrash)));
    }
    let other = pool.submit(job_with("abort", vec![b'y'; 1000])).await;
    assert!(matches!(other, Err(Error::Exited(_))));
    pool.stop(Duration::ZERO).await;
}

async fn replayed() {
    let pool = pool(config(1)).await;
    let bad = || pool.submit(job("abort").replayable(true));
    assert!(matches!(bad().await, Err(Error::Exited(_))));
    assert!(matches!(bad().await, Err(Error::RepeatCrash)));
    assert_eq!(pool.snapshot().counts.exits["SIGABRT"], 2);
    pool.stop(Duration::ZERO).await;
}

async fn long_bodies() {
    let pool = pool(config(1)).await;
    for bytes in [1000, 100_000, 5_000_000] {
        let body = |last: u8| [vec![b'x'; bytes], vec![last]].concat();
        for _ in 0..2 {
            let bad = pool.submit(job_with("read-and-abort y", body(b'y'))).await;
            assert!(matches!(bad, Err(Error::Exited(_))));
        }
        assert!(matches!(pool.submit(job_with("read-and-abort y", body(b'y'))).await, Err(Error::RepeatCrash)));
        assert!(pool.submit(job_with("read-and-abort y", body(b'z'))).await.is_ok());
    }
    pool.stop(Duration::ZERO).await;
}

async fn killed_by_others() {
    let pool = pool(config(2)).await;
    for number in 0..4 {
        let running = tokio::spawn(pool.submit(job("spin").replayable(number % 2 == 0)));
        for _ in 0..=(number + 1) % 2 {
            until(&pool, |s| busy(s).is_some()).await;
            let pid = busy(&pool.snapshot()).unwrap();
            kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
            until(&pool, |s| busy(s) != Some(pid)).await;
        }
        let end = running.await.unwrap();
        assert!(matches!(&end, Err(Error::Exited(exit)) if exit.signal == Some(9)), "{end:?}");
    }
    let counts = pool.snapshot().counts;
    assert_eq!((counts.exits["SIGKILL"], counts.refused.get("repeat_crash")), (6, None));
    pool.stop(Duration::ZERO).await;
}

/// Returns the process that runs a job.
fn busy(snapshot: &Snapshot) -> Option<u32> {
    snapshot.workers.iter().find(|worker| worker.state == WorkerState::Busy)?.pid
}

async fn hung_up() {
    let pool = pool(config(1)).await;
    for _ in 0..2 {
        let end = ask(&pool, "hang-up").await;
        assert!(matches!(&end, Err(Error::Exited(exit)) if exit.signal == Some(9)), "{end:?}");
    }
    assert!(matches!(ask(&pool, "hang-up").await, Err(Error::RepeatCrash)));
    pool.stop(Duration::ZERO).await;
}

async fn answered_between() {
    let (pool, directory) = (pool(config(1)).await, tempfile::tempdir().unwrap());
    let mark = directory.path().join("mark");
    // It crashes if there is no file, which it then makes.
    let head = format!("once {}", mark.display());
    for _ in 0..4 {
        assert!(matches!(ask(&pool, &head).await, Err(Error::Exited(_))));
        assert_eq!(ask(&pool, &head).await.unwrap(), "the second time");
        std::fs::remove_file(&mark).unwrap();
    }
    pool.stop(Duration::ZERO).await;
}

async fn refusal_off() {
    let pool = pool(config(1).repeat_crash_refusal(false)).await;
    for _ in 0..4 {
        assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    }
    pool.stop(Duration::ZERO).await;
}

/// Many crashes in a row do not delay other jobs by the restart back-off.
async fn healthy_jobs_wait() {
    let pool = pool(config(1)).await;
    for round in 0..60 {
        let crash = tokio::spawn(pool.submit(job(&format!("abort {round}"))));
        let answer = tokio::spawn(pool.submit(job("say alive")));
        assert!(matches!(crash.await.unwrap(), Err(Error::Exited(_))));
        assert!(answer.await.unwrap().is_ok(), "after {round} crashes");
    }
    pool.stop(Duration::ZERO).await;
}

/// With the breaker, they are refused: `a_pool_whose_workers_stop_starting_refuses_and_recovers`.
async fn breaker_off() {
    let directory = tempfile::tempdir().unwrap();
    let flag = directory.path().join("flag");
    let queue_timeout = Duration::from_millis(500);
    let pool = pool(starts::playing(&flag.display().to_string()).breaker(false).queue_timeout(queue_timeout)).await;
    std::fs::write(&flag, "").unwrap();
    assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    until(&pool, |s| s.counts.start_failures >= 5).await;
    assert!(!pool.snapshot().is_broken);
    assert!(matches!(ask(&pool, "say x").await, Err(Error::QueueTimeout { .. })));
    pool.stop(Duration::ZERO).await;
}
