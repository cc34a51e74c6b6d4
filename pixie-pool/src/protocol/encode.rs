//! Writes frames as bytes.
//!
//! Owns writing every frame in both directions. Invariant: `decode` accepts each frame, if the caller has
//! kept the limits.

use bytes::{BufMut, BytesMut};

use crate::{
    config::{LOCATION_BYTES_MAX, MESSAGE_BYTES_MAX},
    error::{Failure, FailureKind},
    protocol::{
        frame::{
            FLAG_END, HEADER_BYTES, HELLO_BYTES, Hello, JOB_BYTES, Kind, MAGIC, READY_BYTES, REPLY_BYTES, Start,
            VERSION, WELCOME_BYTES, Welcome,
        },
        sandbox,
    },
    sandbox::SandboxLevel,
};

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

pub(crate) fn put_welcome(out: &mut BytesMut, welcome: &Welcome) {
    put_header(out, Kind::Welcome, 0, WELCOME_BYTES + sandbox::path_bytes(&welcome.sandbox));
    out.put_u16_le(VERSION);
    out.put_u64_le(welcome.memory);
    out.put_u64_le(welcome.stack);
    sandbox::put(out, &welcome.sandbox);
}

pub(crate) fn put_ready(out: &mut BytesMut, level: &SandboxLevel) {
    put_header(out, Kind::Ready, 0, READY_BYTES);
    sandbox::put_level(out, level);
}

/// Writes the start of a job; the caller has checked the sizes of head and body.
pub(crate) fn put_job(out: &mut BytesMut, stream: u32, start: &Start) {
    put_header(out, Kind::Job, stream, JOB_BYTES + start.head.len() + start.body.len());
    out.put_u8(if start.complete { FLAG_END } else { 0 });
    out.put_u32_le(start.deadline_ms);
    out.put_u32_le(start.extension_ms);
    out.put_u64_le(start.number);
    out.put_u32_le(start.head.len() as u32);
    out.put_slice(&start.head);
    out.put_slice(&start.body);
}

/// Writes the start of a reply; the caller has checked the sizes of head and body.
///
/// `took_us` is the running time if the body is complete, else `None`.
pub(crate) fn put_reply(out: &mut BytesMut, stream: u32, head: &[u8], body: &[u8], took_us: Option<u32>) {
    put_header(out, Kind::Reply, stream, REPLY_BYTES + head.len() + body.len());
    out.put_u8(if took_us.is_some() { FLAG_END } else { 0 });
    out.put_u32_le(took_us.unwrap_or(0));
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

pub(crate) fn put_withdraw(out: &mut BytesMut, first: u32) {
    put_header(out, Kind::Withdraw, first, 0);
}

pub(crate) fn put_return(out: &mut BytesMut, first: u32, count: u32) {
    put_header(out, Kind::Return, first, 4);
    out.put_u32_le(count);
}

pub(crate) fn put_extend(out: &mut BytesMut, stream: u32, milliseconds: u32) {
    put_header(out, Kind::Extend, stream, 4);
    out.put_u32_le(milliseconds);
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

/// Returns the longest start of `text` that fits and ends between two characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
