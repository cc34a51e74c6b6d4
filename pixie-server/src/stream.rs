//! `Stream`: the bytes of one connection, over any transport.
//!
//! TCP is a variant of its own, so that its reads and writes cost one comparison. Every other carrier is a
//! `Transport`: a Unix socket (`unix.rs`), and TLS over either of them (`tls/session.rs`).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::Address;

/// What carries a connection if it is not plain TCP.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    /// Reads bytes without taking them; 0 bytes are the end of the client's bytes.
    fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>>;

    /// Returns the system's socket.
    fn socket(&self) -> SockRef<'_>;

    /// Returns the address of this side.
    fn local(&self) -> io::Result<Address>;
}

pub(crate) enum Stream {
    Tcp(TcpStream),
    Other(Box<dyn Transport>),
}

impl Stream {
    pub(crate) fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => stream.poll_peek(cx, buf),
            Stream::Other(stream) => stream.poll_peek(cx, buf),
        }
    }

    /// Returns the system's socket.
    pub(crate) fn socket(&self) -> SockRef<'_> {
        match self {
            Stream::Tcp(stream) => SockRef::from(stream),
            Stream::Other(stream) => stream.socket(),
        }
    }

    /// Turns off the delay of small packets and returns the address of this side.
    ///
    /// # Errors
    ///
    /// Fails only if the client has disconnected already.
    pub(crate) fn prepare(&self) -> io::Result<Address> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.local_addr().map(Address::Ip)
            }
            Stream::Other(stream) => stream.local(),
        }
    }

    /// Writes what the system takes now.
    ///
    /// # Errors
    ///
    /// Returns `WouldBlock` if the system takes no byte.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_write(bytes),
            Stream::Other(stream) => now(|cx| Pin::new(stream).poll_write(cx, bytes)),
        }
    }

    /// Ends the sending side, as far as that is possible now.
    pub(crate) fn end(&mut self) {
        // It fails only if the client has disconnected.
        let _ = now(|cx| Pin::new(self).poll_shutdown(cx));
    }
}

/// Polls once, without a task that would be woken.
fn now<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Other(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Other(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Other(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Other(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
