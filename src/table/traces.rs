//! Trace contexts: which one a request has, and which one the running handler has, for its lines in the log.
//!
//! `pixie-core` decides what is valid. The headers of a request carry its context, so every process and every
//! layer sees the same.
use std::{
    cell::RefCell,
    pin::Pin,
    task::{Context, Poll},
};

use http::HeaderMap;
use pixie_core::{BoxFuture, TraceContext};

thread_local! {
    static CURRENT: RefCell<Option<TraceContext>> = const { RefCell::new(None) };
}

/// Gives a request without a valid context a new one.
pub(crate) fn ensure(headers: &mut HeaderMap) {
    if TraceContext::from_headers(headers).is_none() {
        headers.insert(TraceContext::HEADER, TraceContext::new().to_value());
        // It belongs to the context that could not be read.
        headers.remove(TraceContext::STATE_HEADER);
    }
}

/// Runs code on this thread whose lines in the log belong to a context.
pub(crate) fn during<T>(context: Option<&TraceContext>, run: impl FnOnce() -> T) -> T {
    let Some(context) = context else { return run() };
    let _outer = Outer(CURRENT.replace(Some(context.clone())));
    run()
}

/// Calls an async handler whose lines in the log belong to a context, in the call and in the future.
pub(crate) fn called<T: 'static>(context: Option<TraceContext>, call: impl FnOnce() -> BoxFuture<T>) -> BoxFuture<T> {
    match context {
        None => call(),
        Some(context) => Box::pin(Following { future: during(Some(&context), call), context }),
    }
}

/// Returns the trace id of the handler that runs on this thread.
pub(crate) fn current_id() -> Option<String> {
    CURRENT.try_with(|current| Some(current.try_borrow().ok()?.as_ref()?.trace_id().to_owned())).ok()?
}

/// The context that this thread had before. Restored also after a panic.
struct Outer(Option<TraceContext>);

impl Drop for Outer {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

struct Following<T> {
    context: TraceContext,
    future: BoxFuture<T>,
}

impl<T> Future for Following<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Following { context, future } = &mut *self;
        during(Some(context), || future.as_mut().poll(cx))
    }
}
