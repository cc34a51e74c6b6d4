//! `Event`: server-sent events as the HTML standard writes them (section 9.2, "Server-sent events").
//!
//! This file writes the text. The sender decides when to send events, and sends comments to keep a silent
//! stream open. Invariant: the value of a field cannot begin another field, because line breaks are split or
//! removed.
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
    /// Returns an event with this text. Each line of the text becomes a line of data.
    pub fn data(text: impl AsRef<str>) -> Event {
        Event::default().lines("data", text.as_ref())
    }

    /// Returns an event whose data is JSON.
    #[track_caller]
    pub fn json(value: &impl serde::Serialize) -> crate::Result<Event> {
        Ok(Event::data(serde_json::to_string(value)?))
    }

    /// Returns a comment. Clients skip it, and proxies do not close the silent stream.
    pub fn comment(text: impl AsRef<str>) -> Event {
        Event::default().lines("", text.as_ref())
    }

    /// Names the kind of the event, which clients listen to. The default is `message`.
    pub fn event(self, name: impl AsRef<str>) -> Event {
        self.line("event", name.as_ref())
    }

    /// Sets the id of the event. A client that reconnects sends the last id in `Last-Event-ID`.
    pub fn id(self, id: impl AsRef<str>) -> Event {
        // Clients ignore an id that contains a NUL.
        let id = id.as_ref().replace('\0', "");
        self.line("id", &id)
    }

    /// Sets how long the client waits before it reconnects.
    pub fn retry(self, wait: Duration) -> Event {
        self.line("retry", &wait.as_millis().to_string())
    }

    /// Writes a field of several lines. CR, LF and CRLF end a line in this format.
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
    /// Returns a response for a stream of events, which caches do not store and proxies do not buffer.
    pub fn events(body: impl Into<Body>) -> Response {
        let mut response = Response::with_type(body.into(), HeaderValue::from_static("text/event-stream"));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

impl Pieces {
    /// Returns a stream of the events of an iterator, for a stream route.
    pub fn events(events: impl IntoIterator<Item = Event, IntoIter: 'static>) -> Pieces {
        Pieces::new(events).head(Response::events(Body::empty()))
    }
}

impl Writer<'_> {
    /// Sends one event. The first event makes the response a stream of events, in place of another head.
    ///
    /// ```
    /// use pixie_core::{Event, Result, Writer};
    /// fn ticks(writer: &mut Writer) -> Result<()> {
    ///     writer.send_event(Event::data("tick").id("1"))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns `BrokenPipe` if the client has gone.
    pub fn send_event(&mut self, event: Event) -> io::Result<()> {
        if !self.is_started() {
            self.set_head(Response::events(Body::empty()))?;
        }
        self.send(Bytes::from(event))
    }
}
