//! `Stream`: a stream from its request to the last byte of its response, and the task that serves it.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use http_body::Body;
use hyper::{body::Incoming, rt::Executor};
use pin_project_lite::pin_project;
use tokio::time::sleep;

use crate::{
    closing::{DISCARD_BYTES_MAX, DISCARD_TIMEOUT},
    race::race,
    watch::{Phase, Watch},
};

thread_local! {
    /// The stream of the next task. hyper calls the service and then the executor, or the executor inside the
    /// task of a stream, without a pause.
    static NEXT: Cell<Option<Arc<Stream>>> = const { Cell::new(None) };
}

/// A stream, open until its task has ended and the system has taken its bytes.
#[derive(Debug)]
pub(crate) struct Stream {
    watch: Arc<Watch>,
    connection: Arc<Watch>,
    /// The parts of the response that h2 holds.
    unsent: AtomicU32,
    /// Whether the service has answered in full, or has failed.
    is_answered: AtomicBool,
}

impl Stream {
    /// Begins a stream, for which hyper then starts a task.
    pub(super) fn begin(connection: &Arc<Watch>) -> Arc<Stream> {
        let stream = Stream::new(connection);
        NEXT.set(Some(stream.clone()));
        stream
    }

    pub(crate) fn new(connection: &Arc<Watch>) -> Arc<Stream> {
        let (unsent, is_answered) = Default::default();
        let (watch, connection) = (connection.begin_stream(), connection.clone());
        Arc::new(Stream { watch, connection, unsent, is_answered })
    }

    /// Starts a task that serves the stream.
    #[cfg(feature = "http3")]
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(self: Arc<Stream>, future: F) {
        tokio::spawn(StreamTask::new(future, self));
    }

    pub(crate) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Records that the service has ended.
    pub(crate) fn answered(&self) {
        self.is_answered.store(true, Relaxed);
    }

    /// Records that h2 has got a part of the response.
    pub(crate) fn hand_out(&self) {
        if self.unsent.fetch_add(1, Relaxed) == 0 {
            self.watch.set_write_blocked(true);
        }
    }

    /// Records that the system has taken bytes of a part.
    pub(super) fn sent(&self, count: usize) {
        self.watch.bytes_sent(count);
        self.watch.change();
    }

    /// Records that h2 has dropped a part.
    pub(crate) fn take_back(&self) {
        if self.unsent.fetch_sub(1, Relaxed) == 1 {
            self.watch.set_write_blocked(false);
            self.watch.wake();
        }
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.unsent.load(Relaxed) > 0
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let is_canceled = !self.is_answered.load(Relaxed) && self.watch.timeout().is_none();
        self.watch.enter(Phase::Closed);
        self.connection.end_stream(is_canceled);
    }
}

/// Starts the tasks of streams.
#[derive(Clone, Debug)]
pub(super) struct Tasks;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, future: F) {
        match NEXT.take() {
            Some(stream) => drop(tokio::spawn(StreamTask::new(future, stream))),
            None => drop(tokio::spawn(future)),
        }
    }
}

pin_project! {
    /// Serves a stream, or writes what an upgraded stream sends.
    struct StreamTask<F> {
        // Dropped first: its response records that it has ended. `None` when it has ended.
        #[pin]
        future: Option<F>,
        // Reads the rest of a request body after the response.
        rest: Option<Discard>,
        stream: Arc<Stream>,
    }
}

impl<F> StreamTask<F> {
    fn new(future: F, stream: Arc<Stream>) -> StreamTask<F> {
        StreamTask { future: Some(future), rest: None, stream }
    }
}

impl<F: Future<Output = ()>> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(rest) = this.rest {
            return rest.as_mut().poll(cx);
        }
        this.stream.watch.set_task(cx);
        NEXT.set(Some(this.stream.clone()));
        let polled = this.future.as_mut().as_pin_mut().map_or(Poll::Ready(()), |future| future.poll(cx));
        if NEXT.take().is_none() {
            // The future has started the task of an upgrade, which has its own timeouts.
            this.stream.answered();
            this.stream.watch.enter(Phase::Ended);
        }
        if this.stream.watch.timeout().is_some() {
            // Ending the task makes h2 send RST_STREAM.
            this.stream.answered();
            return Poll::Ready(());
        }
        ready!(polled);
        this.future.set(None);
        match this.stream.watch.take_left_body() {
            Some(body) => this.rest.insert(discard(body)).as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

/// Reads and drops the rest of a request body.
pub(super) type Discard = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Reads and drops what the client still sends, as HTTP/1.1 does before a connection is closed.
pub(super) fn discard(mut body: Box<Incoming>) -> Discard {
    let mut rest_max = DISCARD_BYTES_MAX;
    Box::pin(async move {
        let is_read = poll_fn(|cx| {
            while rest_max > 0
                && let Some(Ok(frame)) = ready!(Pin::new(&mut *body).poll_frame(cx))
            {
                rest_max = rest_max.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
            }
            Poll::Ready(())
        });
        race(is_read, sleep(DISCARD_TIMEOUT)).await;
    })
}
