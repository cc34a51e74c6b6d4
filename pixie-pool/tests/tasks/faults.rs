//! Failing calls: each fault is one error, and the next call works.

use std::time::Duration;

use pixie_pool::{Error, Submission};

use crate::{
    Test,
    calls::{config, order, pool},
    work::{
        Dimensions, Filter, Order, checked_width, crash_once, doubling::doubling, gives_one_way, nothing, panic_with,
        reversed, segfault, spin, takes_one_way, wait_for_cancellation, worker_pid,
    },
};

pub(crate) const TESTS: &[Test] = &[
    ("an_error_of_a_task_comes_back_as_its_text", || Box::pin(errors())),
    ("a_panic_comes_back_with_its_place_and_the_worker_continues", || Box::pin(panics())),
    ("a_segfault_costs_one_call", || Box::pin(segfaults())),
    ("a_task_that_spins_is_killed_at_its_own_deadline", || Box::pin(deadlines())),
    ("a_task_sees_its_cancellation", || Box::pin(cancellations())),
    ("an_idempotent_task_survives_a_crash", || Box::pin(retries())),
    ("an_output_beyond_the_limit_is_not_read_into_memory", || Box::pin(too_large())),
    ("what_cannot_be_sent_is_named", || Box::pin(encodings())),
    ("a_job_that_names_no_task_fails", || Box::pin(unknown_tasks())),
];

async fn errors() {
    let pool = pool(1).await;
    let wide = Order { size: Dimensions { width: 101, height: None }, ..order(1, Filter::Named(String::new())) };
    match pool.call(checked_width, &wide).await {
        Err(Error::Failed { message }) => assert_eq!(message, "101 pixels are too wide"),
        other => panic!("{other:?}"),
    }
    pool.call(nothing, &()).await.unwrap();
    pool.stop(Duration::ZERO).await;
}

async fn panics() {
    let pool = pool(1).await;
    let before = pool.call(worker_pid, &()).await.unwrap();
    match pool.call(panic_with, &"so it ends".to_owned()).await {
        Err(Error::Panicked { message, location: Some(place) }) => {
            assert_eq!(message, "so it ends");
            assert!(place.contains("work.rs:"), "{place}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pool.call(worker_pid, &()).await.unwrap(), before);
    pool.stop(Duration::ZERO).await;
}

async fn too_large() {
    let pool = config(1).collect_limit("1MiB").start_tasks().await.unwrap();
    let large = bytes::Bytes::from(vec![7; 2 << 20]);
    assert!(matches!(pool.call(reversed, &large).await, Err(Error::TooLarge { limit: 0x10_0000 })));
    assert_eq!(pool.call(reversed, &large.slice(..1000)).await.unwrap(), large[..1000]);
    pool.stop(Duration::ZERO).await;
}

async fn segfaults() {
    let pool = pool(1).await;
    let before = pool.call(worker_pid, &()).await.unwrap();
    match pool.call(segfault, &()).await {
        Err(Error::Exited(exit)) => assert_eq!(exit.signal, Some(11)),
        other => panic!("{other:?}"),
    }
    assert_ne!(pool.call(worker_pid, &()).await.unwrap(), before);
    pool.stop(Duration::ZERO).await;
}

async fn deadlines() {
    let pool = pool(1).await;
    assert!(matches!(pool.call(spin, &()).await, Err(Error::Deadline)));
    pool.call(nothing, &()).await.unwrap();
    assert_eq!(pool.snapshot().counts.kills.get("deadline"), Some(&1));
    pool.stop(Duration::ZERO).await;
}

async fn cancellations() {
    let pool = config(1).cancel_grace(Duration::from_secs(60)).start_tasks().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    let call = tokio::spawn(pool.call(wait_for_cancellation, &mark));
    until(|| std::fs::read_to_string(&mark).is_ok_and(|text| text == "started")).await;
    call.abort();
    until(|| std::fs::read_to_string(&mark).is_ok_and(|text| text == "canceled")).await;
    pool.call(nothing, &()).await.unwrap();
    pool.stop(Duration::ZERO).await;
}

/// Repeats the check until it succeeds; the test's time limit ends it otherwise.
async fn until(is_so: impl Fn() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while !is_so() {
        tick.tick().await;
    }
}

async fn retries() {
    let pool = pool(1).await;
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    assert_eq!(pool.call(crash_once, &mark).await.unwrap(), "the second time");
    assert_eq!(pool.snapshot().counts.retries, 1);
    pool.stop(Duration::ZERO).await;
}

async fn encodings() {
    let pool = pool(1).await;
    match pool.call(takes_one_way, &crate::work::OneWay).await {
        Err(Error::Failed { message }) => assert!(message.contains("arguments cannot be read"), "{message}"),
        other => panic!("{other:?}"),
    }
    match pool.call(gives_one_way, &()).await {
        Err(Error::Encoding(message)) => assert!(message.contains("::work::gives_one_way`"), "{message}"),
        other => panic!("{other:?}"),
    }
    pool.stop(Duration::ZERO).await;
}

async fn unknown_tasks() {
    let pool = pool(1).await;
    for head in ["", "tasks::work::nothin", "\0\0", "tasks::work::doubling::doubling\0\u{1}\u{1}"] {
        match pool.submit(Submission::new(head)).await {
            Err(Error::Failed { message }) => {
                assert!(message.contains("no task") || message.contains("left over"), "{message}");
            }
            other => panic!("{head:?}: {other:?}"),
        }
    }
    assert_eq!(pool.call(doubling, &1).await.unwrap(), 2);
    pool.stop(Duration::ZERO).await;
}
