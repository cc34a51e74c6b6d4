//! What a connection accepts and records while it is being closed, without a worker at the other end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::net::UnixStream;

use super::{Connection, MemoryCheck, Sent};
use crate::{
    config::{CALL_BYTES_MAX, Config, HEAD_BYTES_MAX, STEP_INTERVAL, STEP_MAX, UNREAD_BYTES_MAX},
    pool::{
        connection::{Closed, ConnectionState, CpuMeter, JobName, JobState, Kill, Process, Recycling},
        metrics::Metrics,
    },
    protocol::{
        encode,
        frame::{Hello, Start, VERSION, Welcome},
        parent::{Event, Parent},
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
    (Connection::new(slot, pid, writer, state, Some(MemoryLimit::Process), metrics, Process::default()), other)
}

pub(crate) fn job(label: &str, deadline: Option<Duration>, is_replayable: bool) -> Arc<JobState> {
    let start = Start { number: 0, deadline_ms: 0, extension_ms: 0, head: "".into(), body: "".into(), complete: true };
    let name = JobName { number: 0, label: label.into(), request_id: None, trace_id: None };
    Arc::new(JobState::new(name, deadline, start, is_replayable))
}

/// The parent's side after the handshake.
pub(crate) fn serving() -> Parent {
    let mut parent = Parent::new([0; 32], 0);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    encode::put_hello(&mut input, &Hello { version: VERSION, token: [0; 32], table_hash: 0 });
    assert_eq!(parent.receive(&mut input).unwrap().unwrap().1, Event::Greeted);
    let welcome = Welcome {
        memory: 0,
        jobs_max: 0,
        reads_queue: false,
        is_metered: false,
        answers_calls: true,
        sandbox: Sandbox::none(),
    };
    parent.welcome(&welcome, &mut output);
    encode::put_ready(&mut input, &SandboxLevel::default());
    assert_eq!(parent.receive(&mut input).unwrap().unwrap().1, Event::Ready);
    parent
}

#[tokio::test]
async fn an_answer_that_comes_after_the_deadline_is_dropped() {
    let (connection, _other) = open(1, 0, serving());
    let now = Instant::now();
    connection.send(job("first", Some(DEADLINE), true), now);
    let expired = connection.expire(now + DEADLINE, false, &Config::default());
    assert!(expired.kill.is_some_and(|(kill, sent)| kill == Kill::Deadline && &*sent.job.name.label == "first"));

    let (mut input, mut deliveries) = (BytesMut::new(), Vec::new());
    encode::put_reply(&mut input, 1, b"the first one's", b"", true);
    connection.receive(&mut input, None, &mut deliveries).unwrap();
    assert!(deliveries.is_empty(), "{deliveries:?}");
}

#[tokio::test]
async fn what_has_arrived_before_the_deadline_is_read_before_the_job_is_judged() {
    let (parent_end, worker_end) = UnixStream::pair().unwrap();
    let (reader, writer) = parent_end.into_split();
    let recycling = Recycling::new(&Config::default(), 0, Instant::now());
    let state = ConnectionState::new(serving(), None, recycling, CpuMeter::new(None));
    let connection = Connection::new(1, 0, writer, state, None, Arc::new(Metrics::new("test")), Process::default());
    let now = Instant::now();
    connection.send(job("first", Some(DEADLINE), true), now);
    let mut answer = BytesMut::new();
    encode::put_reply(&mut answer, 1, b"in time", b"", true);
    worker_end.writable().await.unwrap();
    worker_end.try_write(&answer).unwrap();
    reader.readable().await.unwrap();

    // The parent was paused, or its runtime is blocked: it sees the deadline before it has read.
    for late in [0, 1, 5] {
        let expired = connection.expire(now + DEADLINE + late * STEP_MAX, false, &Config::default());
        assert!(expired.kill.is_none() && expired.due.is_some());
    }
    // The reading task has read it, and has not handled it yet.
    assert_eq!(reader.try_read(&mut [0; 100]).unwrap(), answer.len());
    let handled = now + DEADLINE + 5 * STEP_MAX + STEP_INTERVAL;
    assert!(connection.expire(handled, false, &Config::default()).kill.is_none());
    let mut deliveries = Vec::new();
    connection.receive(&mut answer, None, &mut deliveries).unwrap();
    assert_eq!(deliveries.len(), 1);
    // A worker that sends and never ends does not live longer for it.
    connection.send(job("next", Some(DEADLINE), true), now);
    worker_end.try_write(b"more").unwrap();
    reader.readable().await.unwrap();
    assert!(connection.expire(handled + STEP_MAX, false, &Config::default()).kill.is_some());
}

#[tokio::test]
async fn after_a_pause_a_job_is_judged_once_what_was_being_read_is_delivered() {
    let (connection, _other) = open(1, 0, serving());
    let (now, config) = (Instant::now(), Config::default());
    connection.send(job("first", Some(DEADLINE), true), now);
    let late = now + DEADLINE + STEP_MAX;
    assert!(connection.expire(late, false, &config).kill.is_none(), "the reply may have been read");
    assert!(connection.expire(late + STEP_INTERVAL, false, &config).kill.is_some());
}

#[tokio::test]
async fn what_a_worker_sent_before_it_ended_by_itself_is_believed() {
    let (connection, _other) = open(1, 0, serving());
    connection.send(job("first", None, false), Instant::now());
    connection.close(Closed::Exited);

    let (mut input, mut deliveries) = (BytesMut::new(), Vec::new());
    encode::put_reply(&mut input, 1, b"done", b"", true);
    connection.receive(&mut input, None, &mut deliveries).unwrap();
    assert_eq!(deliveries.len(), 1);
}

#[tokio::test]
async fn a_worker_that_spoke_nonsense_is_given_no_job_any_more() {
    let (connection, _other) = open(1, 0, serving());
    connection.receive(&mut BytesMut::from(&[0xff; 100][..]), None, &mut Vec::new()).unwrap_err();
    let sent = connection.send(job("next", None, false), Instant::now());
    assert!(matches!(sent, Sent::Closed(_)), "the job is left for another worker");
}

#[tokio::test]
async fn a_worker_that_answers_what_it_does_not_read_is_given_no_more() {
    let (connection, _other) = open(1, 0, serving());
    let send = |stream: u32| {
        let head = vec![b'h'; HEAD_BYTES_MAX];
        let start =
            Start { number: 0, deadline_ms: 0, extension_ms: 0, head: head.into(), body: "".into(), complete: true };
        let name = JobName { number: 0, label: "".into(), request_id: None, trace_id: None };
        let sent = connection.send(Arc::new(JobState::new(name, None, start, false)), Instant::now());
        let mut answer = BytesMut::new();
        encode::put_reply(&mut answer, stream, b"", b"", true);
        matches!(sent, Sent::Done(_)) && connection.receive(&mut answer, None, &mut Vec::new()).is_ok()
    };
    let answered = (1..=100).take_while(|stream| send(*stream)).count();
    assert!((UNREAD_BYTES_MAX / HEAD_BYTES_MAX..50).contains(&answered), "{answered}");
    assert_eq!(connection.state().closed, Some(Closed::Killed(Kill::Protocol)));
}

#[tokio::test]
async fn a_worker_that_calls_and_does_not_read_the_answers_is_killed() {
    let (connection, _other) = open(1, 0, serving());
    connection.send(job("calls", None, false), Instant::now());
    let call = || {
        let mut input = BytesMut::new();
        encode::put_call_header(&mut input, 1, b"");
        let is_heard = connection.receive(&mut input, None, &mut Vec::new()).is_ok();
        connection.return_call(1, Some(&[0; CALL_BYTES_MAX]));
        is_heard && connection.state().closed.is_none()
    };
    let answered = (1..=100).take_while(|_| call()).count();
    assert!((UNREAD_BYTES_MAX / CALL_BYTES_MAX..20).contains(&answered), "{answered}");
    assert_eq!(connection.state().closed, Some(Closed::Killed(Kill::Protocol)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_killed_for_its_memory_is_remembered_with_the_job_that_ran() {
    let (connection, _other) = open(1, std::process::id(), serving());
    connection.send(job("hoard", None, false), Instant::now());
    assert!(matches!(connection.check_memory(Some(1), None), MemoryCheck::Exceeded(Some(_))));
    let (_, running) = connection.state().ended.clone().unwrap();
    assert_eq!(&*running.unwrap().name.label, "hoard");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_is_killed_for_its_memory_also_without_a_job() {
    let connection = connection(1, std::process::id(), serving());
    assert!(matches!(connection.check_memory(Some(u64::MAX), Some(u64::MAX)), MemoryCheck::Fine));
    assert!(
        matches!(connection.check_memory(Some(u64::MAX), Some(1)), MemoryCheck::Large)
            && connection.state().is_recycled(Instant::now())
    );
    assert!(matches!(connection.check_memory(Some(1), None), MemoryCheck::Exceeded(None)));
    assert!(matches!(connection.send(job("next", None, false), Instant::now()), Sent::Closed(_)));
}
