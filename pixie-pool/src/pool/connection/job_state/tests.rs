//! A job that two sides end at the same time, and fingerprints.

use std::{
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{Fingerprints, ReplyStart};
use crate::{
    error::Error,
    pool::connection::{
        Continuation,
        tests::{connection, job},
    },
    protocol::{
        frame::ReplyFrame,
        parent::{Event, Parent},
    },
};

#[tokio::test]
async fn a_job_that_was_ended_while_its_answer_was_on_the_way_stays_ended() {
    let (job, connection, now) = (job("", None, true), connection(1, 0, Parent::new([0; 32], 0)), Instant::now());
    assert!(job.dispatch(now, &connection, 1).is_some());
    job.fail(Error::Memory);

    // The start of a reply whose end will never arrive.
    let answer = ReplyFrame { head: "late".into(), body: "".into(), complete: false, took_us: 0 };
    job.deliver(Event::Reply(answer), 1, 0);
    for was_started in [true, false] {
        assert_eq!(job.after_exit(None, was_started, false, now), Continuation::Fail, "the job is not sent again");
    }
    assert!(!job.take_returned(), "the job is not sent again");
    assert!(job.dispatch(now, &connection, 2).is_none(), "even if the job was put back before");
    match job.poll_reply(&Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(Error::Memory)) => {}
        other => panic!("{:?}", other.map_ok(|ReplyStart { answer, .. }| answer)),
    }
}

#[test]
fn what_differs_in_any_part_has_another_fingerprint() {
    let prints = [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("a", "b", "d")];
    let fingerprints = Fingerprints::default();
    let prints = prints.map(|(label, head, body)| fingerprints.of(label, head.as_bytes(), body.as_bytes()));
    assert!(prints.iter().enumerate().all(|(at, print)| !prints[at + 1..].contains(print)));
}
