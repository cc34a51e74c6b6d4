//! Waiting, refusing, canceling.

use std::time::Duration;

use pixie_pool::Error;

use crate::{
    Test,
    setup::{ask, config, job, pool, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("a_full_queue_refuses", || Box::pin(full_queue())),
    ("a_job_that_waited_too_long_is_refused", || Box::pin(queue_timeout())),
    ("waiting_jobs_are_served_in_order", || Box::pin(order())),
    ("a_dropped_future_cancels_its_job", || Box::pin(cancel_is_seen())),
    ("a_canceled_job_that_does_not_end_is_killed", || Box::pin(cancel_kills())),
    ("a_dropped_future_leaves_the_queue", || Box::pin(cancel_in_queue())),
    ("a_job_waits_while_the_only_worker_is_replaced", || Box::pin(wait_for_respawn())),
];

fn spinning(pool: &pixie_pool::Pool) -> tokio::task::JoinHandle<Result<pixie_pool::Reply, Error>> {
    let spin = job("spin").deadline(Duration::from_millis(300));
    tokio::spawn(pool.submit(spin))
}

async fn full_queue() {
    let pool = pool(config(1).queue(1)).await;
    let running = spinning(&pool);
    until(&pool, |s| s.busy == 1).await;
    let waiting = tokio::spawn(pool.submit(job("say waited")));
    until(&pool, |s| s.queued == 1).await;
    match ask(&pool, "say refused").await {
        Err(Error::QueueFull { retry_after }) => assert!(retry_after >= Duration::from_secs(1)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(running.await.unwrap(), Err(Error::Deadline)));
    assert!(waiting.await.unwrap().is_ok());
    assert_eq!(pool.snapshot().counts.refused["queue_full"], 1);
    pool.stop(Duration::ZERO).await;
}

async fn queue_timeout() {
    let pool = pool(config(1).queue_timeout(Duration::from_millis(50))).await;
    let running = spinning(&pool);
    until(&pool, |s| s.busy == 1).await;
    assert!(matches!(ask(&pool, "say late").await, Err(Error::QueueTimeout { .. })));
    assert!(!running.is_finished());
    assert_eq!(pool.snapshot().counts.refused["queue_timeout"], 1);
    pool.stop(Duration::ZERO).await;
    assert!(matches!(running.await.unwrap(), Err(Error::Stopping)));
}

async fn order() {
    let pool = pool(config(1)).await;
    let running = spinning(&pool);
    until(&pool, |s| s.busy == 1).await;
    let (done, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..20 {
        let (answer, done) = (pool.submit(job("say x")), done.clone());
        tokio::spawn(async move {
            answer.await.unwrap();
            done.send(number).unwrap();
        });
        until(&pool, |s| s.queued == number + 1).await;
    }
    assert!(running.await.unwrap().is_err());
    for number in 0..20 {
        assert_eq!(order.recv().await, Some(number));
    }
    pool.stop(Duration::ZERO).await;
}

async fn cancel_is_seen() {
    let pool = pool(config(1).cancel_grace(Duration::from_secs(20))).await;
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    let job = tokio::spawn(pool.submit(job(&format!("until-canceled {}", mark.display()))));
    until(&pool, |_| mark.exists()).await;
    job.abort();
    until(&pool, |s| s.busy == 0).await;
    assert_eq!(std::fs::read_to_string(mark).unwrap(), "canceled");
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    assert_eq!(pool.snapshot().counts.restarts, 0);
    pool.stop(Duration::ZERO).await;
}

async fn cancel_kills() {
    let pool = pool(config(1).cancel_grace(Duration::from_millis(10))).await;
    // Its head has arrived, so the handler is running.
    drop(pool.submit(job("stand-still")).await.unwrap());
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    assert_eq!(pool.snapshot().counts.kills["cancel"], 1);
    pool.stop(Duration::ZERO).await;
}

async fn cancel_in_queue() {
    let pool = pool(config(1)).await;
    let running = spinning(&pool);
    until(&pool, |s| s.busy == 1).await;
    let waiting = tokio::spawn(pool.submit(job("say never")));
    until(&pool, |s| s.queued == 1).await;
    waiting.abort();
    until(&pool, |s| s.queued == 0).await;
    assert!(!running.is_finished());
    pool.stop(Duration::ZERO).await;
}

async fn wait_for_respawn() {
    let pool = pool(config(1)).await;
    let crash = tokio::spawn(pool.submit(job("abort")));
    until(&pool, |s| s.busy == 1 || s.counts.restarts == 1).await;
    let answers: Vec<_> = (0..50).map(|_| tokio::spawn(pool.submit(job("say x")))).collect();
    for answer in answers {
        assert!(answer.await.unwrap().is_ok());
    }
    assert!(matches!(crash.await.unwrap(), Err(Error::Exited(_))));
    pool.stop(Duration::ZERO).await;
}
