//! Reads frames from bytes.
//!
//! Owns reading every frame in both directions. Invariant: a length is checked before the payload is waited
//! for, and each frame has one spelling: bytes that `encode` does not write are refused.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::PathBuf};

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    config::{
        ByteSize, CHUNK_BYTES_MAX, HEAD_BYTES_MAX, LOCATION_BYTES_MAX, MESSAGE_BYTES_MAX, PATH_BYTES_MAX,
        SANDBOX_PATHS_MAX,
    },
    error::Failure,
    protocol::frame::{
        FLAG_CALLS, FLAG_END, FLAG_LIMITS, FLAG_METERED, FLAG_QUEUE, FLAG_REQUIRED, FLAG_SECCOMP, Frame, HEADER_BYTES,
        Hello, Kind, MAGIC, ReplyFrame, Start, TOKEN_BYTES, VERSION, Violation, Welcome, violation,
    },
    sandbox::{Profile, Sandbox, SandboxLevel},
};

/// Size in bytes below which a payload is copied out of the read buffer; a larger one shares the buffer's
/// memory. A small reply must not keep a large buffer alive.
const SHARE_BYTES_MIN: usize = 4 * 1024;

/// Removes one whole frame from the front of `input`; `None` if the frame has not arrived completely.
pub(crate) fn take(input: &mut BytesMut) -> Result<Option<(u32, Frame)>, Violation> {
    let Some(header) = input.get(..HEADER_BYTES) else {
        return Ok(None);
    };
    let len = payload_bytes(header);
    let stream = stream_of(header);
    let Some(kind) = Kind::from_byte(header[3]) else {
        return violation(format!("unknown frame type {}", header[3]));
    };
    if stream != 0 && !kind.is_of_job() {
        return violation(format!("{kind:?} frame on stream {stream}"));
    }
    if !kind.payload_bytes().contains(&len) {
        return violation(format!("{kind:?} frame of {len} bytes"));
    }
    if input.len() < HEADER_BYTES + len {
        return Ok(None);
    }
    input.advance(HEADER_BYTES);
    let frame = parse(kind, slice(input, len))?;
    Ok(Some((stream, frame)))
}

fn stream_of(header: &[u8]) -> u32 {
    u32::from_le_bytes([header[4], header[5], header[6], header[7]])
}

fn payload_bytes(header: &[u8]) -> usize {
    u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize
}

/// Makes room in `input` for the next read, after [`take`] has found no whole frame: at least for the rest of
/// a frame that has begun to arrive. A buffer whose frames are no longer used is used again.
pub(crate) fn make_room(input: &mut BytesMut, min: usize, wanted: usize) {
    let rest =
        input.get(..HEADER_BYTES).map(|header| (HEADER_BYTES + payload_bytes(header)).saturating_sub(input.len()));
    let needed = rest.unwrap_or(min);
    if !input.try_reclaim(needed) {
        input.reserve(needed.max(wanted));
    }
}

/// Returns the stream of the next frame.
pub(crate) fn stream(input: &[u8]) -> Option<u32> {
    input.get(..HEADER_BYTES).map(stream_of)
}

/// Returns stream and number of the job in a message of the queue, or of its ticket.
pub(crate) fn queued(message: &[u8]) -> Option<(u32, u64)> {
    let number = match Kind::from_byte(*message.get(3)?)? {
        // After the flags and the two times.
        Kind::Job => message.get(HEADER_BYTES + 9..)?,
        Kind::Ticket => message.get(HEADER_BYTES..)?,
        _ => return None,
    };
    Some((stream(message)?, u64::from_le_bytes(*number.first_chunk()?)))
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
    Ok(match kind {
        Kind::Hello => parse_hello(payload)?,
        Kind::Welcome => parse_welcome(payload)?,
        Kind::Ready => Frame::Ready(parse_level(payload)?),
        Kind::Job => {
            let complete = parse_flags(payload.get_u8(), FLAG_END)? != 0;
            let deadline_ms = payload.get_u32_le();
            let extension_ms = payload.get_u32_le();
            let number = payload.get_u64_le();
            let (head, body) = split_head(payload)?;
            Frame::Job(Start { number, deadline_ms, extension_ms, head, body, complete })
        }
        Kind::Reply => {
            let complete = parse_flags(payload.get_u8(), FLAG_END)? != 0;
            let (head, body) = split_head(payload)?;
            Frame::Reply(ReplyFrame { head, body, complete })
        }
        Kind::Data => Frame::Data(payload),
        Kind::End => Frame::End,
        Kind::Credit => Frame::Credit(parse_amount(kind, payload)?),
        Kind::Cancel => Frame::Cancel,
        Kind::Ticket => Frame::Ticket(payload.get_u64_le()),
        Kind::Fetch => Frame::Fetch,
        Kind::Open => Frame::Open,
        Kind::Retire => Frame::Retire,
        Kind::Extend => Frame::Extend(parse_amount(kind, payload)?),
        Kind::Fail => parse_fail(payload)?,
        Kind::Call => Frame::Call(payload),
        Kind::Return => Frame::Return(parse_return(payload)?),
    })
}

/// Reads the amount of a frame. Zero is refused, because a peer could send it without end.
fn parse_amount(kind: Kind, mut payload: Bytes) -> Result<u32, Violation> {
    match payload.get_u32_le() {
        0 => violation(format!("{kind:?} frame with the amount 0")),
        amount => Ok(amount),
    }
}

fn parse_return(mut payload: Bytes) -> Result<Option<Bytes>, Violation> {
    match (payload.get_u8(), payload) {
        (0, rest) if rest.is_empty() => Ok(None),
        (1, answer) => Ok(Some(answer)),
        (other, _) => violation(format!("an answer of the kind {other}")),
    }
}

/// Refuses flags other than the known ones.
fn parse_flags(flags: u8, known: u8) -> Result<u8, Violation> {
    match flags & !known {
        0 => Ok(flags),
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
    let (memory, jobs_max) = (payload.get_u64_le(), payload.get_u64_le());
    let flags = parse_flags(payload.get_u8(), FLAG_QUEUE | FLAG_METERED | FLAG_CALLS)?;
    Ok(Frame::Welcome(Welcome {
        memory,
        jobs_max,
        reads_queue: flags & FLAG_QUEUE != 0,
        is_metered: flags & FLAG_METERED != 0,
        answers_calls: flags & FLAG_CALLS != 0,
        sandbox: parse_sandbox(payload)?,
    }))
}

/// Reads a sandbox, which must end its frame; the fixed part has arrived.
fn parse_sandbox(mut payload: Bytes) -> Result<Sandbox, Violation> {
    let profile = match payload.get_u8() {
        0 => Profile::None,
        1 => Profile::NoNetwork,
        2 => Profile::Strict,
        other => return violation(format!("unknown sandbox {other}")),
    };
    let is_required = parse_flags(payload.get_u8(), FLAG_REQUIRED)? != 0;
    let file_size = ByteSize::from(payload.get_u64_le());
    let open_files = payload.get_u64_le();
    let counts = [(); 3].map(|()| payload.get_u16_le() as usize);
    let count: usize = counts.iter().sum();
    if count > SANDBOX_PATHS_MAX {
        return violation(format!("a sandbox with {count} paths"));
    }
    let mut take = |count| (0..count).map(|_| parse_path(&mut payload)).collect::<Result<Vec<_>, _>>();
    let (read, read_unlisted, write) = (take(counts[0])?, take(counts[1])?, take(counts[2])?);
    if !payload.is_empty() {
        return violation(format!("{} bytes after a sandbox", payload.len()));
    }
    Ok(Sandbox { profile, is_required, file_size, open_files, read, read_unlisted, write })
}

fn parse_path(payload: &mut Bytes) -> Result<PathBuf, Violation> {
    let len = payload.try_get_u16_le().map_or(usize::MAX, usize::from);
    if len > PATH_BYTES_MAX || len > payload.len() {
        return violation("a path of a sandbox is cut short or too long");
    }
    Ok(OsStr::from_bytes(&payload.split_to(len)).into())
}

/// Reads which parts are in force; the bytes have arrived.
fn parse_level(mut payload: Bytes) -> Result<SandboxLevel, Violation> {
    let flags = parse_flags(payload.get_u8(), FLAG_SECCOMP | FLAG_LIMITS)?;
    let landlock = payload.get_u8();
    Ok(SandboxLevel { seccomp: flags & FLAG_SECCOMP != 0, limits: flags & FLAG_LIMITS != 0, landlock })
}

fn parse_fail(mut payload: Bytes) -> Result<Frame, Violation> {
    let is_panic = match payload.get_u8() {
        1 => true,
        2 => false,
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
    Ok(Frame::Fail(Failure { is_panic, message, location }))
}

fn parse_text(bytes: &[u8]) -> Result<String, Violation> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => violation(format!("a failure whose text is not UTF-8 at byte {}", error.valid_up_to())),
    }
}
