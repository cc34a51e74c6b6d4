//! Waits for whichever of two futures is first, without the macros of tokio.
//!
//! The first argument wins a tie, so a shutdown is never starved by a busy listener.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// Which of the two futures came first.
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
