//! A TCP stream that reports its reads and its blocked writes to the connection's `Watch`.
//!
//! Adds two comparisons to each read and write, and does not allocate. The socket owns the connection's
//! permit (see `connections_max`) until it is closed, also after an upgrade from HTTP.

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

/// Limits the bytes that are read from a client after the last response. A client that sends more gets a
/// reset.
const DISCARD_BYTES_MAX: usize = 1024 * 1024;

pub(crate) struct Socket {
    stream: TcpStream,
    watch: Arc<Watch>,
    write_blocked: bool,
    _permit: OwnedSemaphorePermit,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, watch: Arc<Watch>, permit: OwnedSemaphorePermit) -> Socket {
        Socket { stream, watch, write_blocked: false, _permit: permit }
    }

    /// Sends a short last response if the client takes it at once, and ends the sending side.
    pub(crate) fn send_last(&self, answer: &[u8]) {
        // A client that does not take so few bytes gets no response.
        let _ = self.stream.try_write(answer);
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
    }

    /// Reads and drops the bytes that the client still sends.
    ///
    /// Closing a socket with unread bytes sends a reset, and after a reset the client's system drops our
    /// response.
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
        // Progress between two blocked writes is a change, so a client that reads slowly does not time out.
        if polled.is_pending() != self.write_blocked {
            self.write_blocked = polled.is_pending();
            self.watch.set_write_blocked(self.write_blocked);
        }
        polled
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.bytes_received();
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
        self.watch.enter(Phase::Closed);
    }
}
