//! `block_on`: waits on a plain thread for a future.
//!
//! It is used in workers, which have no runtime, and on blocking threads. Invariant: threads of the runtime
//! do not call it.
use std::{
    sync::Arc,
    task::{Context, Poll, Wake},
    thread::{self, Thread},
};

/// Polls until the result is ready. The thread is parked between wake-ups.
pub(crate) fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut cx = Context::from_waker(&waker);
    loop {
        match poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
