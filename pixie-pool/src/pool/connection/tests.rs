//! What a connection accepts and records while it is being closed, without a worker at the other end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::net::UnixStream;

use super::{Connection, MemoryCheck, Sent};
use crate::{
    config::{Config, HEAD_BYTES_MAX, UNREAD_BYTES_MAX},
    pool::{
        connection::{Closed, ConnectionState, CpuMeter, JobName, JobState, Kill, Recycling},
        metrics::Metrics,
    },
    protocol::{
        encode,
        frame::{Hello, Start, VERSION, Welcome},
        parent::{Event, Parent},
        worker::Worker,
    },
    sandbox::{Sandbox, SandboxLevel},
    snapshot::MemoryLimit,
};

const DEADLINE: Duration = Duration::from_secs(1);

/// A connection without a peer: writing fails.
pub(crate) fn connection(slot: usize, pid: u32, parent: Parent) -> Arc<Connection> {
    open(slot, pid, parent).0
}

/// A connection to a peer that does not read, as long as the second value exists.
fn open(slot: usize, pid: u32, parent: Parent) -> (Arc<Connection>, UnixStream) {
    let (end, other) = UnixStream::pair().unwrap();
    let (_, writer) = end.into_split();
    let recycling = Recycling::new(&Config::default(), 0, Instant::now());
    let state = ConnectionState::new(parent, None, recycling, CpuMeter::new(None));
    let metrics = Arc::new(Metrics::new("test"));
    (Connection::new(slot, pid, writer, state, Some(MemoryLimit::Process), metrics), other)
}

pub(crate) fn job(label: &str, deadline: Option<Duration>, is_replayable: bool) -> Arc<JobState> {
    let start = Start { number: 0, deadline_ms: 0, extension_ms: 0, head: "".into(), body: "".into(), complete: true };
    let name = JobName { number: 0, label: label.into(), request_id: None };
    Arc::new(JobState::new(name, deadline, start, is_replayable, true))
}

/// The parent's side after the handshake.
pub(crate) fn serving() -> Parent {
    let (mut parent, worker) = (Parent::new([0; 32], 0), Worker::default());
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    worker.hello(&Hello { version: VERSION, token: [0; 32], table_hash: 0 }, &mut input);
    assert_eq!(parent.receive(&mut input).unwrap().unwrap().1, Event::Greeted);
    parent.welcome(&Welcome { memory: 0, stack: 0, sandbox: Sandbox::none() }, &mut output);
    worker.ready(&SandboxLevel::default(), &mut input);
    assert_eq!(parent.receive(&mut input).unwrap().unwrap().1, Event::Ready);
    parent
}

#[tokio::test]
async fn an_answer_that_comes_with_the_deadline_is_not_taken_for_that_of_the_next_job() {
    let (connection, _other) = open(1, 0, serving());
    let now = Instant::now();
    let mut batch = vec![job("first", Some(DEADLINE), true), job("next", Some(DEADLINE), true)];
    connection.send(&mut batch, now);
    let expired = connection.expire(now + DEADLINE, &Config::default());
    assert!(expired.kill.is_some_and(|(kill, sent)| kill == Kill::Deadline && &*sent.job.name.label == "first"));

    let (mut input, mut deliveries) = (BytesMut::new(), Vec::new());
    encode::put_reply(&mut input, 1, b"the first one's", b"", Some(1));
    connection.receive(&mut input, &mut deliveries).unwrap();
    assert!(deliveries.is_empty(), "{deliveries:?}");
    assert_eq!(connection.take_sent().len(), 1, "the next job is left for another worker");
}

#[tokio::test]
async fn what_a_worker_sent_before_it_ended_by_itself_is_believed() {
    let (connection, _other) = open(1, 0, serving());
    connection.send(&mut vec![job("first", None, false)], Instant::now());
    connection.close(Closed::Exited);

    let (mut input, mut deliveries) = (BytesMut::new(), Vec::new());
    encode::put_reply(&mut input, 1, b"done", b"", Some(1));
    connection.receive(&mut input, &mut deliveries).unwrap();
    assert_eq!(deliveries.len(), 1);
}

#[tokio::test]
async fn a_job_that_was_not_started_is_not_what_its_worker_failed_at() {
    let (connection, _other) = open(1, 0, serving());
    connection.send(&mut vec![job("first", None, true), job("next", None, true)], Instant::now());
    let (mut input, mut deliveries) = (BytesMut::new(), Vec::new());
    encode::put_reply(&mut input, 1, b"the first one's", b"", Some(1));
    connection.receive(&mut input, &mut deliveries).unwrap();
    let next = connection.take_sent().pop_front().unwrap();
    for (last_started, may_have_run) in [(Some(1), false), (Some(2), true), (Some(0), true), (None, true)] {
        assert_eq!(next.may_have_run(last_started), may_have_run, "{last_started:?}");
    }
}

#[tokio::test]
async fn a_worker_that_spoke_nonsense_is_given_no_job_any_more() {
    let (connection, _other) = open(1, 0, serving());
    connection.receive(&mut BytesMut::from(&[0xff; 100][..]), &mut Vec::new()).unwrap_err();
    let mut batch = vec![job("next", None, false)];
    assert!(matches!(connection.send(&mut batch, Instant::now()), Sent::Closed));
    assert_eq!(batch.len(), 1, "the job is left for another worker");
}

#[tokio::test]
async fn a_worker_that_answers_what_it_does_not_read_is_given_no_more() {
    let (connection, _other) = open(1, 0, serving());
    let send = |stream: u32| {
        let head = vec![b'h'; HEAD_BYTES_MAX];
        let start =
            Start { number: 0, deadline_ms: 0, extension_ms: 0, head: head.into(), body: "".into(), complete: true };
        let name = JobName { number: 0, label: "".into(), request_id: None };
        let sent = connection.send(&mut vec![Arc::new(JobState::new(name, None, start, false, true))], Instant::now());
        let mut answer = BytesMut::new();
        encode::put_reply(&mut answer, stream, b"", b"", Some(1));
        matches!(sent, Sent::Jobs(1, _)) && connection.receive(&mut answer, &mut Vec::new()).is_ok()
    };
    let answered = (1..=100).take_while(|stream| send(*stream)).count();
    assert!((UNREAD_BYTES_MAX / HEAD_BYTES_MAX..50).contains(&answered), "{answered}");
    assert_eq!(connection.state().closed, Some(Closed::Killed(Kill::Protocol)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_killed_for_its_memory_is_remembered_with_the_job_that_ran() {
    let (connection, _other) = open(1, std::process::id(), serving());
    connection.send(&mut vec![job("hoard", None, false)], Instant::now());
    assert!(matches!(connection.check_memory(Some(1), None), MemoryCheck::Exceeded(Some(_))));
    let (_, running) = connection.ended().unwrap();
    assert_eq!(&*running.unwrap().name.label, "hoard");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_is_killed_for_its_memory_also_without_a_job() {
    let connection = connection(1, std::process::id(), serving());
    assert!(matches!(connection.check_memory(Some(u64::MAX), Some(u64::MAX)), MemoryCheck::Fine));
    assert!(matches!(connection.check_memory(Some(u64::MAX), Some(1)), MemoryCheck::Large) && connection.is_recycled());
    assert!(matches!(connection.check_memory(Some(1), None), MemoryCheck::Exceeded(None)));
    assert!(matches!(connection.send(&mut vec![job("next", None, false)], Instant::now()), Sent::Closed));
}
