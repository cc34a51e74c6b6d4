//! `Sse`: a stream of events as the response of an async route, with comments while no event comes.
//!
//! The core formats events. A stream route in a worker writes events with `Writer::send_event` or
//! `Pieces::events`.
//! Invariant: the stream is dropped with the response, so it ends when the client disconnects.
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Frame;
use pixie_core::{Body, BoxError, Event, IntoResponse, Notes, Response};
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep},
};

/// Proxies and load balancers close a connection after 30 s to 60 s without data. This is half of the
/// shortest.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A stream of events that are sent as they come. An async route returns it.
///
/// ```
/// use futures_core::Stream;
/// use pixie_web::{Event, LastEventId, Sse, get};
/// # fn prices(_after: Option<LastEventId>) -> impl Stream<Item = Event> { tests() }
/// # struct Nothing;
/// # impl Stream for Nothing {
/// #     type Item = Event;
/// #     fn poll_next(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<Event>> {
/// #         std::task::Poll::Ready(None)
/// #     }
/// # }
/// # fn tests() -> Nothing { Nothing }
/// #[get("/prices")]
/// async fn live(last: Option<LastEventId>) -> Sse {
///     Sse::new(prices(last))
/// }
/// ```
#[doc(alias("server-sent events", "eventsource", "stream"))]
pub struct Sse {
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    keep_alive: Duration,
}

impl Sse {
    /// Makes a response from a stream. The response ends with the stream, or when the client disconnects.
    pub fn new(events: impl Stream<Item = Event> + Send + 'static) -> Sse {
        Sse { events: Box::pin(events), keep_alive: KEEP_ALIVE }
    }

    /// Makes a response from a function that returns the next event and the state for the one after it, or
    /// `None` at the end.
    ///
    /// ```
    /// use pixie_web::{Event, Sse, get};
    ///
    /// #[get("/countdown")]
    /// async fn countdown() -> Sse {
    ///     Sse::unfold(3, |left| async move { (left > 0).then(|| (Event::data(left.to_string()), left - 1)) })
    /// }
    /// ```
    pub fn unfold<S, F>(state: S, next: impl FnMut(S) -> F + Send + 'static) -> Sse
    where
        S: Send + 'static,
        F: Future<Output = Option<(Event, S)>> + Send + 'static,
    {
        Sse::new(Unfold { state: Some(state), next, waiting: None })
    }

    /// Sets the time without an event after which an empty comment is sent. Zero, or a time too long for the
    /// clock, sends no comments. Default: 15 s.
    pub fn keep_alive(mut self, silence: Duration) -> Sse {
        self.keep_alive = silence;
        self
    }
}

impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse").field("keep_alive", &self.keep_alive).finish_non_exhaustive()
    }
}

impl IntoResponse for Sse {
    fn into_response(self) -> Response {
        // A worker has no runtime, so it has no timer that could wake the stream.
        let is_kept_alive = !self.keep_alive.is_zero() && Handle::try_current().is_ok();
        let silence = is_kept_alive.then(|| Box::pin(sleep(self.keep_alive)));
        Response::events(Body::new(EventBody { events: self.events, silence, keep_alive: self.keep_alive }))
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<str>("200", "text/event-stream");
    }
}

/// Either has a state, or waits for the next event, or has ended.
struct Unfold<S, N, F> {
    state: Option<S>,
    next: N,
    waiting: Option<Pin<Box<F>>>,
}

// The futures are boxed, and nothing else is pinned.
impl<S, N, F> Unpin for Unfold<S, N, F> {}

impl<S, N: FnMut(S) -> F, F: Future<Output = Option<(Event, S)>>> Stream for Unfold<S, N, F> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        if let Some(state) = this.state.take() {
            this.waiting = Some(Box::pin((this.next)(state)));
        }
        let Some(waiting) = &mut this.waiting else { return Poll::Ready(None) };
        let next = ready!(waiting.as_mut().poll(cx));
        this.waiting = None;
        Poll::Ready(next.map(|(event, state)| {
            this.state = Some(state);
            event
        }))
    }
}

struct EventBody {
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    silence: Option<Pin<Box<Sleep>>>,
    keep_alive: Duration,
}

impl http_body::Body for EventBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let event = match self.events.as_mut().poll_next(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(event)) => event,
            Poll::Pending => match self.silence.as_mut().map(|silence| silence.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => Event::comment(""),
                _ => return Poll::Pending,
            },
        };
        let next = Instant::now().checked_add(self.keep_alive);
        if let Some(silence) = &mut self.silence {
            // The sender polls until the stream is pending, so it polls the timer again after this frame.
            match next {
                Some(next) => silence.as_mut().reset(next),
                None => self.silence = None,
            }
        }
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}
