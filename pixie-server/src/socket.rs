//! A stream that reports its reads and its blocked writes to the connection's `Watch`.
//!
//! Adds a few comparisons to each read and write, and does not allocate. It also finds out whether a client
//! has left or only ended its sending side. The socket owns the connection's place (see `connections_max`)
//! until it is closed, also after an upgrade from HTTP.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    Address,
    closing::poll_discard,
    counters::Protocol,
    places::Place,
    refusal::Refusal,
    stream::Stream,
    watch::{BodyPhase, Phase, Watch},
};

/// Limits the bytes that the system takes for a client but has not sent yet. Without it, the system takes
/// some MB for each client that reads slowly, and the server sees no progress until a third of that is read.
/// Twice the smallest piece that keeps a fast connection busy.
const UNSENT_BYTES_MAX: u32 = 32 * 1024;
/// The same for a client that reads fast: each write and each wake-up moves more bytes.
const UNSENT_BYTES_MAX_FAST: u32 = 256 * 1024;
/// A client reads fast if it makes room sooner than this, that is at more than 1.6 MB/s.
const FAST: Duration = Duration::from_millis(10);
/// A client has become slow if it makes room later than this.
const SLOW: Duration = Duration::from_secs(1);

/// The first bytes of every response, also to HTTP/1.0.
const RESPONSE_START: &[u8] = b"HTTP/1.";
/// A zero that the length of the next chunk may begin with (RFC 9112, section 7.1).
const CHUNK_START: &[u8] = b"0";

pub(crate) struct Socket {
    stream: Stream,
    peer: Address,
    watch: Arc<Watch>,
    /// Since when the client has not made room for more bytes.
    write_blocked: Option<Instant>,
    is_fast: bool,
    /// Bytes of another request wait in the kernel, so the end of the client's bytes cannot be seen.
    bytes_wait: bool,
    /// How many of the next response's first bytes are sent already.
    sent_ahead: usize,
    /// The first bytes of the connection, read before it was clear to which protocol they belong.
    start: [u8; 4],
    start_len: usize,
    /// How many bytes may be dropped after HTTP/2 has ended, or `None` for another protocol.
    rest_max: Option<usize>,
    /// Why hyper refuses the request. The response waits until hyper returns this socket.
    refusal: Option<Refusal>,
    place: Place,
}

impl Socket {
    pub(crate) fn new(stream: Stream, peer: Address, watch: Arc<Watch>, place: Place) -> Socket {
        limit_unsent(&stream, UNSENT_BYTES_MAX);
        Socket {
            stream,
            peer,
            watch,
            write_blocked: None,
            is_fast: false,
            bytes_wait: false,
            sent_ahead: 0,
            start: [0; 4],
            start_len: 0,
            rest_max: None,
            refusal: None,
            place,
        }
    }

    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Waits for the first bytes of the connection, and returns whether they are these. Without such bytes,
    /// it waits for one byte.
    ///
    /// Peeks, because tokio assumes that a new socket is ready. Bytes that do not decide are taken, because a
    /// peek returns at once as long as there are any.
    pub(crate) fn poll_start(&mut self, cx: &mut Context<'_>, wanted: Option<[u8; 4]>) -> Poll<bool> {
        loop {
            let (known, mut start) = (self.start_len, self.start);
            let mut peeked = ReadBuf::new(&mut start[known..]);
            // hyper reports the end and an error again.
            let end = matches!(ready!(self.stream.poll_peek(cx, &mut peeked)), Ok(0) | Err(_));
            let count = peeked.filled().len();
            let start = &start[..known + count];
            let Some(wanted) = wanted.filter(|wanted| !end && wanted.starts_with(start)) else {
                return Poll::Ready(false);
            };
            if start.len() == wanted.len() {
                return Poll::Ready(true);
            }
            let mut taken = ReadBuf::new(&mut self.start[known..known + count]);
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut taken)).is_err() {
                return Poll::Ready(false);
            }
            self.start_len += taken.filled().len();
        }
    }

    /// Returns whether first bytes have been taken.
    pub(crate) fn has_started(&self) -> bool {
        self.start_len > 0
    }

    /// Returns an error if the client has closed the connection while its request is handled.
    ///
    /// hyper calls this through `poll_flush` whenever all of its bytes are written. The end of the client's
    /// bytes (FIN) alone means that the client has sent all its bytes; it may still wait for the response. So
    /// the server sends the next bytes of the response that it knows already. The system of a client that has
    /// closed the socket answers them with a reset.
    fn check_client(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let phase = self.watch.phase();
        // While the service waits for the body, hyper itself finds the end.
        if !phase.is_in_exchange() || self.bytes_wait || self.watch.body() == BodyPhase::Awaited {
            return Ok(());
        }
        if self.watch.is_half_closed() {
            return self.error();
        }
        let mut byte = [0];
        match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(0)) => self.watch.set_half_closed(),
            Poll::Ready(peeked) => {
                self.bytes_wait = true;
                return peeked.map(drop);
            }
        }
        let next = match phase {
            Phase::Handling => RESPONSE_START,
            Phase::Chunking => CHUNK_START,
            _ => return Ok(()),
        };
        match self.stream.try_write(next) {
            Ok(count) if phase == Phase::Handling => self.sent_ahead = count,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        self.error()
    }

    /// Returns the error that the system has noted, such as a reset. After the end of the client's bytes,
    /// reading no longer reports it.
    fn error(&self) -> io::Result<()> {
        self.stream.socket().take_error()?.map_or(Ok(()), Err)
    }

    /// Returns the address of the client.
    pub(crate) fn peer(&self) -> &Address {
        &self.peer
    }

    /// Counts what the client speaks.
    pub(crate) fn note_protocol(&self, protocol: Protocol) {
        self.place.note_protocol(protocol);
    }

    /// Returns why hyper has refused the last request. The client has no response yet.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Writes a refusal with a body in place of the one that hyper writes. Returns whether these bytes were
    /// one and ours was written or waits.
    fn refuses(&mut self, response: &[u8]) -> bool {
        if !self.watch.is_refusing() {
            return false;
        }
        if self.watch.refusal().is_none() {
            self.refusal = Refusal::of_hyper(response);
            return self.refusal.is_some();
        }
        self.watch.refusal().is_some_and(|refusal| self.stream.try_write(refusal.message().as_bytes()).is_ok())
    }

    fn wrote(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = polled {
            self.watch.bytes_sent(count);
        }
        // Progress between two blocked writes is a change, so a client that reads slowly does not time out.
        self.set_blocked(polled.is_pending());
        polled
    }

    fn set_blocked(&mut self, is_blocked: bool) {
        if is_blocked == self.write_blocked.is_some() {
            return;
        }
        self.watch.set_write_blocked(is_blocked);
        let since = std::mem::replace(&mut self.write_blocked, is_blocked.then(Instant::now));
        let Some(waited) = since.map(|since| since.elapsed()) else { return };
        let is_fast = reads_fast(self.is_fast, waited);
        if is_fast != self.is_fast {
            self.is_fast = is_fast;
            limit_unsent(&self.stream, if is_fast { UNSENT_BYTES_MAX_FAST } else { UNSENT_BYTES_MAX });
        }
    }
}

#[cfg(feature = "http2")]
impl Socket {
    /// Makes the shutdown of this socket wait until the client has closed its side, because hyper does not
    /// return the socket of an HTTP/2 connection. [`Phase::Ended`] means that all bytes are written.
    pub(crate) fn discard_at_end(&mut self) {
        self.rest_max = Some(crate::closing::DISCARD_BYTES_MAX);
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.start_len > 0 {
            let count = std::mem::take(&mut self.start_len);
            buf.put_slice(&self.start[..count]);
            self.watch.bytes_received(count);
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.bytes_wait = false;
            self.watch.bytes_received(buf.filled().len() - before);
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.refuses(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let ahead = self.sent_ahead.min(buf.len());
        if ahead > 0 && ahead == buf.len() {
            self.sent_ahead -= ahead;
            return Poll::Ready(Ok(ahead));
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, &buf[ahead..]);
        if let Poll::Ready(Ok(_)) = polled {
            self.sent_ahead = 0;
        }
        self.wrote(polled).map_ok(|count| count + ahead)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.sent_ahead > 0 {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        if let [head] = bufs
            && self.refuses(head)
        {
            return Poll::Ready(Ok(head.len()));
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch.flushed();
        self.check_client(cx)?;
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // TLS holds a record that the client does not take.
        self.set_blocked(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refusal.is_some() {
            return Poll::Ready(Ok(()));
        }
        let Some(mut rest_max) = self.rest_max else {
            return Pin::new(&mut self.stream).poll_shutdown(cx);
        };
        if self.watch.phase() != Phase::Ended {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.watch.enter(Phase::Ended);
        }
        let discarded = poll_discard(&mut self.stream, cx, &mut rest_max);
        self.rest_max = Some(rest_max);
        discarded.map(Ok)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.watch.enter(Phase::Closed);
    }
}

/// Returns whether a client reads fast that has made room after this time.
fn reads_fast(until_now: bool, waited: Duration) -> bool {
    waited < if until_now { SLOW } else { FAST }
}

#[cfg(target_os = "linux")]
fn limit_unsent(stream: &Stream, bytes_max: u32) {
    // It fails for a Unix socket, whose buffer is small. Without the limit, the minimum rate of readers is
    // less exact.
    let _ = stream.socket().set_tcp_notsent_lowat(bytes_max);
}

#[cfg(not(target_os = "linux"))]
fn limit_unsent(_: &Stream, _: u32) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_fast_until_it_is_much_slower_than_it_was_to_become_fast() {
        let millis = Duration::from_millis;
        let waits =
            [(millis(50), false), (millis(9), true), (millis(900), true), (millis(1100), false), (millis(50), false)];
        let mut is_fast = false;
        for (waited, expected) in waits {
            is_fast = reads_fast(is_fast, waited);
            assert_eq!(is_fast, expected, "after {waited:?}");
        }
    }
}
