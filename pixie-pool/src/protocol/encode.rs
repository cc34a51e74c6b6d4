//! Writes frames as bytes.
//!
//! Owns writing every frame. Invariant: `decode` accepts each frame, if the caller has kept the limits.

use bytes::{BufMut, BytesMut};

use crate::{
    config::{LOCATION_BYTES_MAX, MESSAGE_BYTES_MAX},
    error::Failure,
    protocol::frame::{
        FLAG_CALLS, FLAG_END, FLAG_LIMITS, FLAG_METERED, FLAG_QUEUE, FLAG_REQUIRED, FLAG_SECCOMP, HEADER_BYTES,
        HELLO_BYTES, Hello, JOB_BYTES, Kind, MAGIC, READY_BYTES, REPLY_BYTES, Start, VERSION, WELCOME_BYTES, Welcome,
    },
    sandbox::{Profile, Sandbox, SandboxLevel},
};

fn put_header(out: &mut BytesMut, kind: Kind, stream: u32, payload_bytes: usize) {
    out.reserve(HEADER_BYTES + payload_bytes);
    put_bare_header(out, kind, stream, payload_bytes);
}

fn put_bare_header(out: &mut BytesMut, kind: Kind, stream: u32, payload_bytes: usize) {
    debug_assert!(payload_bytes <= *kind.payload_bytes().end());
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
    let path_bytes: usize = welcome.sandbox.paths().map(|(path, _)| 2 + path.as_os_str().len()).sum();
    put_header(out, Kind::Welcome, 0, WELCOME_BYTES + path_bytes);
    out.put_u16_le(VERSION);
    out.put_u64_le(welcome.memory);
    out.put_u64_le(welcome.jobs_max);
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    out.put_u8(
        flag(welcome.reads_queue, FLAG_QUEUE)
            | flag(welcome.is_metered, FLAG_METERED)
            | flag(welcome.answers_calls, FLAG_CALLS),
    );
    put_sandbox(out, &welcome.sandbox);
}

/// Writes a sandbox. The start of the pool has checked its limits.
fn put_sandbox(out: &mut BytesMut, sandbox: &Sandbox) {
    out.put_u8(match sandbox.profile {
        Profile::None => 0,
        Profile::NoNetwork => 1,
        Profile::Strict => 2,
    });
    out.put_u8(if sandbox.is_required { FLAG_REQUIRED } else { 0 });
    out.put_u64_le(sandbox.file_bytes());
    out.put_u64_le(sandbox.open_files);
    for paths in [&sandbox.read, &sandbox.read_unlisted, &sandbox.write] {
        out.put_u16_le(paths.len() as u16);
    }
    for (path, _) in sandbox.paths() {
        let bytes = path.as_os_str().as_encoded_bytes();
        out.put_u16_le(bytes.len() as u16);
        out.put_slice(bytes);
    }
}

pub(crate) fn put_ready(out: &mut BytesMut, level: &SandboxLevel) {
    put_header(out, Kind::Ready, 0, READY_BYTES);
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    out.put_u8(flag(level.seccomp, FLAG_SECCOMP) | flag(level.limits, FLAG_LIMITS));
    out.put_u8(level.landlock);
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
pub(crate) fn put_reply(out: &mut BytesMut, stream: u32, head: &[u8], body: &[u8], complete: bool) {
    put_header(out, Kind::Reply, stream, REPLY_BYTES + head.len() + body.len());
    out.put_u8(if complete { FLAG_END } else { 0 });
    out.put_u32_le(head.len() as u32);
    out.put_slice(head);
    out.put_slice(body);
}

/// Writes the header of a piece, which the caller sends behind it without a copy.
pub(crate) fn put_data_header(out: &mut BytesMut, stream: u32, chunk: &[u8]) {
    put_bare_header(out, Kind::Data, stream, chunk.len());
}

#[cfg(any(test, fuzzing))]
pub(crate) fn put_data(out: &mut BytesMut, stream: u32, chunk: &[u8]) {
    put_data_header(out, stream, chunk);
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

pub(crate) fn put_ticket(out: &mut BytesMut, stream: u32, number: u64) {
    put_header(out, Kind::Ticket, stream, 8);
    out.put_u64_le(number);
}

pub(crate) fn put_fetch(out: &mut BytesMut, stream: u32) {
    put_header(out, Kind::Fetch, stream, 0);
}

pub(crate) fn put_open(out: &mut BytesMut) {
    put_header(out, Kind::Open, 0, 0);
}

pub(crate) fn put_retire(out: &mut BytesMut) {
    put_header(out, Kind::Retire, 0, 0);
}

pub(crate) fn put_extend(out: &mut BytesMut, stream: u32, milliseconds: u32) {
    put_header(out, Kind::Extend, stream, 4);
    out.put_u32_le(milliseconds);
}

/// Writes the header of a call; the caller has checked the size of the request and sends it behind the header.
pub(crate) fn put_call_header(out: &mut BytesMut, stream: u32, request: &[u8]) {
    put_bare_header(out, Kind::Call, stream, request.len());
}

/// Writes the header of an answer, which the caller sends behind it; the caller has checked its size.
pub(crate) fn put_return_header(out: &mut BytesMut, stream: u32, answer: Option<&[u8]>) {
    put_bare_header(out, Kind::Return, stream, 1 + answer.map_or(0, <[u8]>::len));
    out.put_u8(answer.is_some().into());
}

pub(crate) fn put_fail(out: &mut BytesMut, stream: u32, failure: &Failure) {
    let message = cut(&failure.message, MESSAGE_BYTES_MAX);
    let location = failure.location.as_deref().map_or("", |l| cut(l, LOCATION_BYTES_MAX));
    put_header(out, Kind::Fail, stream, 5 + message.len() + location.len());
    out.put_u8(if failure.is_panic { 1 } else { 2 });
    out.put_u32_le(message.len() as u32);
    out.put_slice(message.as_bytes());
    out.put_slice(location.as_bytes());
}

/// Returns the longest start of `text` that fits and ends between two characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
