//! Reads frames from bytes.
//!
//! Owns reading every frame in both directions. Invariant: a length is checked before the payload is waited
//! for, and each frame has one spelling: bytes that `encode` does not write are refused.

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    config::{CHUNK_BYTES_MAX, HEAD_BYTES_MAX, LOCATION_BYTES_MAX, MESSAGE_BYTES_MAX},
    error::{Failure, FailureKind},
    protocol::{
        frame::{
            FLAG_END, Frame, HEADER_BYTES, HELLO_BYTES, Hello, JOB_BYTES, Kind, MAGIC, READY_BYTES, REPLY_BYTES,
            ReplyFrame, Start, TOKEN_BYTES, VERSION, Violation, WELCOME_BYTES, Welcome, violation,
        },
        sandbox,
    },
};

/// Size in bytes below which a payload is copied out of the read buffer; a larger one shares the buffer's
/// memory. A small reply must not keep a large buffer alive.
const SHARE_BYTES_MIN: usize = 4 * 1024;

/// Removes one whole frame from the front of `input`; `None` if the frame has not arrived completely.
pub(crate) fn take(input: &mut BytesMut) -> Result<Option<(u32, Frame)>, Violation> {
    let Some(header) = input.get(..HEADER_BYTES) else {
        return Ok(None);
    };
    let len = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
    let stream = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let Some(kind) = Kind::from_byte(header[3]) else {
        return violation(format!("unknown frame type {}", header[3]));
    };
    if stream != 0 && !kind.is_of_job() {
        return violation(format!("{kind:?} frame on stream {stream}"));
    }
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
        Kind::Credit | Kind::Return | Kind::Extend => 4,
        Kind::Fail => 5,
        Kind::Ready => READY_BYTES,
        // An empty piece would read as the end of the body, and credit would not limit it, because credit
        // counts bytes.
        Kind::Data => 1,
        Kind::End | Kind::Cancel | Kind::Withdraw => 0,
    };
    if payload.len() < fixed {
        return violation(format!("{kind:?} frame cut short at {} bytes", payload.len()));
    }
    Ok(match kind {
        Kind::Hello => parse_hello(payload)?,
        Kind::Welcome => parse_welcome(payload)?,
        Kind::Ready => Frame::Ready(sandbox::parse_level(payload)),
        Kind::Job => {
            let complete = parse_flags(payload.get_u8())?;
            let deadline_ms = payload.get_u32_le();
            let extension_ms = payload.get_u32_le();
            let number = payload.get_u64_le();
            let (head, body) = split_head(payload)?;
            Frame::Job(Start { number, deadline_ms, extension_ms, head, body, complete })
        }
        Kind::Reply => {
            let complete = parse_flags(payload.get_u8())?;
            let took_us = payload.get_u32_le();
            if took_us != 0 && !complete {
                return violation("the time of a reply that is not complete");
            }
            let (head, body) = split_head(payload)?;
            Frame::Reply(ReplyFrame { head, body, complete, took_us })
        }
        Kind::Data => Frame::Data(payload),
        Kind::End => Frame::End,
        Kind::Credit => Frame::Credit(parse_amount(kind, payload)?),
        Kind::Cancel => Frame::Cancel,
        Kind::Withdraw => Frame::Withdraw,
        Kind::Extend => Frame::Extend(parse_amount(kind, payload)?),
        Kind::Return => Frame::Return(payload.get_u32_le()),
        Kind::Fail => parse_fail(payload)?,
    })
}

/// Reads the amount of a frame. Zero is refused, because a peer could send it without end.
fn parse_amount(kind: Kind, mut payload: Bytes) -> Result<u32, Violation> {
    match payload.get_u32_le() {
        0 => violation(format!("{kind:?} frame with the amount 0")),
        amount => Ok(amount),
    }
}

/// Returns whether the body is complete within the frame.
fn parse_flags(flags: u8) -> Result<bool, Violation> {
    match flags {
        0 => Ok(false),
        FLAG_END => Ok(true),
        _ => violation(format!("unknown flags {flags:#04x}")),
    }
}

fn split_head(mut payload: Bytes) -> Result<(Bytes, Bytes), Violation> {
    let head_bytes = payload.get_u32_le() as usize;
    if head_bytes > HEAD_BYTES_MAX || head_bytes > payload.len() {
        return violation(format!("head of {head_bytes} bytes in a payload of {}", payload.len()));
    }
    let head = payload.split_to(head_bytes);
    if payload.len() > CHUNK_BYTES_MAX {
        return violation(format!("{} bytes of body after a head", payload.len()));
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
    let (memory, stack) = (payload.get_u64_le(), payload.get_u64_le());
    Ok(Frame::Welcome(Welcome { memory, stack, sandbox: sandbox::parse(payload)? }))
}

fn parse_fail(mut payload: Bytes) -> Result<Frame, Violation> {
    let kind = match payload.get_u8() {
        1 => FailureKind::Panic,
        2 => FailureKind::Error,
        other => return violation(format!("unknown failure kind {other}")),
    };
    let message_bytes = payload.get_u32_le() as usize;
    if message_bytes > payload.len().min(MESSAGE_BYTES_MAX) {
        return violation(format!("message of {message_bytes} bytes in a payload of {}", payload.len()));
    }
    let message = parse_text(&payload.split_to(message_bytes))?;
    if payload.len() > LOCATION_BYTES_MAX {
        return violation(format!("location of {} bytes", payload.len()));
    }
    let location = if payload.is_empty() { None } else { Some(parse_text(&payload)?) };
    Ok(Frame::Fail(Failure { kind, message, location }))
}

fn parse_text(bytes: &[u8]) -> Result<String, Violation> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => violation(format!("a failure whose text is not UTF-8 at byte {}", error.valid_up_to())),
    }
}
