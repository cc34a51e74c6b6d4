//! Waiting, refusing, canceling.

use std::time::Duration;

use pixie_pool::Error;

use crate::{
    Test,
    setup::{ask, config, job, pool, text, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("a_full_queue_refuses", || Box::pin(full_queue())),
    ("a_job_that_waited_too_long_is_refused", || Box::pin(queue_timeout())),
    ("waiting_jobs_are_served_in_order", || Box::pin(order())),
    ("a_job_waits_for_one_job_of_each_other_client", || Box::pin(turns())),
    ("a_client_that_fills_the_queue_makes_room_for_another", || Box::pin(greedy_client())),
    ("a_dropped_future_cancels_its_job", || Box::pin(cancel_is_seen())),
    ("a_canceled_job_that_does_not_end_is_killed", || Box::pin(cancel_kills())),
    ("a_dropped_future_leaves_the_queue", || Box::pin(cancel_in_queue())),
    ("a_job_waits_while_the_only_worker_is_replaced", || Box::pin(wait_for_respawn())),
    ("workers_that_crash_in_their_first_job_are_replaced_at_once", || Box::pin(crash_in_first_jobs())),
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
    let clients = [None; 20];
    assert_eq!(turns_of(&clients).await, (0..20).collect::<Vec<_>>());
}

async fn turns() {
    let clients = [1, 1, 1, 1, 2, 1, 3, 2].map(Some);
    assert_eq!(turns_of(&clients).await, [0, 4, 6, 1, 7, 2, 3, 5]);
}

/// Submits a job of each client while the only worker is busy, and returns their numbers in the order in which
/// the worker ran them.
async fn turns_of(clients: &[Option<u64>]) -> Vec<usize> {
    let pool = pool(config(1)).await;
    let running = spinning(&pool);
    until(&pool, |s| s.busy == 1).await;
    let mut answers = Vec::new();
    for (number, client) in clients.iter().enumerate() {
        answers.push(tokio::spawn(pool.submit(job("turn").client(*client))));
        until(&pool, |s| s.queued == number + 1).await;
    }
    assert!(running.await.unwrap().is_err());
    let mut order = Vec::new();
    for (number, answer) in answers.into_iter().enumerate() {
        order.push((text(answer.await.unwrap().unwrap()).await.unwrap().parse::<usize>().unwrap(), number));
    }
    order.sort_unstable();
    pool.stop(Duration::ZERO).await;
    order.into_iter().map(|(_, number)| number).collect()
}

async fn greedy_client() {
    let pool = pool(config(1).queue(3)).await;
    let running = spinning(&pool);
    until(&pool, |s| s.busy == 1).await;
    let mut answers = Vec::new();
    for number in 1..=3 {
        answers.push(tokio::spawn(pool.submit(job("say x").client(1))));
        until(&pool, |s| s.queued == number).await;
    }
    let modest = tokio::spawn(pool.submit(job("say x").client(2)));
    let refused = answers.pop().unwrap().await.unwrap();
    assert!(matches!(refused, Err(Error::QueueFull { .. })), "{refused:?}");
    assert!(running.await.unwrap().is_err() && modest.await.unwrap().is_ok());
    for answer in answers {
        assert!(answer.await.unwrap().is_ok());
    }
    assert_eq!(pool.snapshot().counts.refused["queue_full"], 1);
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

async fn crash_in_first_jobs() {
    let pool = pool(config(1)).await;
    let start = std::time::Instant::now();
    for number in 0..12 {
        assert!(matches!(ask(&pool, &format!("segv {number}")).await, Err(Error::Exited(_))));
    }
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    // The pauses after exits of idle workers would be 100 s in all.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    pool.stop(Duration::ZERO).await;
}
