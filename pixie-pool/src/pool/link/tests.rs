//! What a connection believes and notes while it is being closed, with nobody at the other end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;

use super::Link;
use crate::{
    config::Config,
    pool::{
        exchange::{Exchange, Name},
        kill::{Closed, Kill},
        line::Line,
        meter::Meter,
        metrics::Metrics,
        wear::Wear,
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

/// A connection to nobody.
pub(crate) fn link(place: usize, pid: u32, parent: Parent) -> Arc<Link> {
    let (end, _) = tokio::net::UnixStream::pair().unwrap();
    let (_, writer) = end.into_split();
    let wear = Wear::new(&Config::default(), 0, Instant::now());
    let line = Line::new(parent, None, wear, Meter::new(None));
    Link::new(place, pid, writer, line, Some(MemoryLimit::Process), Arc::new(Metrics::new("test")))
}

pub(crate) fn exchange(label: &str, deadline: Option<Duration>, is_replayable: bool) -> Arc<Exchange> {
    let start = Start { number: 0, deadline_ms: 0, extension_ms: 0, head: "".into(), body: "".into(), complete: true };
    let name = Name { number: 0, label: label.into(), request_id: None };
    Arc::new(Exchange::new(name, deadline, start, is_replayable))
}

/// The parent's side after the handshake.
fn serving() -> Parent {
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
    let link = link(1, 0, serving());
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
    let link = link(1, 0, serving());
    link.begin(&mut vec![exchange("first", None, false)], Instant::now());
    link.close(Closed::Exited);

    let (mut input, mut deliveries) = (BytesMut::new(), Vec::new());
    encode::put_reply(&mut input, 1, b"done", b"", Some(1));
    link.receive(&mut input, &mut deliveries).unwrap();
    assert_eq!(deliveries.len(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_killed_for_its_memory_is_remembered_with_the_job_that_ran() {
    let link = link(1, std::process::id(), serving());
    assert!(link.weigh(Some(1), None).is_none(), "without a job there is nothing to answer");
    link.begin(&mut vec![exchange("hoard", None, false)], Instant::now());
    assert!(link.weigh(Some(1), None).is_some());
    let (_, running) = link.ended().unwrap();
    assert_eq!(&*running.unwrap().name.label, "hoard");
}
