//! What becomes of a job that two sides end in the same moment.

use std::{
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::Taken;
use crate::{
    error::Error,
    pool::connection::socket::tests::{exchange, link},
    protocol::{
        frame::Answer,
        parent::{Event, Parent},
    },
};

#[tokio::test]
async fn a_job_that_was_ended_while_its_answer_was_on_the_way_stays_ended() {
    let (exchange, link, now) = (exchange("", None, true), link(1, 0, Parent::new([0; 32], 0)), Instant::now());
    assert!(exchange.dispatch(now, &link, 1).is_some());
    exchange.fail(Error::Memory);

    // The beginning of an answer whose end will never come.
    let answer = Answer { head: "late".into(), body: "".into(), complete: false, took_us: 0 };
    exchange.deliver(Event::Reply(answer), 1, 0);
    assert!(!exchange.take_back(now) && !exchange.move_on(None), "it is not done again");
    assert!(exchange.dispatch(now, &link, 2).is_none(), "also if it was put back before");
    match exchange.poll_answer(&Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(Error::Memory)) => {}
        other => panic!("{:?}", other.map_ok(|Taken { answer, .. }| answer)),
    }
}
