//! Bodies in pieces, both ways, and what happens when one side stops.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use pixie_pool::{Body, BodyStream, Error, Reply, Submission};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Test,
    setup::{ask, config, job, job_with, pool, text, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("bodies_of_any_size_come_back_whole", || Box::pin(sizes())),
    ("a_streamed_body_arrives_whole", || Box::pin(upload())),
    ("a_streamed_body_arrives_whole_although_its_first_worker_was_killed", || Box::pin(upload_to_killed_worker())),
    ("a_body_is_not_asked_for_beyond_the_window", || Box::pin(upload_backpressure())),
    ("a_body_may_be_left_unread", || Box::pin(unread())),
    ("a_body_that_fails_fails_its_job_only", || Box::pin(broken_upload())),
    ("a_worker_waits_while_its_reply_is_not_read", || Box::pin(download_backpressure())),
    ("a_large_body_flows_both_ways_at_once", || Box::pin(both_ways())),
    ("a_reader_that_is_slow_does_not_cost_the_worker", || Box::pin(slow_reader())),
    ("a_sender_that_is_slow_does_not_cost_the_worker", || Box::pin(slow_sender())),
    ("a_body_that_does_not_arrive_before_the_deadline_does_not_cost_the_worker", || Box::pin(stalled_sender())),
    ("a_reader_that_leaves_frees_the_worker", || Box::pin(reader_leaves())),
    ("an_answer_beyond_the_limit_is_not_read_into_memory", || Box::pin(too_large())),
    ("an_answer_that_is_broken_off_is_seen", || Box::pin(cut())),
    ("an_answer_that_stands_still_is_killed", || Box::pin(idle())),
];

/// Pieces that count how often they are polled.
struct Pieces {
    piece: Bytes,
    left: usize,
    asked: Arc<AtomicUsize>,
    end: Option<io::Error>,
}

impl BodyStream for Pieces {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.left == 0 {
            return Poll::Ready(self.end.take().map(Err));
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(self.piece.clone())))
    }
}

fn pieces(bytes: usize, left: usize) -> (Pieces, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    (Pieces { piece: vec![b'p'; bytes].into(), left, asked: Arc::clone(&asked), end: None }, asked)
}

fn streamed(head: &str, pieces: Pieces) -> Submission {
    job(head).body(Body::Stream(Box::pin(pieces)))
}

async fn sizes() {
    let pool = pool(config(1)).await;
    for size in [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 262_144, 1_000_003] {
        let body: Bytes = (0..size).map(|i| (i % 251) as u8).collect();
        let reply: Reply = pool.submit(job_with("echo", body.clone())).await.unwrap();
        assert_eq!(reply.head, "echo");
        assert!(reply.body.collect().await.unwrap() == body, "{size}");
    }
    assert_eq!(ask(&pool, "big 5000000").await.unwrap().len(), 5_000_000);
    pool.stop(Duration::ZERO).await;
}

async fn upload() {
    let pool = pool(config(1)).await;
    for (bytes, count) in [(1, 1000), (100_000, 30), (0, 5), (300_000, 4)] {
        let (pieces, _) = pieces(bytes, count);
        let reply = pool.submit(streamed("count", pieces)).await.unwrap();
        assert_eq!(text(reply).await.unwrap(), (bytes * count).to_string());
    }
    pool.stop(Duration::ZERO).await;
}

/// On one thread, so that the exit is not detected before the job is sent.
async fn upload_to_killed_worker() {
    let scene = async {
        let pool = pool(config(1)).await;
        let pid = ask(&pool, "pid").await.unwrap();
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
        // Only the runtime reaps it, and it does not run now.
        while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ") {}
        let body: Bytes = (0..1_000_003).map(|i| (i % 251) as u8).collect();
        let reply = pool.submit(job_with("echo", body.clone())).await.unwrap();
        assert!(reply.body.collect().await.unwrap() == body);
        pool.stop(Duration::ZERO).await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::scope(|scope| scope.spawn(move || runtime.block_on(scene)).join().unwrap());
}

async fn upload_backpressure() {
    let pool = pool(config(1).deadline(Duration::from_millis(200))).await;
    let (pieces, asked) = pieces(1024, 1_000_000);
    assert!(matches!(pool.submit(streamed("spin", pieces)).await, Err(Error::Deadline)));
    // A window of 1 MiB, and one polled piece.
    assert_eq!(asked.load(Ordering::SeqCst), 1024);
    pool.stop(Duration::ZERO).await;
}

async fn unread() {
    let pool = pool(config(1)).await;
    for head in ["say fine", "read-some"] {
        let (pieces, _) = pieces(50_000, 1000);
        let reply = pool.submit(streamed(head, pieces)).await.unwrap();
        assert!(["fine", "true"].contains(&&*text(reply).await.unwrap()));
    }
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    assert_eq!(pool.snapshot().counts.restarts, 0);
    pool.stop(Duration::ZERO).await;
}

async fn broken_upload() {
    let pool = pool(config(1)).await;
    let (mut pieces, _) = pieces(1000, 10);
    pieces.end = Some(io::Error::other("the client left"));
    match pool.submit(streamed("count", pieces)).await {
        Err(Error::Body(error)) => assert_eq!(error.to_string(), "the client left"),
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    assert_eq!(pool.snapshot().counts.restarts, 0);
    pool.stop(Duration::ZERO).await;
}

async fn download_backpressure() {
    let pool = pool(config(1)).await;
    let mut reply = pool.submit(job("stream 50000000")).await.unwrap();
    let (mut read, mut largest) = (0, 0);
    while let Some(piece) = poll_fn(|cx| reply.body.poll_next(cx)).await {
        let piece = piece.unwrap();
        read += piece.len();
        largest = largest.max(piece.len());
    }
    assert_eq!((read, largest <= 64 * 1024), (50_000_000, true));
    let mut unread = pool.submit(job("stream 50000000")).await.unwrap();
    // Without reads, exactly one window is sent, which can then be read at once.
    let held = tokio::time::timeout(Duration::from_millis(300), ask(&pool, "say next")).await;
    assert!(held.is_err(), "the only worker is held back");
    let mut at_once = 0;
    while at_once < 128 * 1024 {
        match poll_fn(|cx| Poll::Ready(unread.body.poll_next(cx))).await {
            Poll::Ready(Some(piece)) => at_once += piece.unwrap().len(),
            other => panic!("{at_once} bytes, then {other:?}"),
        }
    }
    drop(unread);
    assert_eq!(ask(&pool, "say next").await.unwrap(), "next");
    assert_eq!(pool.snapshot().counts.restarts, 0);
    pool.stop(Duration::ZERO).await;
}

async fn both_ways() {
    // The length of a piece is a prime, so that a lost or doubled byte changes all later ones.
    const PIECE: usize = 100_003;
    let pool = pool(config(1)).await;
    let piece: Bytes = (0..PIECE).map(|i| (i % 251) as u8).collect();
    let (mut body, _) = pieces(0, 700);
    body.piece = piece.clone();
    let mut reply = pool.submit(streamed("relay", body)).await.unwrap();
    let mut at = 0;
    while let Some(chunk) = poll_fn(|cx| reply.body.poll_next(cx)).await {
        let mut chunk = chunk.unwrap();
        while !chunk.is_empty() {
            let count = chunk.len().min(PIECE - at % PIECE);
            assert!(chunk.split_to(count) == piece[at % PIECE..][..count], "the bytes at {at}");
            at += count;
        }
    }
    assert_eq!((reply.head, at), ("relaying".into(), 700 * PIECE));
    pool.stop(Duration::ZERO).await;
}

async fn slow_reader() {
    let pool = pool(config(1).stream_idle_timeout(Duration::from_millis(50))).await;
    let reply = pool.submit(job("stream 5000000")).await.unwrap();
    let held = tokio::time::timeout(Duration::from_millis(300), ask(&pool, "say next")).await;
    assert!(held.is_err(), "the only worker is held back");
    assert_eq!(reply.body.collect().await.unwrap().len(), 5_000_000);
    assert_eq!(pool.snapshot().counts.kills.get("idle"), None);
    pool.stop(Duration::ZERO).await;
}

/// A piece now and then.
struct Trickle {
    tick: tokio::time::Interval,
    left: usize,
}

impl BodyStream for Trickle {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.tick.poll_tick(cx).map(|_| {
            self.left -= 1;
            Some(Ok("piece".into()))
        })
    }
}

async fn slow_sender() {
    let pool = pool(config(1).stream_idle_timeout(Duration::from_millis(1500))).await;
    // The reply has started and pauses longer than the limit, but only because the body is still being sent.
    let trickle = Trickle { tick: tokio::time::interval(Duration::from_millis(100)), left: 25 };
    let submission = job("gather").body(Body::Stream(Box::pin(trickle)));
    assert_eq!(text(pool.submit(submission).await.unwrap()).await.unwrap(), "125");
    assert_eq!(pool.snapshot().counts.kills.get("idle"), None);
    pool.stop(Duration::ZERO).await;
}

/// One piece, and then none.
struct Stalled(Option<Bytes>);

impl BodyStream for Stalled {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.0.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(piece))))
    }
}

async fn stalled_sender() {
    let pool =
        pool(config(1).deadline(Duration::from_millis(300)).stream_idle_timeout(Duration::from_millis(300))).await;
    for bytes in [1, 100_000, 200_000, 300_000] {
        let stalled = || Body::Stream(Box::pin(Stalled(Some(vec![b'p'; bytes].into()))));
        match pool.submit(job("count").body(stalled())).await {
            Err(Error::Body(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            other => panic!("{other:?}"),
        }
        // The same after the head of the reply.
        match pool.submit(job("gather").body(stalled())).await.unwrap().body.collect().await {
            Err(Error::Body(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    let counts = pool.snapshot().counts;
    assert_eq!((counts.restarts, counts.kills.len()), (0, 0), "{counts:?}");
    // A handler that does not read what has arrived is at fault.
    let stalled = Body::Stream(Box::pin(Stalled(Some("unread".into()))));
    assert!(matches!(pool.submit(job("spin").body(stalled)).await, Err(Error::Deadline)));
    pool.stop(Duration::ZERO).await;
}

async fn reader_leaves() {
    let pool = pool(config(1)).await;
    for _ in 0..20 {
        let mut reply = pool.submit(job("stream 100000000")).await.unwrap();
        poll_fn(|cx| reply.body.poll_next(cx)).await.unwrap().unwrap();
        drop(reply);
    }
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    assert_eq!(pool.snapshot().counts.restarts, 0);
    pool.stop(Duration::ZERO).await;
}

async fn cut() {
    let pool = pool(config(1)).await;
    let mut reply = pool.submit(job("cut")).await.unwrap();
    assert_eq!(poll_fn(|cx| reply.body.poll_next(cx)).await.unwrap().unwrap(), "the beginning");
    assert!(matches!(poll_fn(|cx| reply.body.poll_next(cx)).await, Some(Err(Error::Failed { .. }))));
    assert!(poll_fn(|cx| reply.body.poll_next(cx)).await.is_none());
    pool.stop(Duration::ZERO).await;
}

async fn idle() {
    let pool = pool(config(1).stream_idle_timeout(Duration::from_millis(50))).await;
    let mut reply = pool.submit(job("stand-still")).await.unwrap();
    assert_eq!(poll_fn(|cx| reply.body.poll_next(cx)).await.unwrap().unwrap(), "one piece");
    assert!(matches!(poll_fn(|cx| reply.body.poll_next(cx)).await, Some(Err(Error::Idle))));
    until(&pool, |s| s.counts.kills.get("idle") == Some(&1)).await;
    pool.stop(Duration::ZERO).await;
}

async fn too_large() {
    let pool = pool(config(1).collect_limit("1MiB")).await;
    assert_eq!(ask(&pool, "stream 1048576").await.unwrap().len(), 1 << 20);
    assert!(matches!(ask(&pool, "stream 1048577").await, Err(Error::TooLarge { limit: 0x10_0000 })));
    // Reading in pieces has no limit.
    let mut body = pool.submit(job("stream 3000000")).await.unwrap().body;
    let mut bytes = 0;
    while let Some(piece) = poll_fn(|cx| body.poll_next(cx)).await {
        bytes += piece.unwrap().len();
    }
    assert_eq!(bytes, 3_000_000);
    pool.stop(Duration::ZERO).await;
}
