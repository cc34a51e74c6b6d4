//! Jobs that call the process of their pool: in every kind of pool, beside bodies and replies, and until their end.

use std::{
    future::pending,
    io::{ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use bytes::Bytes;
use pixie_pool::{Body, BodyStream, Caller, Config, Error, Job, Pool, Sandbox};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    Test, handler,
    setup::{ask, config, job, job_with, pool, text, until},
    starts::misbehave,
};

pub(crate) const TESTS: &[Test] = &[
    ("a_job_calls_in_every_kind_of_pool_and_gets_its_own_answers", || Box::pin(each_kind())),
    ("the_largest_call_has_one_mebibyte_and_so_has_its_answer", || Box::pin(largest())),
    ("a_job_calls_between_the_pieces_of_its_body_and_its_reply", || Box::pin(beside_bodies())),
    ("a_thread_calls_while_its_job_waits_for_its_body", || Box::pin(beside_a_waiting_read())),
    ("threads_of_a_job_call_at_the_same_time", || Box::pin(threads())),
    ("a_call_that_waits_does_not_hold_back_its_job", || Box::pin(beside_a_reply())),
    ("a_pool_without_calls_refuses_them_at_once", || Box::pin(unsupported())),
    ("a_function_that_panics_or_answers_too_much_is_an_error_of_its_call_only", || Box::pin(faults())),
    ("after_its_job_a_thread_neither_calls_nor_reads", || Box::pin(after_the_job())),
    ("a_job_that_is_canceled_during_a_call_sees_it", || Box::pin(canceled())),
    ("a_deadline_during_a_call_kills", || Box::pin(deadline())),
    ("more_time_is_granted_while_a_thread_waits_for_an_answer", || Box::pin(extended())),
    ("a_worker_that_is_killed_during_a_call_is_replaced", || Box::pin(killed())),
    ("a_pool_stops_during_a_call", || Box::pin(stopped())),
    ("calls_of_many_jobs_each_get_their_own_answers", || Box::pin(many_jobs())),
    ("a_worker_that_calls_out_of_turn_is_killed", || Box::pin(hostile())),
];

/// The variable with the bytes that a hostile worker sends when it has got a job, in hex.
const BYTES: &str = "CALLS_BYTES";
const LARGEST: usize = 1024 * 1024;

/// In a worker: sends the bytes that the test asks for, instead of serving.
pub(crate) fn play_role() {
    if let Ok(hex) = std::env::var(BYTES) {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        misbehave(&bytes);
        std::process::exit(0);
    }
}

/// Runs a job whose head is `call`, what it does, and an argument.
pub(crate) fn run(mut job: Job, what: &str) {
    let (what, argument) = what.split_once(' ').unwrap_or((what, ""));
    let (caller, number) = (job.caller(), argument.parse().unwrap_or(0));
    match what {
        "say" => handler::answer(job, &called(&caller, argument.as_bytes())),
        "bytes" => {
            let request: Vec<u8> = (0..number).map(|at| (at * 31 % 251) as u8).collect();
            let is_same = caller.call(&request).map(|answer| answer == request);
            handler::answer(job, &format!("{:?}", is_same.map_err(|error| error.kind())));
        }
        "often" => handler::answer(job, &often(&caller, argument, 200)),
        "read" => {
            let mut calls = 0;
            while let Ok(Some(piece)) = job.body().next_piece() {
                calls += usize::from(caller.call(&piece).is_ok_and(|answer| answer == piece));
            }
            handler::answer(job, if calls > 0 { "all" } else { "none" });
        }
        "stream" => {
            let mut writer = job.start(b"ok").unwrap();
            for at in 0..number {
                writer.write_all(called(&caller, at.to_string().as_bytes()).as_bytes()).unwrap();
                writer.write_all(&[b'.'; 10_000]).unwrap();
            }
            writer.finish().unwrap();
        }
        "call-and-read" => {
            let (mark, caller) = (argument.to_owned(), caller.clone());
            let thread = thread::spawn(move || std::fs::write(mark, called(&caller, b"beside")).unwrap());
            let count = std::io::copy(job.body(), &mut std::io::sink()).unwrap();
            thread.join().unwrap();
            handler::answer(job, &count.to_string());
        }
        "threads" => {
            let thread = |at: usize| {
                let caller = caller.clone();
                thread::spawn(move || often(&caller, &at.to_string(), 50))
            };
            let threads: Vec<_> = (0..number).map(thread).collect();
            let mut body = Vec::new();
            job.body().read_to_end(&mut body).unwrap();
            let all: Vec<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            handler::answer(job, &all.join(" "));
        }
        // A thread calls, and gets no answer, while the job does something else.
        "wait-and-say" => {
            wait_beside(&caller, argument);
            handler::answer(job, "said");
        }
        "wait-and-extend" => {
            wait_beside(&caller, argument);
            let granted = job.time_limit().extend(Duration::from_millis(70));
            handler::answer(job, &granted.as_millis().to_string());
        }
        "leave" => leave(job, argument.into()),
        "never" => call_for_ever(&caller, argument),
        "without-end" => while caller.call(b"again").is_ok() {},
        other => panic!("unknown call {other}"),
    }
}

/// Returns the answer, or the kind of the error.
fn called(caller: &Caller, request: &[u8]) -> String {
    match caller.call(request) {
        Ok(answer) => String::from_utf8_lossy(&answer).into_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn often(caller: &Caller, name: &str, times: usize) -> String {
    for at in 0..times {
        let request = format!("{name}-{at}");
        let answer = called(caller, request.as_bytes());
        if answer != request {
            return format!("{answer} instead of {request}");
        }
    }
    "own".to_owned()
}

/// Calls and gets no answer. Notes how the call ended.
fn call_for_ever(caller: &Caller, directory: &str) {
    let outcome = called(caller, format!("never {directory}/heard").as_bytes());
    std::fs::write(format!("{directory}/outcome.new"), outcome).unwrap();
    std::fs::rename(format!("{directory}/outcome.new"), format!("{directory}/outcome")).unwrap();
}

/// Does so on a thread, and waits until the pool has heard the call.
fn wait_beside(caller: &Caller, directory: &str) {
    let (caller, own) = (caller.clone(), directory.to_owned());
    thread::spawn(move || call_for_ever(&caller, &own));
    while !Path::new(directory).join("heard").exists() {
        thread::yield_now();
    }
}

/// Replies, and then uses from another thread what is left of the job.
fn leave(job: Job, mark: PathBuf) {
    let (caller, mut body, cancellation) = (job.caller(), job.detached_body(), job.cancellation());
    let is_over = Arc::new((Mutex::new(false), Condvar::new()));
    let over = Arc::clone(&is_over);
    thread::spawn(move || {
        drop(over.1.wait_while(over.0.lock().unwrap(), |is_over| !*is_over));
        let read = body.next_piece().map_err(|error| error.kind());
        let outcome = format!("{} {read:?} {}", called(&caller, b"late"), cancellation.is_canceled());
        std::fs::write(mark, outcome).unwrap();
    });
    handler::answer(job, "left");
    *is_over.0.lock().unwrap() = true;
    is_over.1.notify_all();
}

/// A pool whose function echoes, and the number of calls that wait for an answer.
struct Calling {
    pool: Pool,
    waiting: Arc<AtomicUsize>,
    directory: TempDir,
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Calling {
    async fn start(config: Config) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&waiting);
        let function = move |request: Bytes| {
            assert_ne!(request, "panic", "this is caught");
            let path = request.strip_prefix(b"never ").map(|path| String::from_utf8(path.to_vec()).unwrap());
            let waiting = path.map(|path| {
                count.fetch_add(1, Ordering::SeqCst);
                std::fs::write(path, "").unwrap();
                Waiting(Arc::clone(&count))
            });
            answer(request, waiting)
        };
        Calling { pool: pool(config.calls(function)).await, waiting, directory: tempfile::tempdir().unwrap() }
    }

    /// Starts a job with this directory as its argument, and waits until its call is heard.
    async fn calling(
        &self,
        what: &str,
        deadline: impl Into<Option<Duration>>,
    ) -> tokio::task::JoinHandle<Result<pixie_pool::Reply, Error>> {
        let mut job = job(&format!("call {what} {}", self.directory.path().display()));
        if let Some(deadline) = deadline.into() {
            job = job.deadline(deadline);
        }
        let running = tokio::spawn(self.pool.submit(job));
        until(&self.pool, |_| self.directory.path().join("heard").exists()).await;
        running
    }

    /// Waits for the end of the call without an answer in the worker, and of its future here.
    async fn outcome(&self) -> String {
        let path = self.directory.path().join("outcome");
        until(&self.pool, |_| path.exists() && self.waiting.load(Ordering::SeqCst) == 0).await;
        std::fs::read_to_string(path).unwrap()
    }

    async fn end(self) {
        until(&self.pool, |_| self.waiting.load(Ordering::SeqCst) == 0).await;
        assert_eq!(ask(&self.pool, "call often alive").await.unwrap(), "own");
        self.pool.stop(Duration::ZERO).await;
    }
}

/// Answers some calls at once and others later, and one of them never.
async fn answer(request: Bytes, waiting: Option<Waiting>) -> Bytes {
    if waiting.is_some() {
        pending::<()>().await;
    }
    if request.len() % 2 == 1 {
        tokio::task::yield_now().await;
    }
    assert_ne!(request, "later panic", "this is caught");
    if request == "large" { vec![0; LARGEST + 1].into() } else { request }
}

/// Pools whose workers share a socket, pools whose workers are leased, and threads.
fn kinds() -> [Config; 4] {
    let sandboxed = [Sandbox::no_network(), Sandbox::strict()].map(|sandbox| config(1).sandbox(sandbox));
    let [no_network, strict] = sandboxed;
    [config(1), no_network, strict, config(0).threads(1)]
}

async fn each_kind() {
    for own in kinds() {
        let calling = Calling::start(own).await;
        assert_eq!(ask(&calling.pool, "call say hello").await.unwrap(), "hello");
        assert_eq!(ask(&calling.pool, "call often one").await.unwrap(), "own");
        calling.end().await;
    }
}

async fn largest() {
    for own in kinds() {
        let calling = Calling::start(own).await;
        for bytes in [0, 4096, LARGEST - 1, LARGEST] {
            assert_eq!(ask(&calling.pool, &format!("call bytes {bytes}")).await.unwrap(), "Ok(true)");
        }
        let refused = ask(&calling.pool, &format!("call bytes {}", LARGEST + 1)).await.unwrap();
        assert_eq!(refused, format!("Err({:?})", ErrorKind::InvalidInput));
        assert_eq!(ask(&calling.pool, "call say large").await.unwrap(), "Other");
        calling.end().await;
    }
}

async fn beside_bodies() {
    for own in kinds() {
        let calling = Calling::start(own).await;
        let reply = calling.pool.submit(job_with("call read", vec![b'b'; 3_000_000])).await.unwrap();
        assert_eq!(text(reply).await.unwrap(), "all");
        let reply = calling.pool.submit(job("call stream 100")).await.unwrap();
        let body = text(reply).await.unwrap();
        let numbers: Vec<_> = body.split('.').filter(|piece| !piece.is_empty()).collect();
        assert_eq!(numbers, (0..100).map(|at| at.to_string()).collect::<Vec<_>>());
        calling.end().await;
    }
}

/// A body of pieces from a channel.
struct Fed(tokio::sync::mpsc::Receiver<Bytes>);

impl BodyStream for Fed {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Bytes>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(Ok))
    }
}

async fn beside_a_waiting_read() {
    for own in [config(1), config(1).sandbox(Sandbox::no_network()), config(0).threads(1)] {
        let calling = Calling::start(own).await;
        let mark = calling.directory.path().join("mark");
        let (feed, fed) = tokio::sync::mpsc::channel(1);
        let submission = job(&format!("call call-and-read {}", mark.display()));
        let running = tokio::spawn(calling.pool.submit(submission.body(Body::Stream(Box::pin(Fed(fed))))));
        feed.send(Bytes::from("piece")).await.unwrap();
        until(&calling.pool, |_| std::fs::read_to_string(&mark).is_ok_and(|text| text == "beside")).await;
        feed.send(Bytes::from("another piece")).await.unwrap();
        drop(feed);
        assert_eq!(text(running.await.unwrap().unwrap()).await.unwrap(), "18");
        calling.end().await;
    }
}

async fn threads() {
    for own in [config(1), config(1).sandbox(Sandbox::no_network()), config(0).threads(1)] {
        let calling = Calling::start(own).await;
        let submission = job_with("call threads 4", vec![b'b'; 3_000_000]);
        let reply = calling.pool.submit(submission).await.unwrap();
        assert_eq!(text(reply).await.unwrap(), "own own own own");
        calling.end().await;
    }
}

async fn beside_a_reply() {
    for own in [config(1), config(1).sandbox(Sandbox::no_network()), config(0).threads(1)] {
        let calling = Calling::start(own).await;
        let running = calling.calling("wait-and-say", None).await;
        assert_eq!(text(running.await.unwrap().unwrap()).await.unwrap(), "said");
        assert_eq!(calling.outcome().await, "BrokenPipe");
        assert_eq!(calling.pool.snapshot().counts.restarts, 0);
        calling.end().await;
    }
}

async fn unsupported() {
    for own in kinds() {
        let pool = pool(own).await;
        assert_eq!(ask(&pool, "call say hello").await.unwrap(), "Unsupported");
        assert_eq!(ask(&pool, "call bytes 9").await.unwrap(), "Err(Unsupported)");
        pool.stop(Duration::ZERO).await;
    }
}

async fn faults() {
    let calling = Calling::start(config(1)).await;
    for request in ["panic", "later panic", "large"] {
        assert_eq!(ask(&calling.pool, &format!("call say {request}")).await.unwrap(), "Other");
    }
    assert_eq!(calling.pool.snapshot().counts.restarts, 0);
    calling.end().await;
}

async fn after_the_job() {
    for own in [config(1), config(1).sandbox(Sandbox::no_network()).keep_threads(true), config(0).threads(1)] {
        let calling = Calling::start(own).await;
        let mark = calling.directory.path().join("mark");
        assert_eq!(ask(&calling.pool, &format!("call leave {}", mark.display())).await.unwrap(), "left");
        let expected = "BrokenPipe Err(ConnectionAborted) true";
        // The worker is idle meanwhile.
        until(&calling.pool, |_| std::fs::read_to_string(&mark).is_ok_and(|text| text == expected)).await;
        calling.end().await;
    }
}

async fn canceled() {
    for own in [config(1), config(1).sandbox(Sandbox::no_network()), config(0).threads(1)] {
        let calling = Calling::start(own.cancel_grace(Duration::from_secs(20))).await;
        calling.calling("never", None).await.abort();
        assert_eq!(calling.outcome().await, "BrokenPipe");
        assert_eq!(calling.pool.snapshot().counts.restarts, 0);
        calling.end().await;
    }
}

async fn deadline() {
    for own in [config(1), config(1).sandbox(Sandbox::no_network())] {
        let calling = Calling::start(own).await;
        let running = calling.calling("never", Duration::from_millis(300)).await;
        assert!(matches!(running.await.unwrap(), Err(Error::Deadline)));
        // One call after the other, each of which is answered.
        let running = calling.pool.submit(job("call without-end").deadline(Duration::from_millis(100)));
        assert!(matches!(running.await, Err(Error::Deadline)));
        until(&calling.pool, |s| s.counts.kills.get("deadline") == Some(&2)).await;
        calling.end().await;
    }
}

async fn extended() {
    for own in [config(1), config(1).sandbox(Sandbox::no_network()), config(0).threads(1)] {
        let calling = Calling::start(own.extension(Duration::from_millis(100))).await;
        let running = calling.calling("wait-and-extend", None).await;
        assert_eq!(text(running.await.unwrap().unwrap()).await.unwrap(), "70");
        calling.end().await;
    }
}

async fn killed() {
    for own in [config(1), config(1).sandbox(Sandbox::no_network())] {
        let calling = Calling::start(own).await;
        let pid: i32 = ask(&calling.pool, "pid").await.unwrap().parse().unwrap();
        let running = calling.calling("never", None).await;
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        assert!(matches!(running.await.unwrap(), Err(Error::Exited(_))));
        calling.end().await;
    }
}

async fn stopped() {
    for own in [config(1), config(0).threads(1)] {
        let calling = Calling::start(own).await;
        let running = calling.calling("never", None).await;
        calling.pool.stop(Duration::ZERO).await;
        assert!(matches!(running.await.unwrap(), Err(Error::Stopping)));
        assert_eq!(calling.waiting.load(Ordering::SeqCst), 0);
    }
}

async fn many_jobs() {
    for own in [config(2), config(2).sandbox(Sandbox::no_network()), config(0).threads(2)] {
        let calling = Calling::start(own).await;
        let submit = |at| tokio::spawn(calling.pool.submit(job(&format!("call often {at}"))));
        let running: Vec<_> = (0..60).map(submit).collect();
        for reply in running {
            assert_eq!(text(reply.await.unwrap().unwrap()).await.unwrap(), "own");
        }
        calling.end().await;
    }
}

/// Returns a frame of the first job of a leased worker, in hex.
fn frame(kind: u8, payload: &[u8]) -> String {
    hex(&[&[payload.len() as u8, 0, 0, kind, 1, 0, 0, 0], payload].concat())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn hostile() {
    const CALL: u8 = 28;
    let (call, reply) = (frame(CALL, b"x"), frame(17, b"\x01\0\0\0\0"));
    let leased = |bytes: &str| config(1).sandbox(Sandbox::no_network()).env(BYTES, bytes);
    let echo = |request: Bytes| async move { request };
    for (name, config, is_answered) in [
        ("a second call", leased(&(call.clone() + &call)).calls(echo), false),
        ("a call of no job", leased(&hex(&[0, 0, 0, CALL, 2, 0, 0, 0])).calls(echo), false),
        ("a call after the reply", leased(&(reply + &call)).calls(echo), true),
        ("one byte too many", leased(&hex(&[1, 0, 16, CALL, 1, 0, 0, 0])).calls(echo), false),
        ("a call that the pool does not answer", leased(&call), false),
    ] {
        let pool = pool(config).await;
        let outcome = pool.submit(job("say hello")).await;
        assert!(
            if is_answered { outcome.is_ok() } else { matches!(outcome, Err(Error::Protocol)) },
            "{name}: {outcome:?}"
        );
        until(&pool, |s| s.counts.kills.contains_key("protocol")).await;
        pool.stop(Duration::ZERO).await;
    }
    // The job is in the queue, but the worker has not claimed it.
    let unclaimed = config(1).env(BYTES, hex(&[0, 0, 0, CALL, 1, 0, 1, 0])).calls(echo);
    let pool = pool(unclaimed.queue_timeout(Duration::from_millis(300))).await;
    assert!(matches!(pool.submit(job("say hello")).await, Err(Error::QueueTimeout { .. })));
    until(&pool, |s| s.counts.kills.contains_key("protocol")).await;
    pool.stop(Duration::ZERO).await;
}
