//! What the server sends and reads without hyper before it closes a connection.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::sleep,
};

use crate::{race::race, refusal::Refusal, stream::Stream};

/// Limits the bytes that are read from a client after the last response. A client that sends more gets a
/// reset.
pub(crate) const DISCARD_BYTES_MAX: usize = 1024 * 1024;
/// Limits how long they are read. Long enough for the client to read the response; without this, the unread
/// bytes would cause a reset.
pub(crate) const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);
/// Limits how long a client that is refused may take to send its request and to read the response.
pub(crate) const REFUSAL_TIMEOUT: Duration = Duration::from_millis(250);
/// The same when there are too many open files: all clients are refused one after the other, with one file.
pub(crate) const REFUSAL_TIMEOUT_SHORT: Duration = Duration::from_millis(50);

/// Answers the first request of a connection for which there is no place or no file descriptor with 503.
pub(crate) async fn refuse(mut stream: Stream, timeout: Duration) {
    let refused = async {
        // Some clients ignore a response that comes before their request.
        let _ = poll_fn(|cx| stream.poll_peek(cx, &mut ReadBuf::new(&mut [0]))).await;
        send_last(&mut stream, Refusal::BUSY.message().as_bytes());
        discard_rest(&mut stream).await;
    };
    race(refused, sleep(timeout)).await;
}

/// Sends a short last response if the client takes it at once, and ends the sending side.
pub(crate) fn send_last(stream: &mut Stream, response: &[u8]) {
    // A client that does not take so few bytes gets no response.
    let _ = stream.try_write(response);
    stream.end();
}

/// Reads and drops the bytes that the client still sends.
///
/// Closing a socket with unread bytes sends a reset, and after a reset the client's system drops our
/// response.
pub(crate) async fn discard_rest(stream: &mut Stream) {
    let mut rest_max = DISCARD_BYTES_MAX;
    poll_fn(|cx| poll_discard(stream, cx, &mut rest_max)).await;
}

/// Does the same, and is ready when the client has closed its side or has sent `rest_max` bytes.
pub(crate) fn poll_discard(stream: &mut Stream, cx: &mut Context<'_>, rest_max: &mut usize) -> Poll<()> {
    let mut scratch = [0; 4096];
    while *rest_max > 0 {
        let mut buf = ReadBuf::new(&mut scratch);
        let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf));
        if read.is_err() || buf.filled().is_empty() {
            break;
        }
        *rest_max = rest_max.saturating_sub(buf.filled().len());
    }
    Poll::Ready(())
}
