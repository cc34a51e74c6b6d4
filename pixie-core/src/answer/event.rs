//! `Event`: server-sent events as the HTML standard writes them (section 9.2, "Server-sent events").
//!
//! The text form only: when events come, and that silence is filled with comments, is left to who sends them. Must stay
//! true: no field's value can begin another field, since line breaks are split or removed.
use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, header};

use crate::{Body, Pieces, Response, Writer};

/// One event of a stream, built field by field.
///
/// ```
/// use pixie_core::{Bytes, Event};
/// let event = Event::data("two\nlines").event("note").id("7");
/// assert_eq!(Bytes::from(event), "data: two\ndata: lines\nevent: note\nid: 7\n\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event(String);

impl Event {
    /// Returns an event with this text; each of its lines becomes a line of data.
    pub fn data(text: impl AsRef<str>) -> Event {
        Event::default().lines("data", text.as_ref())
    }

    /// Returns an event whose data is JSON.
    #[track_caller]
    pub fn json(value: &impl serde::Serialize) -> crate::Result<Event> {
        Ok(Event::data(serde_json::to_string(value)?))
    }

    /// Returns a comment, which clients skip: it keeps proxies from closing a silent stream.
    pub fn comment(text: impl AsRef<str>) -> Event {
        Event::default().lines("", text.as_ref())
    }

    /// Names the kind of event, which the client listens to; without a name it is `message`.
    pub fn event(self, name: impl AsRef<str>) -> Event {
        self.line("event", name.as_ref())
    }

    /// Numbers the event: a client that comes back sends the last one in `Last-Event-ID`.
    pub fn id(self, id: impl AsRef<str>) -> Event {
        // An id with a NUL is ignored by clients, so it is no id.
        let id = id.as_ref().replace('\0', "");
        self.line("id", &id)
    }

    /// Tells the client how long to wait before it comes back after a broken connection.
    pub fn retry(self, wait: Duration) -> Event {
        self.line("retry", &wait.as_millis().to_string())
    }

    /// Writes a field of several lines. CR, LF and CRLF each end a line in this format.
    fn lines(self, field: &str, text: &str) -> Event {
        let text = text.replace("\r\n", "\n");
        text.split(['\r', '\n']).fold(self, |event, line| event.line(field, line))
    }

    fn line(mut self, field: &str, value: &str) -> Event {
        self.0.push_str(field);
        self.0.push_str(": ");
        self.0.extend(value.chars().filter(|character| !matches!(character, '\r' | '\n')));
        self.0.push('\n');
        self
    }
}

impl From<Event> for Bytes {
    fn from(mut event: Event) -> Bytes {
        event.0.push('\n');
        event.0.into()
    }
}

impl Response {
    /// Returns the head of a stream of events: never stored, and never held back by a proxy's buffer.
    pub fn events(body: impl Into<Body>) -> Response {
        let mut response = Response::with_type(body.into(), HeaderValue::from_static("text/event-stream"));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

impl Pieces {
    /// Makes a stream of an iterator's events: what a stream route returns.
    pub fn events(events: impl IntoIterator<Item = Event, IntoIter: 'static>) -> Pieces {
        Pieces::new(events).head(Response::events(Body::empty()))
    }
}

/// Writes events from a stream route's [`Writer`].
///
/// ```
/// use pixie_core::{Event, Result, SseWriter, Writer};
/// fn ticks(writer: &mut Writer) -> Result<()> {
///     let mut events = SseWriter::new(writer)?;
///     events.send(Event::data("tick").id("1"))?;
///     Ok(())
/// }
/// ```
pub struct SseWriter<'w, 's>(&'w mut Writer<'s>);

impl<'w, 's> SseWriter<'w, 's> {
    /// Makes the response a stream of events and sends its head; fails once the writer has sent one.
    pub fn new(writer: &'w mut Writer<'s>) -> io::Result<SseWriter<'w, 's>> {
        writer.set_head(Response::events(Body::empty()))?;
        writer.start()?;
        Ok(SseWriter(writer))
    }

    /// Sends one event; fails with `BrokenPipe` once the client has gone.
    pub fn send(&mut self, event: Event) -> io::Result<()> {
        self.0.send(Bytes::from(event))
    }

    /// Says whether the client has gone.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
