//! Pools that grow, shrink and recycle their workers.

use std::{collections::BTreeSet, time::Duration};

use pixie_pool::{Pool, Snapshot};

use crate::{
    Test,
    setup::{ask, config, job, pool, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("a_pool_grows_when_jobs_wait_and_shrinks_when_none_come", || Box::pin(grows_and_shrinks())),
    ("a_pool_on_demand_has_no_worker_until_the_first_job", || Box::pin(on_demand())),
    ("a_worker_is_replaced_after_its_jobs_and_no_job_notices", || Box::pin(recycled_by_jobs())),
    ("the_replacement_is_ready_before_the_worker_goes", || Box::pin(replacement_first())),
    ("a_worker_is_replaced_when_it_is_old_also_if_it_idles", || Box::pin(recycled_by_age())),
    (
        "a_worker_with_a_long_job_does_not_hold_back_the_replacement_of_others",
        || Box::pin(recycled_beside_a_long_job()),
    ),
    ("a_worker_that_has_become_large_is_replaced_after_its_jobs_however_short", || Box::pin(recycled_by_memory())),
    ("a_worker_that_exits_while_its_replacement_starts_is_not_missed", || Box::pin(exit_while_recycled())),
];

fn ready(snapshot: &Snapshot) -> usize {
    snapshot.workers.iter().filter(|worker| worker.pid.is_some()).count()
}

async fn pid(pool: &Pool) -> u32 {
    ask(pool, "pid").await.unwrap().parse().unwrap()
}

async fn grows_and_shrinks() {
    let pool = pool(config(1..=4).idle_timeout(Duration::from_millis(200)).spares(1)).await;
    until(&pool, |s| ready(s) == 2).await;
    assert_eq!((pool.snapshot().size, pool.snapshot().size_max), (1, 4));
    let jobs: Vec<_> = (0..8).map(|_| tokio::spawn(pool.submit(job("sleep 400")))).collect();
    until(&pool, |s| s.busy == 4 && ready(s) == 5).await;
    for job in jobs {
        assert!(job.await.unwrap().is_ok());
    }
    until(&pool, |s| s.size == 1 && ready(s) == 2 && s.workers.len() == 2 && s.counts.retired == 3).await;
    let counts = pool.snapshot().counts;
    assert_eq!((counts.restarts, counts.recycled), (0, 0));
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn on_demand() {
    let pool = pool(config(0..=2).idle_timeout(Duration::from_millis(100)).spares(1)).await;
    assert!(pool.snapshot().workers.is_empty());
    for _ in 0..3 {
        assert_eq!(ask(&pool, "say here").await.unwrap(), "here");
        until(&pool, |s| s.workers.is_empty() && s.size == 0).await;
    }
    pool.stop(Duration::ZERO).await;
}

async fn recycled_by_jobs() {
    let pool = pool(config(2).recycle_after(20)).await;
    let mut pids = BTreeSet::new();
    // The number of jobs depends on how long this machine needs to start a worker.
    while pids.len() < 6 {
        let two = [tokio::spawn(ask_pid(pool.clone())), tokio::spawn(ask_pid(pool.clone()))];
        for one in two {
            pids.insert(one.await.unwrap());
        }
    }
    // A recycled worker is counted after it has exited.
    until(&pool, |s| s.workers.len() == 2 && ready(s) == 2 && s.counts.recycled > 3).await;
    let counts = pool.snapshot().counts;
    assert!(counts.exits.is_empty(), "{counts:?}");
    pool.stop(Duration::ZERO).await;
}

async fn ask_pid(pool: Pool) -> u32 {
    pid(&pool).await
}

/// With one worker and no spare, a gap between two workers would leave the pool without a worker.
async fn replacement_first() {
    let pool = pool(config(1).recycle_age(Duration::from_millis(50))).await;
    let first = pid(&pool).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 5 {
        assert!(ready(&pool.snapshot()) >= 1);
        seen.insert(pid(&pool).await);
    }
    until(&pool, |s| s.workers.iter().all(|w| w.pid != Some(first))).await;
    pool.stop(Duration::ZERO).await;
}

async fn recycled_by_age() {
    let pool = pool(config(2).recycle_age(Duration::from_millis(300))).await;
    let before: Vec<_> = pool.snapshot().workers.iter().map(|worker| worker.pid).collect();
    until(&pool, |s| s.counts.recycled >= 2 && s.workers.iter().all(|w| !before.contains(&w.pid) || w.pid.is_none()))
        .await;
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn recycled_beside_a_long_job() {
    let directory = tempfile::tempdir().unwrap();
    let notes = directory.path().join("notes");
    std::fs::write(&notes, "").unwrap();
    let recycle_age = Some(Duration::from_millis(100));
    let pool = pool(config(2).recycle_age(recycle_age).env("NOTES", notes)).await;
    let long = tokio::spawn(pool.submit(job("note-and-hold long")));
    until(&pool, |s| s.busy == 1 && s.counts.recycled >= 5).await;
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    std::fs::write(directory.path().join("notes.open"), "").unwrap();
    assert!(long.await.unwrap().is_ok());
    pool.stop(Duration::ZERO).await;
}

async fn recycled_by_memory() {
    let pool = pool(config(1).recycle_memory("100MB")).await;
    let small = ask(&pool, "hoard 1000").await.unwrap();
    assert_eq!(ask(&pool, "pid").await.unwrap(), small);
    let large: u32 = ask(&pool, "hoard 150000000").await.unwrap().parse().unwrap();
    until(&pool, |s| s.counts.recycled == 1 && s.workers.iter().all(|w| w.pid != Some(large))).await;
    assert_ne!(pid(&pool).await, large);
    pool.stop(Duration::ZERO).await;
}

async fn exit_while_recycled() {
    let pool = pool(config(1).recycle_after(1).repeat_crash_refusal(false)).await;
    for _ in 0..20 {
        // After the first job the worker has to be replaced; the second job ends it before its replacement is
        // ready.
        let _ = pid(&pool).await;
        assert!(ask(&pool, "abort").await.is_err());
    }
    until(&pool, |s| ready(s) == 1 && s.workers.len() == 1).await;
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}
