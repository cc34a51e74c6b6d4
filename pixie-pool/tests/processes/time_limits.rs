//! The limits of a job's time: deadline, extension and CPU time.

use std::time::{Duration, Instant};

use pixie_pool::Error;

use crate::{
    Test,
    setup::{ask, config, job, pool, text, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("a_handler_gets_more_time_up_to_the_cap", || Box::pin(extension())),
    ("without_a_cap_no_handler_gets_more_time", || Box::pin(no_extension())),
    ("a_deadline_that_was_put_off_still_kills", || Box::pin(extended_deadline_kills())),
    ("a_job_that_uses_up_its_cpu_time_is_killed", || Box::pin(cpu_time())),
    ("waiting_costs_no_cpu_time", || Box::pin(waiting_is_free())),
    ("each_job_has_its_own_cpu_time", || Box::pin(cpu_time_of_each())),
    ("times_that_no_clock_reaches_mean_never", || Box::pin(never())),
];

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

async fn extension() {
    let pool = pool(config(1).deadline(ms(1000)).extension(ms(30_000))).await;
    // The handler runs longer than its first deadline, so only the extension lets it finish.
    assert_eq!(ask(&pool, "extend 10000 15000 8000 1").await.unwrap(), "[10000, 15000, 5000, 0]");
    assert_eq!(pool.snapshot().counts.kills_deadline, 0);
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
    assert_eq!(pool.snapshot().counts.kills_deadline, 1);
    pool.stop(Duration::ZERO).await;
}

async fn cpu_time() {
    let pool = pool(config(1).cpu_time(ms(100))).await;
    let begun = Instant::now();
    assert!(matches!(ask(&pool, "spin").await, Err(Error::CpuTime)));
    assert!(begun.elapsed() < ms(10_000), "the deadline of 15 s is not what ended it");
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    let counts = pool.snapshot().counts;
    assert_eq!((counts.kills_cpu_time, counts.kills_deadline), (1, 0));
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
    assert_eq!(pool.snapshot().counts.kills_cpu_time, 0);
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
