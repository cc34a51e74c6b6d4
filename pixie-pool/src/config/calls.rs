//! What a pool answers when its jobs call.
//!
//! Owns the function, and the futures of its answers. Invariant: a panic of the function, or of a future, is
//! no answer, so that it does not reach the task that polls it.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use crate::config::CALL_BYTES_MAX;

type BoxedAnswer = Pin<Box<dyn Future<Output = Bytes> + Send>>;

/// An asynchronous function from what a job sends with [`Caller::call`](crate::Caller::call) to the answer.
///
/// A closure can be converted to it, see [`Config::calls`](crate::Config::calls).
#[derive(Clone)]
pub struct Calls(Arc<dyn Fn(Bytes) -> BoxedAnswer + Send + Sync>);

impl Calls {
    /// Calls the function; polling the returned value runs its future.
    pub(crate) fn answer(&self, request: Bytes) -> Answer {
        Answer(catch_unwind(AssertUnwindSafe(|| (self.0)(request))).map_err(panicked))
    }
}

impl<F, A> From<F> for Calls
where
    F: Fn(Bytes) -> A + Send + Sync + 'static,
    A: Future<Output = Bytes> + Send + 'static,
{
    fn from(function: F) -> Self {
        Calls(Arc::new(move |request| Box::pin(function(request))))
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

/// The answer to one call.
pub(crate) struct Answer(Result<BoxedAnswer, &'static str>);

impl Answer {
    /// Returns the answer once it is there, or why there is none.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, &'static str>> {
        let future = match &mut self.0 {
            Ok(future) => future,
            Err(why) => return Poll::Ready(Err(*why)),
        };
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))).map_or_else(
            |payload| Poll::Ready(Err(panicked(payload))),
            |polled| polled.map(|answer| if answer.len() > CALL_BYTES_MAX { Err(TOO_LARGE) } else { Ok(answer) }),
        )
    }
}

const TOO_LARGE: &str = "it has more than 1 MiB";

fn panicked(payload: Box<dyn Any + Send>) -> &'static str {
    // Dropping the payload could panic, too.
    std::mem::forget(payload);
    "the function of `Config::calls`, or its future, panicked"
}
