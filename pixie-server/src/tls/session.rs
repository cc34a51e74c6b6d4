//! A connection that is secured by TLS.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::{
    Address, TlsSession,
    listen::Failed,
    stream::{Stream, Transport},
};

/// Limits the encrypted bytes that wait for the system, in bytes: one record. With more, a client that reads
/// at the minimum rate would seem to have stopped.
const UNSENT_BYTES_MAX: usize = 16 * 1024;

pub(super) struct Session {
    tls: TlsStream<Stream>,
    /// A byte that was read to find out whether the client sends more.
    peeked: Option<u8>,
}

impl Session {
    pub(super) fn new(mut tls: TlsStream<Stream>) -> Session {
        tls.get_mut().1.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        Session { tls, peeked: None }
    }
}

/// Returns what a handshake has agreed on.
pub(super) fn describe(stream: &TlsStream<Stream>) -> TlsSession {
    let session = stream.get_ref().1;
    TlsSession {
        is_http2: session.alpn_protocol() == Some(b"h2"),
        server_name: session.server_name().map(str::to_owned),
        client_certificates: session.peer_certificates().into_iter().flatten().map(|der| der.to_vec()).collect(),
    }
}

/// Returns why a handshake has failed.
pub(super) fn explain(error: io::Error) -> Failed {
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) else {
        return Failed::Left;
    };
    use rustls::{AlertDescription as Alert, Error};
    let fix = match error {
        Error::AlertReceived(Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown) => {
            "; the client does not trust the certificate: it may be self-signed, or its file may lack the certificates \
             of its authorities"
        }
        Error::AlertReceived(Alert::CertificateExpired) => "; renew the certificate",
        Error::NoCertificatesPresented => "; clients of this port need a certificate",
        Error::InvalidMessage(_) => "; the client does not speak TLS",
        Error::PeerIncompatible(_) => {
            "; the client needs TLS 1.2 or 1.3 and one of their usual cipher suites: update it"
        }
        Error::NoApplicationProtocol => "; the client may ask for h2 and http/1.1 (ALPN), but has asked for others",
        _ => "",
    };
    Failed::Wrong(format!("its TLS handshake failed: {error}{fix}"))
}

impl Transport for Session {
    /// Reads a byte, because only that shows whether the client has ended its side.
    fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        if self.peeked.is_none() {
            let mut byte = [0];
            let mut read = ReadBuf::new(&mut byte);
            ready!(poll_read(&mut self.tls, cx, &mut read))?;
            self.peeked = read.filled().first().copied();
        }
        buf.put_slice(self.peeked.as_slice());
        Poll::Ready(Ok(self.peeked.iter().len()))
    }

    fn socket(&self) -> SockRef<'_> {
        self.tls.get_ref().0.socket()
    }

    fn local(&self) -> io::Result<Address> {
        self.tls.get_ref().0.prepare()
    }
}

/// The end of the connection without the message that TLS has for it counts as an end: HTTP knows where a
/// message ends, and many clients leave the message out.
fn poll_read(tls: &mut TlsStream<Stream>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    match Pin::new(tls).poll_read(cx, buf) {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
        polled => polled,
    }
}

impl AsyncRead for Session {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.peeked.take() {
            Some(byte) => {
                buf.put_slice(&[byte]);
                if buf.remaining() > 0 {
                    // An error comes again at the next read.
                    let _ = poll_read(&mut self.tls, cx, buf);
                }
                Poll::Ready(Ok(()))
            }
            None => poll_read(&mut self.tls, cx, buf),
        }
    }
}

impl AsyncWrite for Session {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    /// Tells the client that all bytes were sent, so that it can tell an end from a cut.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
