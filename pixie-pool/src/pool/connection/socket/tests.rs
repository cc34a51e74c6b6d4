//! What a connection believes and notes while it is being closed, with nobody at the other end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::net::UnixStream;

use super::{Begun, Link, Weight};
use crate::{
    config::{Config, HEAD_BYTES_MAX, UNREAD_BYTES_MAX},
    pool::{
        connection::cpu_meter::Meter,
        connection::job_state::{Exchange, Name},
        connection::kill::{Closed, Kill},
        connection::recycling::Wear,
        connection::state::Line,
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

/// A connection to nobody: what is sent is refused.
pub(crate) fn link(place: usize, pid: u32, parent: Parent) -> Arc<Link> {
    open_link(place, pid, parent).0
}

/// A connection to somebody who does not read, for as long as the second value lives.
fn open_link(place: usize, pid: u32, parent: Parent) -> (Arc<Link>, UnixStream) {
    let (end, other) = UnixStream::pair().unwrap();
    let (_, writer) = end.into_split();
    let wear = Wear::new(&Config::default(), 0, Instant::now());
    let line = Line::new(parent, None, wear, Meter::new(None));
    (Link::new(place, pid, writer, line, Some(MemoryLimit::Process), Arc::new(Metrics::new("test"))), other)
}

pub(crate) fn exchange(label: &str, deadline: Option<Duration>, is_replayable: bool) -> Arc<Exchange> {
    let start = Start { number: 0, deadline_ms: 0, extension_ms: 0, head: "".into(), body: "".into(), complete: true };
    let name = Name { number: 0, label: label.into(), request_id: None };
    Arc::new(Exchange::new(name, deadline, start, is_replayable))
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
    let (link, _other) = open_link(1, 0, serving());
    let now = Instant::now();
    let mut batch = vec![exchange("first", Some(DEADLINE), true), exchange("next", Some(DEADLINE), true)];
    link.begin(&mut batch, now);
    let expired = link.expire(now + DEADLINE, &Config::default());
    assert!(
        expired.kill.is_some_and(|(kill, flight)| kill == Kill::Deadline && &*flight.exchange.name.label == "first")
    );

    let (mut input, mut deliveries) = (BytesMut::new(), Vec::new());
    encode::put_reply(&mut input, 1, b"the first one's", b"", Some(1));
    link.receive(&mut input, &mut deliveries).unwrap();
    assert!(deliveries.is_empty(), "{deliveries:?}");
    assert_eq!(link.take_flights().len(), 1, "the next one is left to be sent elsewhere");
}

#[tokio::test]
async fn what_a_worker_sent_before_it_ended_by_itself_is_believed() {
    let (link, _other) = open_link(1, 0, serving());
    link.begin(&mut vec![exchange("first", None, false)], Instant::now());
    link.close(Closed::Exited);

    let (mut input, mut deliveries) = (BytesMut::new(), Vec::new());
    encode::put_reply(&mut input, 1, b"done", b"", Some(1));
    link.receive(&mut input, &mut deliveries).unwrap();
    assert_eq!(deliveries.len(), 1);
}

#[tokio::test]
async fn a_job_that_was_not_started_is_not_what_its_worker_failed_at() {
    let (link, _other) = open_link(1, 0, serving());
    link.begin(&mut vec![exchange("first", None, true), exchange("next", None, true)], Instant::now());
    let (mut input, mut deliveries) = (BytesMut::new(), Vec::new());
    encode::put_reply(&mut input, 1, b"the first one's", b"", Some(1));
    link.receive(&mut input, &mut deliveries).unwrap();
    let next = link.take_flights().pop_front().unwrap();
    for (last_started, may_have_run) in [(Some(1), false), (Some(2), true), (Some(0), true), (None, true)] {
        assert_eq!(next.may_have_run(last_started), may_have_run, "{last_started:?}");
    }
}

#[tokio::test]
async fn a_worker_that_spoke_nonsense_is_given_no_job_any_more() {
    let (link, _other) = open_link(1, 0, serving());
    link.receive(&mut BytesMut::from(&[0xff; 100][..]), &mut Vec::new()).unwrap_err();
    let mut batch = vec![exchange("next", None, false)];
    assert!(matches!(link.begin(&mut batch, Instant::now()), Begun::Closed));
    assert_eq!(batch.len(), 1, "it is left to be sent elsewhere");
}

#[tokio::test]
async fn a_worker_that_answers_what_it_does_not_read_is_given_no_more() {
    let (link, _other) = open_link(1, 0, serving());
    let begin = |stream: u32| {
        let head = vec![b'h'; HEAD_BYTES_MAX];
        let start =
            Start { number: 0, deadline_ms: 0, extension_ms: 0, head: head.into(), body: "".into(), complete: true };
        let name = Name { number: 0, label: "".into(), request_id: None };
        let begun = link.begin(&mut vec![Arc::new(Exchange::new(name, None, start, false))], Instant::now());
        let mut answer = BytesMut::new();
        encode::put_reply(&mut answer, stream, b"", b"", Some(1));
        matches!(begun, Begun::Running(1, _)) && link.receive(&mut answer, &mut Vec::new()).is_ok()
    };
    let answered = (1..=100).take_while(|stream| begin(*stream)).count();
    assert!((UNREAD_BYTES_MAX / HEAD_BYTES_MAX..50).contains(&answered), "{answered}");
    assert_eq!(link.line().closed, Some(Closed::Killed(Kill::Protocol)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_killed_for_its_memory_is_remembered_with_the_job_that_ran() {
    let (link, _other) = open_link(1, std::process::id(), serving());
    link.begin(&mut vec![exchange("hoard", None, false)], Instant::now());
    assert!(matches!(link.weigh(Some(1), None), Weight::Over(Some(_))));
    let (_, running) = link.ended().unwrap();
    assert_eq!(&*running.unwrap().name.label, "hoard");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_is_killed_for_its_memory_also_without_a_job() {
    let link = link(1, std::process::id(), serving());
    assert!(matches!(link.weigh(Some(u64::MAX), Some(u64::MAX)), Weight::Fine));
    assert!(matches!(link.weigh(Some(u64::MAX), Some(1)), Weight::Large) && link.is_worn());
    assert!(matches!(link.weigh(Some(1), None), Weight::Over(None)));
    assert!(matches!(link.begin(&mut vec![exchange("next", None, false)], Instant::now()), Begun::Closed));
}
