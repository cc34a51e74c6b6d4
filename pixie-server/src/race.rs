//! Waits for the first of two futures, without the macros of tokio.
//!
//! If both are ready, the left one wins, so that a busy listener cannot delay a shutdown.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// The future that was ready first, with its value.
pub(crate) enum First<A, B> {
    Left(A),
    Right(B),
}

pub(crate) async fn race<A: Future, B: Future>(left: A, right: B) -> First<A::Output, B::Output> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|cx| {
        if let Poll::Ready(value) = left.as_mut().poll(cx) {
            return Poll::Ready(First::Left(value));
        }
        right.as_mut().poll(cx).map(First::Right)
    })
    .await
}
