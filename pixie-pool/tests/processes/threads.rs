//! A pool of size 0: the same jobs on threads of this process.

use std::time::Duration;

use pixie_pool::{Config, Error};

use crate::{
    Test,
    setup::{ask, children, config, job, job_with, open_descriptors, pool, text},
};

pub(crate) const TESTS: &[Test] = &[
    ("size_0_answers_on_threads_of_this_process", || Box::pin(answers())),
    ("size_0_reports_a_panic_and_goes_on", || Box::pin(panics())),
    ("size_0_answers_at_the_deadline_while_the_thread_runs_on", || Box::pin(deadline())),
    ("size_0_does_not_count_the_cpu_time_of_the_whole_program", || Box::pin(cpu_time())),
];

fn threads() -> Config {
    config(0).threads(2)
}

async fn answers() {
    let (descriptors, before) = (open_descriptors(), children());
    let pool = pool(threads()).await;
    assert_eq!(ask(&pool, "pid").await.unwrap(), std::process::id().to_string());
    assert!(ask(&pool, "identity").await.unwrap().contains("pool: None, number: 0"));
    assert_eq!(children(), before);
    let body = "b".repeat(1_000_000);
    let reply = pool.submit(job_with("echo", body.clone())).await.unwrap();
    assert!(text(reply).await.unwrap() == body);
    pool.stop(Duration::from_secs(1)).await;
    drop(pool);
    assert_eq!(open_descriptors(), descriptors);
}

async fn panics() {
    let pool = pool(threads()).await;
    for _ in 0..5 {
        match ask(&pool, "panic here").await {
            Err(Error::Panicked { message, location }) => {
                assert_eq!(message, "this is here");
                assert!(location.unwrap().contains("handler.rs:"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn deadline() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    let pool = pool(threads()).await;
    let head = format!("until-canceled {}", mark.display());
    let late = job(&head).deadline(Duration::from_millis(30));
    assert!(matches!(pool.submit(late).await, Err(Error::Deadline)));
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    // The thread sees the cancellation and ends, and another one replaces it.
    crate::setup::until(&pool, |s| s.workers.iter().all(|w| w.pid.is_some())).await;
    assert_eq!(std::fs::read_to_string(mark).unwrap(), "canceled");
    pool.stop(Duration::ZERO).await;
}

async fn cpu_time() {
    let pool = pool(threads().cpu_time(Duration::from_millis(50))).await;
    assert_eq!(ask(&pool, "burn 300").await.unwrap(), "burnt");
    pool.stop(Duration::ZERO).await;
}
