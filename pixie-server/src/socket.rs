//! A TCP stream that reports its reads and its blocked writes to the connection's `Watch`.
//!
//! It adds two compares and no allocation to a read or write. It holds the connection's place among `connections_max`
//! for as long as the socket lives, also when an upgrade has carried it away from HTTP.

use std::{
    io::{self, IoSlice},
    net::Shutdown,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
};

use crate::watch::{Phase, Watch};

/// How much of what the client still sends is read before it is cut off nevertheless.
const DISCARD_BYTES_MAX: usize = 1024 * 1024;

pub(crate) struct Socket {
    stream: TcpStream,
    watch: Arc<Watch>,
    write_blocked: bool,
    _place: OwnedSemaphorePermit,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, watch: Arc<Watch>, place: OwnedSemaphorePermit) -> Socket {
        Socket { stream, watch, write_blocked: false, _place: place }
    }

    /// Sends a short last answer if the client takes it at once, and no more after that.
    pub(crate) fn say_goodbye(&self, answer: &[u8]) {
        // Nothing is left to be done for a client that does not take so few bytes.
        let _ = self.stream.try_write(answer);
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
    }

    /// Reads and forgets what the client still sends.
    ///
    /// Closing a socket with unread bytes sends a reset, and a reset makes the client's system throw our answer away.
    pub(crate) async fn discard_rest(&self) {
        let mut scratch = [0; 4096];
        let mut discarded = 0;
        while discarded < DISCARD_BYTES_MAX && self.stream.readable().await.is_ok() {
            match self.stream.try_read(&mut scratch) {
                Ok(0) => return,
                Ok(count) => discarded += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    fn wrote<T>(&mut self, polled: Poll<T>) -> Poll<T> {
        // Progress between two blocked writes counts as a change, so a slow reader that does read is left alone.
        if polled.is_pending() != self.write_blocked {
            self.write_blocked = polled.is_pending();
            self.watch.write_blocks(self.write_blocked);
        }
        polled
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.bytes_came();
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.watch.enter(Phase::Gone);
    }
}
