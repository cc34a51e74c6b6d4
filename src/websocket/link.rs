//! The connection of one WebSocket: frames, pings, time limits and the closing handshake.
//!
//! The only file that names the library (tokio-websockets), which implements RFC 6455. Invariant: in memory
//! are at most one message that arrives, one that is sent and one in each queue, regardless of the client.
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use pixie_core::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tokio_util::sync::PollSender;
use tokio_websockets::{
    ClientBuilder, CloseCode, Error, Limits, Message as Frame, ServerBuilder, WebSocketStream, proto::ProtocolError,
};

use crate::websocket::socket::{Closed, Message, Outgoing, Receiver, Sender, Socket};

/// Limits the wait for the client's close frame after ours. A browser answers at once.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Limits how long the rest of a wrong message is read before the connection is closed. Long enough for the
/// client to read our close frame; without this, the unread bytes would cause a reset.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// What a link's messages travel on.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Which end of the connection this is. Clients mask their frames (RFC 6455, section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Server,
    Client,
}

/// The limits of one WebSocket. `WebSocket` has a method for each, with its default.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) message_bytes_max: usize,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
}

pub(super) struct Link {
    wire: WebSocketStream<Box<dyn Wire>>,
    bounds: Bounds,
    inbox: PollSender<Message>,
    outbox: mpsc::Receiver<Outgoing>,
    /// Set when either side begins to close.
    closed: Arc<OnceLock<Closed>>,
    /// Ready when the server stops.
    stop: Option<BoxFuture<()>>,
    /// How to close when the handler has ended and all its messages are sent.
    last_words: Option<Closed>,
    /// The client has broken the protocol or a limit.
    has_mistake: bool,
    times: Times,
    alarm: Pin<Box<Sleep>>,
}

/// Since when the link waits for what.
struct Times {
    /// The client has sent something, or the handler has made room for what the client sends.
    heard: Instant,
    is_pinged: bool,
    /// The handler does not take the last message, so the socket is not read.
    is_held: bool,
    /// The client must have taken what was written.
    write_until: Option<Instant>,
    /// The client must have answered our close frame.
    close_until: Option<Instant>,
    /// A reply to a ping or a close frame waits to be written.
    owes_reply: bool,
}

impl Link {
    /// Makes a link and the socket of its handler.
    pub(super) fn new(
        end: End,
        wire: Box<dyn Wire>,
        bounds: Bounds,
        stop: BoxFuture<()>,
        protocol: Option<&'static str>,
    ) -> (Link, Socket) {
        let limits = Limits::default().max_payload_len(Some(bounds.message_bytes_max));
        let wire = match end {
            End::Server => ServerBuilder::new().limits(limits).serve(wire),
            End::Client => ClientBuilder::new().limits(limits).take_over(wire),
        };
        let (closed, now) = (Arc::new(OnceLock::new()), Instant::now());
        let ((outbox, outgoing), (incoming, inbox)) = (mpsc::channel(1), mpsc::channel(1));
        let (sender, receiver) =
            (Sender { outbox, closed: closed.clone() }, Receiver { inbox, closed: closed.clone(), protocol });
        let (inbox, outbox) = (PollSender::new(incoming), outgoing);
        let times = Times {
            heard: now,
            is_pinged: false,
            is_held: false,
            write_until: None,
            close_until: None,
            owes_reply: false,
        };
        let alarm = Box::pin(sleep_until(now));
        let link = Link {
            wire,
            bounds,
            inbox,
            outbox,
            closed,
            stop: Some(stop),
            last_words: None,
            has_mistake: false,
            times,
            alarm,
        };
        (link, Socket::new(sender, receiver))
    }

    /// Says how to close when the handler's last message is sent. Other senders fail from now on.
    pub(super) fn finish(&mut self, close: Closed) {
        self.outbox.close();
        self.last_words = Some(close);
    }

    pub(super) fn closed(&self) -> Option<&Closed> {
        self.closed.get()
    }

    /// Reads what a client still sends after its mistake.
    pub(super) async fn discard_rest(&mut self) {
        if !self.has_mistake {
            return;
        }
        let mut bytes = [0; 4096];
        let rest = poll_fn(|cx| {
            loop {
                let mut buf = ReadBuf::new(&mut bytes);
                let read = ready!(Pin::new(self.wire.get_mut()).poll_read(cx, &mut buf));
                if read.is_err() || buf.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
        });
        // The client may never end.
        let _ = timeout(DISCARD_TIMEOUT, rest).await;
    }

    /// Moves messages until the connection has ended.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
                self.stop = None;
                self.close(&Closed::new(1012, "the server stops or restarts"));
            }
            if self.poll_write(cx).is_err() {
                return self.end(cx, Closed::new(1006, "the connection was lost"));
            }
            match self.poll_read(cx) {
                Poll::Ready(true) => continue,
                Poll::Ready(false) => return self.end(cx, Closed::new(1006, "the connection was lost")),
                Poll::Pending => {}
            }
            match ready!(self.poll_alarm(cx)) {
                Some(late) => return self.end(cx, late),
                None => continue,
            }
        }
    }

    /// Notes the end for the handler, and ends our side of the connection.
    fn end(&mut self, cx: &mut Context<'_>, closed: Closed) -> Poll<()> {
        let _ = self.closed.set(closed);
        // A place that is reserved in the queue would keep the handler waiting.
        self.inbox.abort_send();
        self.inbox.close();
        self.outbox.close();
        // The client learns of the end now, even if the handler still runs. The result is not awaited.
        let _ = Pin::new(self.wire.get_mut()).poll_shutdown(cx);
        Poll::Ready(())
    }

    /// Sends a close frame, unless one was sent or received.
    fn close(&mut self, close: &Closed) {
        if self.closed.set(close.clone()).is_err() {
            return;
        }
        self.outbox.close();
        self.times.close_until = Some(Instant::now() + CLOSE_TIMEOUT);
        let code = CloseCode::try_from(close.code).ok().filter(|code| !code.is_reserved());
        // It fails only if the connection is closed.
        let _ = self.put(Frame::close(code, &close.reason));
    }

    fn put(&mut self, frame: Frame) -> Result<(), Error> {
        futures_sink::Sink::start_send(Pin::new(&mut self.wire), frame)
    }

    /// Writes what the handler sends, one message after the other. Returns an error if the connection is
    /// lost.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            match futures_sink::Sink::poll_flush(Pin::new(&mut self.wire), cx)? {
                Poll::Pending => {
                    let until = Instant::now() + self.bounds.write_timeout;
                    self.times.write_until.get_or_insert(until);
                    return Ok(());
                }
                Poll::Ready(()) => (self.times.write_until, self.times.owes_reply) = (None, false),
            }
            if self.closed.get().is_some() {
                return Ok(());
            }
            match (self.outbox.poll_recv(cx), self.last_words.take()) {
                (Poll::Ready(Some(Outgoing::Message(message))), last_words) => {
                    self.last_words = last_words;
                    let Message { bytes, is_text } = message;
                    self.put(if is_text { Frame::text(bytes) } else { Frame::binary(bytes) })?;
                }
                (Poll::Ready(Some(Outgoing::Close(close))), _) => self.close(&close),
                (_, Some(close)) => self.close(&close),
                (_, None) => return Ok(()),
            }
        }
    }

    /// Reads one frame. Returns false if the connection has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let room = self.inbox.poll_reserve(cx);
        let is_closing = self.closed.get().is_some();
        let is_held = room.is_pending() && !is_closing;
        if self.times.is_held && !is_held {
            self.times.heard = Instant::now();
        }
        self.times.is_held = is_held;
        // A client that does not read must not make the replies to its pings pile up.
        if is_held || self.times.owes_reply {
            return Poll::Pending;
        }
        let frame = match ready!(futures_core::Stream::poll_next(Pin::new(&mut self.wire), cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(Error::Io(_))) | None => return Poll::Ready(false),
            Some(Err(error)) => {
                // The library has sent a close frame for most mistakes; for the others this one is sent.
                self.has_mistake = true;
                self.close(&mistake(&error, self.bounds));
                return Poll::Ready(true);
            }
        };
        (self.times.heard, self.times.is_pinged) = (Instant::now(), false);
        if let Some((code, reason)) = frame.as_close() {
            let _ = self.closed.set(Closed::new(code.into(), reason));
            self.outbox.close();
        }
        self.times.owes_reply = frame.is_ping() || frame.is_close();
        if (frame.is_text() || frame.is_binary()) && room.is_ready() {
            // It fails if the handler has dropped the receiver.
            let is_text = frame.is_text();
            let _ = self.inbox.send_item(Message { bytes: frame.into_payload().into(), is_text });
        }
        Poll::Ready(true)
    }

    /// Returns how the connection ends if a time limit is reached, or `None` after a ping.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Option<Closed>> {
        let (now, idle) = (Instant::now(), self.bounds.idle_timeout);
        let Times { heard, is_pinged, is_held, write_until, close_until, .. } = self.times;
        if close_until.is_some_and(|until| until <= now) {
            return Poll::Ready(Some(Closed::new(1006, "the client did not close")));
        }
        if write_until.is_some_and(|until| until <= now) {
            return Poll::Ready(Some(Closed::new(1006, "the client reads too slowly")));
        }
        let watches = !is_held && close_until.is_none() && !idle.is_zero();
        let silent_until = heard.checked_add(if is_pinged { idle } else { idle / 2 }).filter(|_| watches);
        if silent_until.is_some_and(|until| until <= now) {
            if is_pinged {
                return Poll::Ready(Some(Closed::new(1006, "the client answers no ping")));
            }
            self.times.is_pinged = true;
            let _ = self.put(Frame::ping(""));
            return Poll::Ready(None);
        }
        let Some(next) = [close_until, write_until, silent_until].into_iter().flatten().min() else {
            return Poll::Pending;
        };
        if self.alarm.deadline() != next {
            self.alarm.as_mut().reset(next);
        }
        self.alarm.as_mut().poll(cx).map(|()| None)
    }
}

/// Returns how to close after a client's mistake (RFC 6455, section 7.4.1).
fn mistake(error: &Error, bounds: Bounds) -> Closed {
    match error {
        Error::Protocol(ProtocolError::InvalidUtf8) => Closed::new(1007, "invalid UTF-8"),
        Error::PayloadTooLong { .. } => {
            Closed::new(1009, &format!("a message has at most {} bytes here", bounds.message_bytes_max))
        }
        error => Closed::new(1002, &error.to_string()),
    }
}
