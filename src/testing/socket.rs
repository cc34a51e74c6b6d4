//! `TestSocket`: the client's end of a WebSocket in a test, without a network.
//!
//! It speaks the whole protocol, so limits, subprotocols and close codes are those of a real client.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{io::duplex, time::timeout};

use crate::{
    TestClient, TestRequest,
    websocket::{self, Closed, InProcess, Message, Socket},
};

/// The bytes that are on their way in one direction, as in the buffers of a small socket.
const PIPE_BYTES: usize = 64 * 1024;
/// Limits each wait. Longer than any test needs on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(10);

impl TestClient {
    /// Opens a WebSocket. To send headers with its handshake, use [`TestRequest::websocket`].
    ///
    /// # Panics
    ///
    /// Panics if the app refuses the handshake.
    #[track_caller]
    pub fn websocket(&self, path: &str) -> TestSocket<'_> {
        self.get(path).websocket()
    }
}

impl<'c> TestRequest<'c> {
    /// Opens a WebSocket with this request: `client.get("/chat").header("origin",
    /// "https://a.example").websocket()`.
    ///
    /// # Panics
    ///
    /// Panics if the app refuses the handshake. To test a refusal, send the request with
    /// `.header("upgrade", "websocket")` and the other headers of a handshake.
    #[track_caller]
    pub fn websocket(mut self) -> TestSocket<'c> {
        let (ours, theirs) = duplex(PIPE_BYTES);
        websocket::ask(self.request.headers_mut());
        self.request.extensions_mut().insert(InProcess(Arc::new(Mutex::new(Some(theirs)))));
        let client = self.client;
        let response = self.send().assert_status(101);
        let protocol = response.header("sec-websocket-protocol").map(str::to_owned);
        let (socket, run) = {
            let _runtime = client.runtime.enter();
            websocket::client(ours)
        };
        client.runtime.spawn(run);
        TestSocket { client, socket, protocol }
    }
}

/// An open WebSocket of a [`TestClient`]. Its methods block, and panic after 10 s.
#[derive(Debug)]
pub struct TestSocket<'c> {
    client: &'c TestClient,
    socket: Socket,
    protocol: Option<String>,
}

impl TestSocket<'_> {
    /// Sends a message. After the app has closed the WebSocket, it has no effect.
    #[track_caller]
    pub fn send(&mut self, message: impl Into<Message>) {
        let sent = self.client.runtime.block_on(async { timeout(PATIENCE, self.socket.send(message)).await });
        assert!(sent.is_ok(), "the app did not take the message within {PATIENCE:?}");
    }

    /// Waits for the next message. Returns `None` if the app has closed the WebSocket.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Message> {
        let next = self.client.runtime.block_on(async { timeout(PATIENCE, self.socket.next()).await });
        next.unwrap_or_else(|_| panic!("the app sent no message within {PATIENCE:?}"))
    }

    /// Waits for the next message, which must be text.
    #[track_caller]
    pub fn receive_text(&mut self) -> String {
        let Some(message) = self.receive() else { panic!("no message: {:?}", self.socket.closed()) };
        message.as_text().unwrap_or_else(|| panic!("not a text: {message:?}")).to_owned()
    }

    /// Closes the WebSocket, and waits for the app. Messages that come meanwhile are lost.
    #[track_caller]
    pub fn close(mut self, code: u16, reason: &str) {
        // It fails if the app has closed it already.
        let _ = self.client.runtime.block_on(self.socket.close(code, reason));
        while self.receive().is_some() {}
    }

    /// Waits until the app closes the WebSocket, and returns the code and the reason. Messages that come
    /// before are lost.
    #[track_caller]
    pub fn closed(&mut self) -> Closed {
        while self.receive().is_some() {}
        self.socket.closed().cloned().expect("it is set before the last message")
    }

    /// Returns the subprotocol that the app has chosen.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}
