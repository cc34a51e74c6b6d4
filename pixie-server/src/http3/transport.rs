//! `Transport`: a connection of quinn, as h3 uses it.
//!
//! In place of the crate h3-quinn, for three reasons: h3 buffers a whole frame, so a frame must have a limit
//! (`frames.rs`); h3 does not report that a client has canceled a request; and a stream that opens after the
//! last GOAWAY must not reach the service.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, RecvStream as _, SendStream as _, StreamErrorIncoming, StreamId, WriteBuf},
};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

use super::frames::{Frames, Piece};
use crate::listen::BoxFuture;

type Opened = Result<(quinn::SendStream, quinn::RecvStream), ConnectionError>;

/// Limits the streams of one direction that a client may open beside its requests. It needs three: control,
/// and the two of QPACK.
pub(super) const UNI_STREAMS_MAX: u32 = 8;

pub(super) struct Transport {
    connection: quinn::Connection,
    requests: BoxFuture<'static, Opened>,
    others: BoxFuture<'static, Result<quinn::RecvStream, ConnectionError>>,
    frame_bytes_max: u64,
    /// Whether further requests are refused.
    is_closed: bool,
    /// Ready when the client cancels the newest request, or has received the whole response.
    ended: Option<BoxFuture<'static, ()>>,
}

impl Transport {
    pub(super) fn new(connection: quinn::Connection, frame_bytes_max: u64) -> Transport {
        let (requests, others) = (accept_request(&connection), accept_other(&connection));
        Transport { connection, requests, others, frame_bytes_max, is_closed: false, ended: None }
    }

    /// Refuses all further requests, which the client may then repeat elsewhere (RFC 9114, section 5.2).
    pub(super) fn close_for_requests(&mut self) {
        self.is_closed = true;
    }

    /// Returns what is ready when the client cancels the newest request, or has received the whole response.
    pub(super) fn take_ended(&mut self) -> Option<BoxFuture<'static, ()>> {
        self.ended.take()
    }

    fn incoming(&self, stream: quinn::RecvStream, frames: Frames) -> Receive {
        Receive { stream, frames, unread: Bytes::new() }
    }
}

fn accept_request(connection: &quinn::Connection) -> BoxFuture<'static, Opened> {
    let connection = connection.clone();
    Box::pin(async move { connection.accept_bi().await })
}

fn accept_other(connection: &quinn::Connection) -> BoxFuture<'static, Result<quinn::RecvStream, ConnectionError>> {
    let connection = connection.clone();
    Box::pin(async move { connection.accept_uni().await })
}

impl<B: Buf> quic::Connection<B> for Transport {
    type RecvStream = Receive;
    type OpenStreams = Transport;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Receive, ConnectionErrorIncoming>> {
        let opened = ready!(self.others.as_mut().poll(cx));
        self.others = accept_other(&self.connection);
        let frames = Frames::of_other(self.frame_bytes_max);
        Poll::Ready(opened.map(|stream| self.incoming(stream, frames)).map_err(of_connection))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Request<B>, ConnectionErrorIncoming>> {
        loop {
            let opened = ready!(self.requests.as_mut().poll(cx));
            self.requests = accept_request(&self.connection);
            let (stream, receive) = opened.map_err(of_connection)?;
            let mut receive = self.incoming(receive, Frames::of_request(self.frame_bytes_max));
            let ended = stream.stopped();
            let mut send = Send { stream, writing: None };
            if self.is_closed {
                send.reset(Code::H3_REQUEST_REJECTED.value());
                receive.stop_sending(Code::H3_REQUEST_REJECTED.value());
                continue;
            }
            self.ended = Some(Box::pin(async move { drop(ended.await) }));
            return Poll::Ready(Ok(Request { send, receive }));
        }
    }

    fn opener(&self) -> Transport {
        Transport::new(self.connection.clone(), self.frame_bytes_max)
    }
}

impl<B: Buf> quic::OpenStreams<B> for Transport {
    type BidiStream = Request<B>;
    type SendStream = Send<B>;

    /// A server opens no requests.
    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Request<B>, StreamErrorIncoming>> {
        Poll::Ready(Err(StreamErrorIncoming::Unknown("a server opens no requests".into())))
    }

    /// Does not wait: a client must allow three such streams from the beginning (RFC 9114, section 6.2).
    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Send<B>, StreamErrorIncoming>> {
        Poll::Ready(match pin!(self.connection.open_uni()).poll(cx) {
            Poll::Ready(opened) => opened.map(|stream| Send { stream, writing: None }).map_err(of_lost),
            Poll::Pending => Err(StreamErrorIncoming::Unknown("the client allows too few streams".into())),
        })
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(number(code.value()), reason);
    }
}

/// Both directions of a request's stream.
pub(super) struct Request<B> {
    send: Send<B>,
    receive: Receive,
}

impl<B: Buf> quic::BidiStream<B> for Request<B> {
    type SendStream = Send<B>;
    type RecvStream = Receive;

    fn split(self) -> (Send<B>, Receive) {
        (self.send, self.receive)
    }
}

impl<B: Buf> quic::SendStream<B> for Request<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl<B: Buf> quic::RecvStream for Request<B> {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let polled = self.receive.poll_data(cx);
        if let Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code })) = polled {
            // quinn would end the response without a head.
            self.send.reset(error_code);
        }
        polled
    }

    fn stop_sending(&mut self, code: u64) {
        self.receive.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receive.recv_id()
    }
}

/// The sending direction of a stream.
pub(super) struct Send<B> {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<B>>,
}

impl<B: Buf> quic::SendStream<B> for Send<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(data) = self.writing.as_mut().filter(|data| data.has_remaining()) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, data.chunk()));
            data.advance(written.map_err(of_write)?);
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(self.stream.finish().map_err(|error| StreamErrorIncoming::Unknown(error.into())))
    }

    fn reset(&mut self, code: u64) {
        // It fails only if the stream has ended.
        let _ = self.stream.reset(number(code));
    }

    fn send_id(&self) -> StreamId {
        id(self.stream.id())
    }
}

/// The receiving direction of a stream. Dropping it tells the client that its further bytes are not needed.
pub(super) struct Receive {
    stream: quinn::RecvStream,
    frames: Frames,
    /// The bytes that have arrived and are not yet given to h3.
    unread: Bytes,
}

impl quic::RecvStream for Receive {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        loop {
            match self.frames.next(&mut self.unread) {
                Piece::Bytes(bytes) => return Poll::Ready(Ok(Some(bytes))),
                Piece::Refused(code) => {
                    let error_code = code.value();
                    self.stop_sending(error_code);
                    return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code }));
                }
                Piece::None => {}
            }
            // The future has no state of its own.
            match ready!(pin!(self.stream.read_chunk(usize::MAX, true)).poll(cx)).map_err(of_read)? {
                Some(chunk) => self.unread = chunk.bytes,
                None => return Poll::Ready(Ok(self.frames.end())),
            }
        }
    }

    fn stop_sending(&mut self, code: u64) {
        // It fails only if the stream has ended.
        let _ = self.stream.stop(number(code));
    }

    fn recv_id(&self) -> StreamId {
        id(self.stream.id())
    }
}

impl Drop for Receive {
    fn drop(&mut self) {
        self.stop_sending(Code::H3_NO_ERROR.value());
    }
}

fn number(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

fn id(stream: quinn::StreamId) -> StreamId {
    VarInt::from(stream).into_inner().try_into().expect("both count streams in 62 bits")
}

fn of_connection(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        error => ConnectionErrorIncoming::Undefined(Arc::new(error)),
    }
}

fn of_lost(error: ConnectionError) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error: of_connection(error) }
}

fn of_read(error: ReadError) -> StreamErrorIncoming {
    match error {
        ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into() },
        ReadError::ConnectionLost(error) => of_lost(error),
        error => StreamErrorIncoming::Unknown(error.into()),
    }
}

fn of_write(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into() },
        WriteError::ConnectionLost(error) => of_lost(error),
        error => StreamErrorIncoming::Unknown(error.into()),
    }
}
