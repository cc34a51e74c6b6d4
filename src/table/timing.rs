//! Measures the parts of a request's time: in a queue, in the handler, and in all.
//!
//! The code that waits notes its part, in the task of the request. Invariant: without [`measured`] around a
//! request, no clock is read.
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

tokio::task_local! {
    static PARTS: Cell<Parts>;
}

/// The parts that were noted.
#[derive(Clone, Copy, Default)]
struct Parts {
    queue: Option<Duration>,
    /// Includes the time in the queue.
    handler: Option<Duration>,
}

/// Runs a request, and returns its response with the parts of its time as the value of `Server-Timing`.
pub(crate) async fn measured<T>(response: impl Future<Output = T>) -> (T, String) {
    let measure = async {
        let started = Instant::now();
        let response = response.await;
        let Parts { queue, handler } = PARTS.with(Cell::get);
        let handler = handler.map(|handler| handler.saturating_sub(queue.unwrap_or_default()));
        let parts = [("queue", queue), ("handler", handler), ("total", Some(started.elapsed()))];
        let shown = parts
            .iter()
            .filter_map(|(name, time)| Some(format!("{name};dur={:.3}", time.as_ref()?.as_secs_f64() * 1e3)));
        (response, shown.collect::<Vec<_>>().join(", "))
    };
    PARTS.scope(Cell::default(), measure).await
}

/// Returns the time if the request is measured.
pub(crate) fn now() -> Option<Instant> {
    PARTS.try_with(|_| Instant::now()).ok()
}

/// Notes how long the request has waited for a thread or a worker.
pub(crate) fn note_queue(time: Option<Duration>) {
    // Fails if the request is not measured.
    let _ = PARTS.try_with(|parts| parts.set(Parts { queue: time, ..parts.get() }));
}

/// Notes how long the handler took.
pub(crate) fn note_handler(time: Option<Duration>) {
    let _ = PARTS.try_with(|parts| parts.set(Parts { handler: time, ..parts.get() }));
}
