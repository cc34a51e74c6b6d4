//! The pool's side of each comparison: one worker, called from a task of a runtime with two threads, as in a
//! server.

use std::{
    future::poll_fn,
    io::{Read, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bench_kit::Result;
use bytes::Bytes;
use pixie_pool::{
    Body, BodyStream, Error, Handler, Job, Pool, Reply, ReplyBody, Size, StartMethod, Submission, WorkerState,
};

use crate::{BODY_BYTES, shared};

/// Bytes in one piece of a body.
const CHUNK_BYTES: usize = 64 * 1024;
/// Time limit for a pool until all its workers are ready again.
const COMPLETE_LIMIT: Duration = Duration::from_secs(20);
/// Pause before checking again.
const PAUSE: Duration = Duration::from_millis(1);

/// Returns the handler of the workers. The first byte of the head selects what it does.
pub(crate) fn handler() -> Handler {
    Arc::new(|mut job: Job| {
        // If a reply cannot be sent, the caller is gone.
        let _ = match job.head().first() {
            Some(b'b') => {
                let mut body = Vec::new();
                job.body().read_to_end(&mut body).and_then(|_| job.reply(b"", &body))
            }
            Some(b's') => {
                std::io::copy(job.body(), &mut std::io::sink()).and_then(|count| job.reply(b"", &count.to_ne_bytes()))
            }
            Some(b'g') => give(job),
            Some(b'c') => call(job),
            Some(b'm') => shared::read(job),
            Some(b'l') => loop {
                std::hint::black_box(0);
            },
            _ => {
                let head = job.head().to_vec();
                job.reply(b"", &head)
            }
        };
    })
}

/// Calls the pool as often as the body has bytes. Replies with the nanoseconds that each call took.
fn call(mut job: Job) -> std::io::Result<()> {
    let (caller, message) = (job.caller(), job.head().to_vec());
    let trips = std::io::copy(job.body(), &mut std::io::sink())?;
    let mut times = Vec::new();
    for _ in 0..trips {
        let start = Instant::now();
        let answer = caller.call(&message)?;
        times.extend_from_slice(&(start.elapsed().as_nanos() as u64).to_le_bytes());
        if answer != message {
            return Err(std::io::Error::other("the answer is not the message"));
        }
    }
    job.reply(b"", &times)
}

// Not inlined, because the chunk on its stack would cost every other job 16 pages of memory.
#[inline(never)]
fn give(job: Job) -> std::io::Result<()> {
    let chunk = [b'x'; CHUNK_BYTES];
    let mut writer = job.start(b"")?;
    (0..BODY_BYTES / CHUNK_BYTES).try_for_each(|_| writer.write_all(&chunk))?;
    writer.finish()
}

/// Starts a pool whose workers are forked: one that stays, or one for each job.
pub(crate) async fn start_forked(size: impl Into<Size>, is_fresh: bool) -> Result<Pool> {
    let config = Pool::named("forked").size(size).args(Vec::new()).start_method(StartMethod::Fork);
    let config = match is_fresh {
        true => config.fresh(),
        false => config.spares(0).idle_timeout(Duration::from_millis(1)),
    };
    Ok(config.start(handler()).await?)
}

/// Returns the proportional memory of each worker of a pool of four, in KiB.
pub(crate) async fn memory(method: StartMethod) -> Result<u64> {
    const WORKERS: usize = 4;
    let pool = Pool::named("memory").size(WORKERS).spares(0).args(Vec::new()).start_method(method);
    let pool = pool.start(handler()).await?;
    complete(&pool, WORKERS - 1).await?;
    let pids = pool.snapshot().workers.into_iter().filter_map(|worker| worker.pid);
    let total: u64 = pids.map(proportional_kib).sum::<Result<u64>>()?;
    pool.stop(Duration::from_secs(1)).await;
    Ok(total / WORKERS as u64)
}

fn proportional_kib(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("read the memory of a worker: no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Asks a pool from four tasks. Returns the time for each job, all together.
pub(crate) async fn sustained(pool: &Pool, message: &Bytes, jobs: u32) -> Result<Duration> {
    const TASKS: u32 = 4;
    let start = Instant::now();
    let task = || {
        let (pool, message) = (pool.clone(), message.clone());
        tokio::spawn(async move {
            for _ in 0..jobs / TASKS {
                round_trip_head(&pool, &message).await?;
            }
            Result::Ok(())
        })
    };
    for task in [task(), task(), task(), task()] {
        task.await??;
    }
    Ok(start.elapsed() / (jobs / TASKS * TASKS).max(1))
}

/// Waits until a pool on demand has no worker, and asks it. Returns the time until the answer.
pub(crate) async fn ask_on_demand(pool: &Pool, message: &Bytes) -> Result<Duration> {
    let start = Instant::now();
    while !pool.snapshot().workers.is_empty() {
        if start.elapsed() > COMPLETE_LIMIT {
            return Err("wait for an idle worker to exit: it stays".into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(round_trip_head(pool, message).await?.0)
}

/// Starts a pool with one worker and some spares. Returns when the worker takes jobs, and how long that took.
pub(crate) async fn start(spares: usize) -> Result<(Pool, Duration)> {
    let echo = |request: Bytes| async move { request };
    let config = Pool::named("bench").size(1).spares(spares).args(Vec::new()).calls(echo);
    let start = Instant::now();
    let pool = config.start(handler()).await?;
    Ok((pool, start.elapsed()))
}

/// Sends a message as a head. Returns the time of the reply and the process id of its worker.
pub(crate) async fn round_trip_head(pool: &Pool, message: &Bytes) -> Result<(Duration, u32)> {
    let start = Instant::now();
    let reply = pool.submit(Submission::new(message.clone()).replayable(true)).await?;
    compare(start, reply, message)
}

/// Sends a message as a body. Returns the time of the reply and the process id of its worker.
pub(crate) async fn round_trip_body(pool: &Pool, message: &Bytes) -> Result<(Duration, u32)> {
    let start = Instant::now();
    let reply = pool.submit(Submission::new("b").body(message.clone())).await?;
    compare(start, reply, message)
}

/// Lets a worker call so often. Returns how long each call took.
pub(crate) async fn calls(pool: &Pool, message: Bytes, trips: u32) -> Result<Vec<Duration>> {
    let job = Submission::new(message).body(vec![0; trips as usize]);
    let times = pool.submit(job).await?.body.collect().await?;
    let (times, _) = times.as_chunks();
    Ok(times.iter().map(|time| Duration::from_nanos(u64::from_le_bytes(*time))).collect())
}

fn compare(start: Instant, reply: Reply, message: &Bytes) -> Result<(Duration, u32)> {
    let time = start.elapsed();
    match reply.body {
        ReplyBody::Full(body) if body == *message => Ok((time, reply.pid)),
        other => Err(format!("compare an answer of the pool: it is not the message but {other:?}").into()),
    }
}

/// Streams a body to the worker.
pub(crate) async fn send_body(pool: &Pool) -> Result<Duration> {
    let chunks = Chunks { left: BODY_BYTES / CHUNK_BYTES, chunk: vec![b'x'; CHUNK_BYTES].into() };
    let start = Instant::now();
    let reply = pool.submit(Submission::new("s").body(Body::Stream(Box::pin(chunks)))).await?;
    let answer = reply.body.collect().await?;
    let time = start.elapsed();
    match *answer == BODY_BYTES.to_ne_bytes() {
        true => Ok(time),
        false => Err("stream a body to a worker: it did not get all of it".into()),
    }
}

/// Streams a body from the worker.
pub(crate) async fn fetch_body(pool: &Pool) -> Result<Duration> {
    let start = Instant::now();
    let mut body = pool.submit(Submission::new("g")).await?.body;
    let mut count = 0;
    while let Some(piece) = poll_fn(|cx| body.poll_next(cx)).await {
        count += piece?.len();
    }
    match count {
        BODY_BYTES => Ok(start.elapsed()),
        _ => Err(format!("stream a body from a worker: {count} bytes came").into()),
    }
}

/// Runs an endless job. Returns how long after its deadline the error came.
pub(crate) async fn miss_deadline(pool: &Pool, deadline: Duration) -> Result<Duration> {
    complete(pool, 1).await?;
    let start = Instant::now();
    let job = Submission::new("l").deadline(deadline);
    match pool.submit(job).await {
        Err(Error::Deadline) => Ok(start.elapsed().saturating_sub(deadline)),
        other => Err(format!("miss a deadline: {other:?}").into()),
    }
}

/// Kills the worker that would run the next job. Returns how long after that the next reply came.
pub(crate) async fn kill_and_ask(pool: &Pool, spares: usize, message: &Bytes) -> Result<Duration> {
    complete(pool, spares).await?;
    let (_, pid) = round_trip_head(pool, message).await?;
    let pid = rustix::process::Pid::from_raw(pid as i32).ok_or("kill a worker: it has no process id")?;
    let start = Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    round_trip_head(pool, message).await?;
    Ok(start.elapsed())
}

/// Waits until the worker and all spares are idle.
pub(crate) async fn complete(pool: &Pool, spares: usize) -> Result<()> {
    let start = Instant::now();
    let idle = || pool.snapshot().workers.iter().filter(|worker| worker.state == WorkerState::Idle).count();
    while idle() <= spares {
        if start.elapsed() > COMPLETE_LIMIT {
            return Err("wait for the pool's workers: they are not replaced".into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// A body whose pieces are all available at once.
struct Chunks {
    left: usize,
    chunk: Bytes,
}

impl BodyStream for Chunks {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Bytes>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.left = left;
        Poll::Ready(Some(Ok(self.chunk.clone())))
    }
}
