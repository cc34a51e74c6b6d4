//! What a handler holds of an open WebSocket: messages, and the two directions.
//!
//! The task of the WebSocket (`link.rs`) owns the connection. A handler exchanges messages with the task
//! through two queues of one message each, so a slow client makes `send` wait, and a slow handler makes the
//! client wait.
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use pixie_core::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::mpsc;

/// The longest reason of a close frame in bytes (RFC 6455, section 5.5: 125 with the code).
const REASON_BYTES_MAX: usize = 123;

/// A message: text or bytes. A clone shares the content.
///
/// ```
/// use pixie_web::websocket::Message;
///
/// assert_eq!(Message::from("hello").as_text(), Some("hello"));
/// assert_eq!(Message::from(vec![1, 2]).as_text(), None);
/// assert_eq!(Message::json(&[1, 2])?.as_text(), Some("[1,2]"));
/// # Ok::<(), pixie_web::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub(super) bytes: Bytes,
    pub(super) is_text: bool,
}

impl Message {
    /// Returns a text message with a value as JSON.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be written as JSON.
    #[track_caller]
    pub fn json(value: &impl Serialize) -> Result<Message> {
        Ok(Message { bytes: serde_json::to_vec(value)?.into(), is_text: true })
    }

    /// Returns the text, or `None` if the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        str::from_utf8(&self.bytes).ok().filter(|_| self.is_text)
    }

    /// Returns the bytes of the text or of the binary message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes of the text or of the binary message.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Reads the message as JSON.
    ///
    /// # Errors
    ///
    /// Returns an error if the content is not JSON, or does not fit the type.
    #[track_caller]
    pub fn to_json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.bytes)?)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_text() {
            Some(text) => f.debug_tuple("Text").field(&text).finish(),
            None => f.debug_tuple("Binary").field(&self.bytes).finish(),
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message { bytes: text.into(), is_text: true }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        text.to_owned().into()
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Message {
        Message { bytes, is_text: false }
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Message {
        Bytes::from(bytes).into()
    }
}

/// Why a WebSocket has ended: a code (RFC 6455, section 7.4) and a reason.
///
/// 1000 and 1001 are ordinary ends. 1005 means that the client sent no code, and 1006 that the connection was
/// lost. The reason may be text from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The code.
    pub code: u16,
    /// The reason, or an empty text.
    pub reason: String,
}

impl Closed {
    /// Cuts the reason to the length that a close frame can have.
    pub(super) fn new(code: u16, reason: &str) -> Closed {
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        Closed { code, reason: reason[..end].to_owned() }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the WebSocket is closed ({}): {:?}", self.code, self.reason)
    }
}

impl std::error::Error for Closed {}

/// What a handler gives to the task of the WebSocket.
pub(super) enum Outgoing {
    Message(Message),
    Close(Closed),
}

/// An open WebSocket. When it is dropped, the server closes the connection.
#[derive(Debug)]
pub struct Socket {
    sender: Sender,
    receiver: Receiver,
}

/// Sends messages. Clones send to the same client.
#[derive(Clone)]
pub struct Sender {
    pub(super) outbox: mpsc::Sender<Outgoing>,
    pub(super) closed: Arc<OnceLock<Closed>>,
}

/// Receives messages.
#[derive(Debug)]
pub struct Receiver {
    pub(super) inbox: mpsc::Receiver<Message>,
    pub(super) closed: Arc<OnceLock<Closed>>,
    pub(super) protocol: Option<&'static str>,
}

impl Socket {
    pub(super) fn new(sender: Sender, receiver: Receiver) -> Socket {
        Socket { sender, receiver }
    }

    /// Waits for the next message. Returns `None` after the last one: [`Socket::closed`] then says why.
    ///
    /// The future can be dropped without losing a message, so it can stand in a `select!`.
    pub async fn next(&mut self) -> Option<Message> {
        self.receiver.next().await
    }

    /// Sends a message. Waits while the client reads slowly: at most one message waits for it.
    ///
    /// # Errors
    ///
    /// Returns why the WebSocket is closed. `?` in a handler then ends it, which is not logged as a failure.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Closed> {
        self.sender.send(message).await
    }

    /// Closes the WebSocket with a code and a reason, after the messages that were sent before. What the
    /// client has sent can still be received, until `next` returns `None`.
    ///
    /// # Errors
    ///
    /// Returns an error if the code must not be sent, or the WebSocket is closed already.
    pub async fn close(&self, code: u16, reason: &str) -> Result<()> {
        self.sender.close(code, reason).await
    }

    /// Returns why the WebSocket has ended, or `None` while it is open.
    pub fn closed(&self) -> Option<&Closed> {
        self.sender.closed.get()
    }

    /// Returns the subprotocol that was chosen: see [`WebSocket::protocols`](crate::WebSocket::protocols).
    pub fn protocol(&self) -> Option<&'static str> {
        self.receiver.protocol
    }

    /// Returns the two directions, for two tasks. The WebSocket ends with the future of its handler, so the
    /// handler waits for its tasks.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

impl Sender {
    /// As [`Socket::send`].
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Closed> {
        self.give(Outgoing::Message(message.into())).await
    }

    /// As [`Socket::close`].
    pub async fn close(&self, code: u16, reason: &str) -> Result<()> {
        // RFC 6455, section 7.4.2: the other codes are reserved, or never sent.
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            let fix = "use 1000, 1001, 1008, 1011, or your own from 3000 to 4999";
            return Err(Error::internal(format!("invalid close code {code}: {fix}")));
        }
        Ok(self.give(Outgoing::Close(Closed::new(code, reason))).await?)
    }

    async fn give(&self, outgoing: Outgoing) -> Result<(), Closed> {
        let lost = |_| self.closed.get().cloned().unwrap_or_else(|| Closed::new(1006, ""));
        self.outbox.send(outgoing).await.map_err(lost)
    }
}

impl Receiver {
    /// As [`Socket::next`].
    pub async fn next(&mut self) -> Option<Message> {
        self.inbox.recv().await
    }

    /// As [`Socket::closed`].
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.get()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.closed).finish_non_exhaustive()
    }
}
