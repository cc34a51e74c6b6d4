//! When a job is given to a second worker and when not; one test for each rule.

use std::{
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use pixie_pool::{Body, BodyStream, Error, Pool, Submission};

use crate::{
    Test,
    setup::{ask, config, job, pool, text, until},
    starts,
};

pub(crate) const TESTS: &[Test] = &[
    ("a_job_that_may_run_twice_is_retried_after_a_crash", || Box::pin(crash())),
    ("a_job_that_may_not_run_twice_is_not_retried", || Box::pin(not_replayable())),
    ("a_job_is_retried_once_at_most", || Box::pin(once_at_most())),
    ("a_job_whose_body_is_streamed_is_not_retried", || Box::pin(streamed_body())),
    ("a_job_is_not_retried_after_its_head", || Box::pin(after_the_head())),
    ("a_job_is_not_retried_after_its_deadline", || Box::pin(after_the_deadline())),
    ("a_job_is_not_retried_when_half_of_its_time_is_over", || Box::pin(late())),
    ("a_job_is_retried_after_a_violation_of_the_protocol_as_after_a_crash", || Box::pin(violation())),
    ("the_jobs_after_a_violation_of_the_protocol_are_answered", || Box::pin(after_violations())),
    ("a_job_is_not_retried_after_a_panic", || Box::pin(panic())),
    ("a_job_that_waits_is_not_touched_by_the_crash_of_another", || Box::pin(waiting())),
];

fn replayable(head: &str) -> Submission {
    job(head).replayable(true)
}

async fn retries(pool: &Pool) -> u64 {
    let retries = pool.snapshot().counts.retries;
    pool.stop(Duration::ZERO).await;
    retries
}

/// A file that the handler creates before it crashes, so that it does not crash again.
fn mark(directory: &tempfile::TempDir) -> String {
    directory.path().join("mark").display().to_string()
}

async fn crash() {
    let (pool, directory) = (pool(config(1)).await, tempfile::tempdir().unwrap());
    let reply = pool.submit(replayable(&format!("once {}", mark(&directory)))).await.unwrap();
    assert_eq!(text(reply).await.unwrap(), "the second time");
    assert_eq!(retries(&pool).await, 1);
}

async fn not_replayable() {
    let (pool, directory) = (pool(config(1)).await, tempfile::tempdir().unwrap());
    assert!(matches!(ask(&pool, &format!("once {}", mark(&directory))).await, Err(Error::Exited(_))));
    assert_eq!(retries(&pool).await, 0);
}

async fn once_at_most() {
    let pool = pool(config(1).repeat_crash_refusal(false)).await;
    assert!(matches!(pool.submit(replayable("abort")).await, Err(Error::Exited(_))));
    assert_eq!(pool.snapshot().counts.exits["SIGABRT"], 2);
    assert_eq!(retries(&pool).await, 1);
}

/// One piece, and then the end.
struct Pieces(Option<Bytes>);

impl BodyStream for Pieces {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

async fn streamed_body() {
    let (pool, directory) = (pool(config(1)).await, tempfile::tempdir().unwrap());
    let body = Body::Stream(Box::pin(Pieces(Some(Bytes::from_static(b"piece")))));
    let job = replayable(&format!("once {}", mark(&directory))).body(body);
    assert!(matches!(pool.submit(job).await, Err(Error::Exited(_))));
    assert_eq!(retries(&pool).await, 0);
}

async fn after_the_head() {
    let pool = pool(config(1)).await;
    let reply = pool.submit(replayable("begin-and-abort")).await.unwrap();
    let end = text(reply).await;
    assert!(matches!(end, Err(Error::Exited(_))), "{end:?}");
    assert_eq!(retries(&pool).await, 0);
}

async fn after_the_deadline() {
    let pool = pool(config(1).deadline(Duration::from_millis(200))).await;
    assert!(matches!(pool.submit(replayable("spin")).await, Err(Error::Deadline)));
    assert_eq!(retries(&pool).await, 0);
}

async fn late() {
    let (pool, directory) = (pool(config(1)).await, tempfile::tempdir().unwrap());
    let head = format!("once-later {}", mark(&directory));
    let job = replayable(&head).deadline(Duration::from_secs(1));
    let end = pool.submit(job).await.unwrap_err();
    // On a very slow machine, the deadline comes first.
    assert!(matches!(end, Error::Exited(_) | Error::Deadline), "{end}");
    assert_eq!(retries(&pool).await, 0);
}

async fn violation() {
    let pool = pool(starts::leased("garbage")).await;
    assert!(matches!(pool.submit(replayable("say hello")).await, Err(Error::Protocol)));
    assert_eq!(retries(&pool).await, 1);
}

async fn after_violations() {
    let pool = pool(config(2)).await;
    for _ in 0..20 {
        // A worker whose violation has not arrived yet may claim the job, which then runs in another one.
        let lie = pool.submit(replayable("answer-and-lie")).await.unwrap();
        assert_eq!(text(lie).await.unwrap(), "answered");
        let next = [(); 3].map(|()| tokio::spawn(pool.submit(replayable("say fine"))));
        for next in next {
            assert_eq!(text(next.await.unwrap().unwrap()).await.unwrap(), "fine");
        }
    }
    until(&pool, |s| s.counts.kills.get("protocol").is_some_and(|kills| *kills >= 20)).await;
    pool.stop(Duration::ZERO).await;
}

async fn panic() {
    let pool = pool(config(1)).await;
    assert!(matches!(pool.submit(replayable("panic loudly")).await, Err(Error::Panicked { .. })));
    assert_eq!(retries(&pool).await, 0);
}

/// No worker has started the job, so another one may run it, also if the job may not run twice.
async fn waiting() {
    let (pool, directory) = (pool(config(1)).await, tempfile::tempdir().unwrap());
    let mark = mark(&directory);
    let first = tokio::spawn(pool.submit(job(&format!("wait-and-abort {mark}"))));
    until(&pool, |s| s.busy == 1).await;
    let second = tokio::spawn(pool.submit(job("say served")));
    until(&pool, |s| s.queued == 1).await;
    std::fs::write(Path::new(&mark), "").unwrap();
    assert!(matches!(first.await.unwrap(), Err(Error::Exited(_))));
    assert_eq!(text(second.await.unwrap().unwrap()).await.unwrap(), "served");
    assert_eq!(retries(&pool).await, 0);
}
