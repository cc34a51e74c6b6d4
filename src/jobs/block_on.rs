//! `block_on`: waiting on a plain thread for something that is polled.
//!
//! For workers, which have no runtime, and for blocking threads. Must stay true: no thread of the runtime comes here.
use std::{
    sync::Arc,
    task::{Context, Poll, Wake},
    thread::{self, Thread},
};

/// Waits until one poll is ready, parked between wake-ups.
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
