//! A job that two sides end at the same time, and fingerprints.

use std::{
    hash::RandomState,
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{ReplyStart, fingerprint};
use crate::{
    config::FINGERPRINT_BYTES_MAX,
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
    let answer = ReplyFrame { head: "late".into(), body: "".into(), complete: false };
    job.deliver(Event::Reply(answer), 1, 0, now);
    assert_eq!(job.after_exit(None, false, now), Continuation::Fail, "the job is not sent again");
    assert!(!job.leave_queue(), "the job is not sent again");
    assert!(job.dispatch(now, &connection, 2).is_none(), "even if the job was put back before");
    match job.poll_reply(&Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(Error::Memory)) => {}
        other => panic!("{:?}", other.map_ok(|ReplyStart { answer, .. }| answer)),
    }
}

#[test]
fn what_differs_in_any_part_has_another_fingerprint() {
    let prints = [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("a", "b", "d")];
    let hasher = RandomState::new();
    let prints = prints.map(|(label, head, body)| fingerprint(&hasher, label, head.as_bytes(), body.as_bytes()));
    assert!(prints.iter().enumerate().all(|(at, print)| !prints[at + 1..].contains(print)));
}

#[test]
fn a_large_body_counts_as_a_whole_and_a_larger_one_by_its_length_its_start_and_its_end() {
    let hasher = RandomState::new();
    let print = |body: &[u8]| fingerprint(&hasher, "", b"", body);
    let mut body = vec![0; FINGERPRINT_BYTES_MAX];
    for at in [0, FINGERPRINT_BYTES_MAX / 2 - 1, FINGERPRINT_BYTES_MAX / 2, FINGERPRINT_BYTES_MAX - 1] {
        let before = print(&body);
        body[at] = 1;
        assert_ne!(print(&body), before, "byte {at}");
    }
    let mut larger = vec![0; 2 * FINGERPRINT_BYTES_MAX];
    let first = print(&larger);
    larger[FINGERPRINT_BYTES_MAX] = 1;
    assert_eq!(print(&larger), first);
    larger.push(1);
    assert!(print(&larger) != first && print(&larger[1..]) != first, "its length and its end");
}
