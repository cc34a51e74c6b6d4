//! The frames: an eight-byte header (`len` u24, `type` u8, `stream` u32, little endian) and a payload.
//!
//! Owns the shape of every frame in both directions. Leaves to `parent` and `worker` which of them is allowed when.
//! Rule: a length is checked before a single byte of payload is waited for.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    config::{CHUNK_BYTES_MAX, HEAD_BYTES_MAX, LOCATION_BYTES_MAX, MESSAGE_BYTES_MAX},
    error::{Failure, FailureKind},
};

pub(crate) const MAGIC: [u8; 8] = *b"pixiepl\x01";
pub(crate) const VERSION: u16 = 1;
pub(crate) const TOKEN_BYTES: usize = 32;
pub(crate) const HEADER_BYTES: usize = 8;
const HELLO_BYTES: usize = MAGIC.len() + 2 + TOKEN_BYTES + 8;
const WELCOME_BYTES: usize = 2 + 8 + 8;
const JOB_BYTES: usize = 1 + 4 + 8 + 4;
const REPLY_BYTES: usize = 1 + 4;
/// Set when the body is complete within the frame.
const FLAG_END: u8 = 1;
/// Below this a payload is copied out of the read buffer, above it shares the buffer's memory: a small answer must not keep a large buffer alive.
const SHARE_BYTES_MIN: usize = 4 * 1024;

/// Something that the peer must never have sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn violation<T>(message: impl Into<String>) -> Result<T, Violation> {
    Err(Violation(message.into()))
}

/// Who is asking to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) version: u16,
    pub(crate) token: [u8; TOKEN_BYTES],
    pub(crate) table_hash: u64,
}

/// What a worker applies to itself before it says READY; 0 stands for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) memory: u64,
    pub(crate) stack: u64,
}

/// The start of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) number: u64,
    /// Milliseconds left when it was sent; 0 stands for no deadline.
    pub(crate) deadline_ms: u32,
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
    pub(crate) complete: bool,
}

/// The start of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
    pub(crate) complete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Hello(Hello),
    Welcome(Welcome),
    Ready,
    Job(Start),
    Reply(Answer),
    Data(Bytes),
    End,
    Credit(u32),
    Cancel,
    Fail(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hello = 1,
    Welcome = 2,
    Ready = 3,
    Job = 16,
    Reply = 17,
    Data = 18,
    End = 19,
    Credit = 20,
    Cancel = 21,
    Fail = 22,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Kind::Hello,
            2 => Kind::Welcome,
            3 => Kind::Ready,
            16 => Kind::Job,
            17 => Kind::Reply,
            18 => Kind::Data,
            19 => Kind::End,
            20 => Kind::Credit,
            21 => Kind::Cancel,
            22 => Kind::Fail,
            _ => return None,
        })
    }

    fn payload_bytes_max(self) -> usize {
        match self {
            Kind::Hello => HELLO_BYTES,
            Kind::Welcome => WELCOME_BYTES,
            Kind::Ready | Kind::End | Kind::Cancel => 0,
            Kind::Job => JOB_BYTES + HEAD_BYTES_MAX + CHUNK_BYTES_MAX,
            Kind::Reply => REPLY_BYTES + HEAD_BYTES_MAX + CHUNK_BYTES_MAX,
            Kind::Data => CHUNK_BYTES_MAX,
            Kind::Credit => 4,
            Kind::Fail => 5 + MESSAGE_BYTES_MAX + LOCATION_BYTES_MAX,
        }
    }
}

fn put_header(out: &mut BytesMut, kind: Kind, stream: u32, payload_bytes: usize) {
    debug_assert!(payload_bytes <= kind.payload_bytes_max());
    out.reserve(HEADER_BYTES + payload_bytes);
    out.put_uint_le(payload_bytes as u64, 3);
    out.put_u8(kind as u8);
    out.put_u32_le(stream);
}

pub(crate) fn put_hello(out: &mut BytesMut, hello: &Hello) {
    put_header(out, Kind::Hello, 0, HELLO_BYTES);
    out.put_slice(&MAGIC);
    out.put_u16_le(hello.version);
    out.put_slice(&hello.token);
    out.put_u64_le(hello.table_hash);
}

pub(crate) fn put_welcome(out: &mut BytesMut, welcome: Welcome) {
    put_header(out, Kind::Welcome, 0, WELCOME_BYTES);
    out.put_u16_le(VERSION);
    out.put_u64_le(welcome.memory);
    out.put_u64_le(welcome.stack);
}

pub(crate) fn put_ready(out: &mut BytesMut) {
    put_header(out, Kind::Ready, 0, 0);
}

/// Writes the start of a job; the caller has checked the sizes of head and body.
pub(crate) fn put_job(out: &mut BytesMut, stream: u32, start: &Start) {
    put_header(out, Kind::Job, stream, JOB_BYTES + start.head.len() + start.body.len());
    out.put_u8(if start.complete { FLAG_END } else { 0 });
    out.put_u32_le(start.deadline_ms);
    out.put_u64_le(start.number);
    out.put_u32_le(start.head.len() as u32);
    out.put_slice(&start.head);
    out.put_slice(&start.body);
}

/// Writes the start of an answer; the caller has checked the sizes of head and body.
pub(crate) fn put_reply(out: &mut BytesMut, stream: u32, head: &[u8], body: &[u8], complete: bool) {
    put_header(out, Kind::Reply, stream, REPLY_BYTES + head.len() + body.len());
    out.put_u8(if complete { FLAG_END } else { 0 });
    out.put_u32_le(head.len() as u32);
    out.put_slice(head);
    out.put_slice(body);
}

pub(crate) fn put_data(out: &mut BytesMut, stream: u32, chunk: &[u8]) {
    put_header(out, Kind::Data, stream, chunk.len());
    out.put_slice(chunk);
}

pub(crate) fn put_end(out: &mut BytesMut, stream: u32) {
    put_header(out, Kind::End, stream, 0);
}

pub(crate) fn put_credit(out: &mut BytesMut, stream: u32, bytes: u32) {
    put_header(out, Kind::Credit, stream, 4);
    out.put_u32_le(bytes);
}

pub(crate) fn put_cancel(out: &mut BytesMut, stream: u32) {
    put_header(out, Kind::Cancel, stream, 0);
}

pub(crate) fn put_fail(out: &mut BytesMut, stream: u32, failure: &Failure) {
    let message = cut(&failure.message, MESSAGE_BYTES_MAX);
    let location = failure.location.as_deref().map_or("", |l| cut(l, LOCATION_BYTES_MAX));
    put_header(out, Kind::Fail, stream, 5 + message.len() + location.len());
    out.put_u8(match failure.kind {
        FailureKind::Panic => 1,
        FailureKind::Error => 2,
    });
    out.put_u32_le(message.len() as u32);
    out.put_slice(message.as_bytes());
    out.put_slice(location.as_bytes());
}

/// The longest beginning of `text` that fits and ends between two characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Takes one whole frame off the front of `input`, or nothing if it has not arrived yet.
pub(crate) fn take(input: &mut BytesMut) -> Result<Option<(u32, Frame)>, Violation> {
    let Some(header) = input.get(..HEADER_BYTES) else {
        return Ok(None);
    };
    let len = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
    let stream = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let Some(kind) = Kind::from_byte(header[3]) else {
        return violation(format!("unknown frame type {}", header[3]));
    };
    if len > kind.payload_bytes_max() {
        return violation(format!("{kind:?} frame of {len} bytes"));
    }
    if input.len() < HEADER_BYTES + len {
        input.reserve(HEADER_BYTES + len - input.len());
        return Ok(None);
    }
    input.advance(HEADER_BYTES);
    let frame = parse(kind, slice(input, len))?;
    Ok(Some((stream, frame)))
}

fn slice(input: &mut BytesMut, len: usize) -> Bytes {
    if len >= SHARE_BYTES_MIN {
        return input.split_to(len).freeze();
    }
    let copy = Bytes::copy_from_slice(&input[..len]);
    input.advance(len);
    copy
}

fn parse(kind: Kind, mut payload: Bytes) -> Result<Frame, Violation> {
    let fixed = match kind {
        Kind::Hello => HELLO_BYTES,
        Kind::Welcome => WELCOME_BYTES,
        Kind::Job => JOB_BYTES,
        Kind::Reply => REPLY_BYTES,
        Kind::Credit => 4,
        Kind::Fail => 5,
        Kind::Ready | Kind::Data | Kind::End | Kind::Cancel => 0,
    };
    if payload.len() < fixed {
        return violation(format!("{kind:?} frame cut short at {} bytes", payload.len()));
    }
    Ok(match kind {
        Kind::Hello => parse_hello(payload)?,
        Kind::Welcome => parse_welcome(payload)?,
        Kind::Ready => Frame::Ready,
        Kind::Job => {
            let complete = payload.get_u8() & FLAG_END != 0;
            let deadline_ms = payload.get_u32_le();
            let number = payload.get_u64_le();
            let (head, body) = split_head(payload)?;
            Frame::Job(Start { number, deadline_ms, head, body, complete })
        }
        Kind::Reply => {
            let complete = payload.get_u8() & FLAG_END != 0;
            let (head, body) = split_head(payload)?;
            Frame::Reply(Answer { head, body, complete })
        }
        Kind::Data => Frame::Data(payload),
        Kind::End => Frame::End,
        Kind::Credit => Frame::Credit(payload.get_u32_le()),
        Kind::Cancel => Frame::Cancel,
        Kind::Fail => parse_fail(payload)?,
    })
}

fn split_head(mut payload: Bytes) -> Result<(Bytes, Bytes), Violation> {
    let head_bytes = payload.get_u32_le() as usize;
    if head_bytes > HEAD_BYTES_MAX || head_bytes > payload.len() {
        return violation(format!("head of {head_bytes} bytes in a payload of {}", payload.len()));
    }
    let head = payload.split_to(head_bytes);
    if payload.len() > CHUNK_BYTES_MAX {
        return violation(format!("{} bytes of body beside a head", payload.len()));
    }
    Ok((head, payload))
}

fn parse_hello(mut payload: Bytes) -> Result<Frame, Violation> {
    if payload.split_to(MAGIC.len())[..] != MAGIC {
        return violation("the peer does not speak this protocol");
    }
    let version = payload.get_u16_le();
    let mut token = [0; TOKEN_BYTES];
    payload.copy_to_slice(&mut token);
    Ok(Frame::Hello(Hello { version, token, table_hash: payload.get_u64_le() }))
}

fn parse_welcome(mut payload: Bytes) -> Result<Frame, Violation> {
    let version = payload.get_u16_le();
    if version != VERSION {
        return violation(format!("protocol version {version}, expected {VERSION}"));
    }
    Ok(Frame::Welcome(Welcome { memory: payload.get_u64_le(), stack: payload.get_u64_le() }))
}

fn parse_fail(mut payload: Bytes) -> Result<Frame, Violation> {
    let kind = match payload.get_u8() {
        1 => FailureKind::Panic,
        2 => FailureKind::Error,
        other => return violation(format!("unknown failure kind {other}")),
    };
    let message_bytes = payload.get_u32_le() as usize;
    if message_bytes > payload.len() {
        return violation(format!("message of {message_bytes} bytes in a payload of {}", payload.len()));
    }
    let message = payload.split_to(message_bytes);
    let location = (!payload.is_empty()).then(|| String::from_utf8_lossy(&payload).into_owned());
    Ok(Frame::Fail(Failure { kind, message: String::from_utf8_lossy(&message).into_owned(), location }))
}
