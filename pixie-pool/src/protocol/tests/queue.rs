//! Jobs that a worker claims from the queue, whole or by a ticket.

use bytes::BytesMut;

use super::{Pair, answer, start};
use crate::protocol::{encode, parent::Event, worker::Arrived};

const FIRST: u32 = 1 << 16 | 1;
const SECOND: u32 = 2 << 16 | 1;

impl Pair {
    /// Lets the worker claim a message of the queue.
    fn claims(&mut self, put: impl FnOnce(&mut BytesMut)) {
        let mut message = BytesMut::new();
        put(&mut message);
        self.worker.receive(&mut message).unwrap();
    }

    /// Lets the worker claim and start a job.
    fn runs(&mut self, stream: u32) {
        self.claims(|out| encode::put_job(out, stream, &start(b"", true)));
        assert_eq!(self.worker.waiting(), Some((stream, 5)));
        assert_eq!(self.starts(), Some((stream, Arrived::Job(start(b"", true)))));
    }

    /// Lets the worker claim a ticket and ask for its job; the parent knows of it.
    fn fetches(&mut self, stream: u32) {
        self.claims(|out| encode::put_ticket(out, stream, 5));
        assert_eq!(self.starts(), Some((stream, Arrived::Ticket(5))));
        self.worker.fetch(stream, &mut self.to_parent);
        assert_eq!(self.parent.unknown(&self.to_parent), Some(stream));
        self.parent.adopt(stream, 0, true, false);
    }
}

#[test]
fn a_claimed_job_is_unknown_until_the_first_frame_of_its_reply() {
    let mut pair = Pair::serving();
    pair.runs(FIRST);
    assert_eq!(pair.parent.unknown(&pair.to_parent), None);
    pair.worker.reply(FIRST, b"ok", b"", true, &mut pair.to_parent);
    assert_eq!(pair.parent.unknown(&pair.to_parent), Some(FIRST));
    pair.parent.adopt(FIRST, 0, false, false);
    assert_eq!(pair.parent.unknown(&pair.to_parent), None);
    assert_eq!(pair.parent.send_room(FIRST), None);
    assert_eq!(pair.hear(), [answer("ok", "", true)]);
}

#[test]
fn a_frame_for_a_job_that_was_not_claimed_is_a_violation() {
    let mut pair = Pair::serving();
    pair.parent.adopt(FIRST, 0, false, false);
    encode::put_reply(&mut pair.to_parent, SECOND, b"", b"", true);
    assert_eq!(pair.parent.unknown(&pair.to_parent), Some(SECOND));
    assert!(pair.try_hear().is_err());
}

#[test]
fn a_reply_that_still_arrives_goes_before_that_of_the_running_job() {
    let mut pair = Pair::serving();
    pair.runs(FIRST);
    pair.worker.reply(FIRST, b"one", b"", false, &mut pair.to_parent);
    pair.worker.end(FIRST, &mut pair.to_parent);
    pair.runs(SECOND);
    pair.parent.adopt(SECOND, 100, false, false);
    assert_eq!(pair.parent.unknown(&pair.to_parent), Some(FIRST));
    pair.parent.adopt(FIRST, 0, false, true);
    assert_eq!(pair.hear(), [answer("one", "", false), Event::End]);
    assert!(pair.worker.extend(SECOND, 60, &mut pair.to_parent));
    pair.worker.reply(SECOND, b"two", b"", true, &mut pair.to_parent);
    assert_eq!(pair.hear(), [Event::Extended(60), answer("two", "", true)]);
}

#[test]
fn a_fetched_job_takes_the_place_of_its_ticket() {
    let mut pair = Pair::serving();
    pair.fetches(FIRST);
    assert_eq!(pair.hear(), [Event::Fetch]);
    assert_eq!(pair.parent.send_room(FIRST), Some(0), "its body has to wait for the job");
    pair.parent.begin(FIRST, &start(b"some", false), &mut pair.to_worker);
    pair.parent.data(FIRST, b"more", &mut pair.to_worker);
    assert_eq!(pair.starts(), Some((FIRST, Arrived::Job(start(b"", false)))));
    assert_eq!([pair.read(FIRST, 9), pair.read(FIRST, 9)], [b"some", b"more"]);
    pair.worker.reply(FIRST, b"ok", b"", true, &mut pair.to_parent);
    assert_eq!(pair.hear(), [answer("ok", "", true)]);
}

#[test]
fn a_ticket_of_a_canceled_job_ends_without_being_fetched() {
    let mut pair = Pair::serving();
    pair.fetches(FIRST);
    assert!(pair.parent.cancel(FIRST, &mut pair.to_worker));
    assert_eq!(pair.hear(), [Event::Fetch]);
    assert!(!pair.parent.cancel(FIRST, &mut pair.to_worker));
    assert_eq!(pair.starts(), None);
    assert!(pair.worker.is_canceled(FIRST));
    encode::put_fail(&mut pair.to_parent, FIRST, &crate::error::Failure::error("canceled"));
    assert_eq!(pair.hear(), [Event::Gone]);
}

#[test]
fn a_reply_to_a_ticket_is_a_violation() {
    let mut pair = Pair::serving();
    pair.parent.adopt(FIRST, 0, true, false);
    encode::put_reply(&mut pair.to_parent, FIRST, b"", b"", true);
    assert!(pair.try_hear().is_err());
}

#[test]
fn a_worker_reads_the_queue_from_open_to_retire() {
    let mut pair = Pair::serving();
    assert!(!pair.worker.is_open && !pair.worker.is_retired);
    pair.claims(encode::put_open);
    assert!(pair.worker.is_open && !pair.worker.is_retired);
    pair.claims(encode::put_retire);
    assert!(pair.worker.is_retired);
}
