//! The frames: an eight-byte header (`len` u24, `type` u8, `stream` u32, little endian) and a payload.
//!
//! Owns the fields and the largest length of every frame. Leaves the bytes to `encode` and `decode`, and
//! which frame is allowed when to `parent` and `worker`. Invariant: each kind of frame has a largest length.

use std::fmt;

use bytes::Bytes;

use crate::{
    config::{
        CHUNK_BYTES_MAX, HEAD_BYTES_MAX, LOCATION_BYTES_MAX, MESSAGE_BYTES_MAX, PATH_BYTES_MAX, SANDBOX_PATHS_MAX,
    },
    error::Failure,
    sandbox::{Sandbox, SandboxLevel},
};

pub(crate) const MAGIC: [u8; 8] = *b"pixiepl\x01";
pub(crate) const VERSION: u16 = 3;
pub(crate) const TOKEN_BYTES: usize = 32;
pub(crate) const HEADER_BYTES: usize = 8;
pub(crate) const HELLO_BYTES: usize = MAGIC.len() + 2 + TOKEN_BYTES + 8;
pub(crate) const WELCOME_BYTES: usize = 2 + 8 + 8 + SANDBOX_BYTES;
/// Profile, flags, two limits and two numbers of paths.
const SANDBOX_BYTES: usize = 1 + 1 + 8 + 8 + 2 + 2;
pub(crate) const READY_BYTES: usize = 1 + 1;
pub(crate) const JOB_BYTES: usize = 1 + 4 + 4 + 8 + 4;
pub(crate) const REPLY_BYTES: usize = 1 + 4 + 4;
/// Set when the body is complete within the frame.
pub(crate) const FLAG_END: u8 = 1;

/// A message that the protocol forbids.
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

/// How a worker identifies itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) version: u16,
    pub(crate) token: [u8; TOKEN_BYTES],
    pub(crate) table_hash: u64,
}

/// What a worker applies to itself before it sends READY; 0 stands for no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) memory: u64,
    pub(crate) stack: u64,
    pub(crate) sandbox: Sandbox,
}

/// The start of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) number: u64,
    /// Milliseconds until the deadline when the job was sent; 0 stands for no deadline.
    pub(crate) deadline_ms: u32,
    /// Milliseconds that the handler may add to the deadline on request.
    pub(crate) extension_ms: u32,
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
    pub(crate) complete: bool,
}

/// The start of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplyFrame {
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
    pub(crate) complete: bool,
    /// Running time of the handler in microseconds, as the worker reports it; 0 if the body is not complete.
    pub(crate) took_us: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Hello(Hello),
    Welcome(Welcome),
    Ready(SandboxLevel),
    Job(Start),
    Reply(ReplyFrame),
    Data(Bytes),
    End,
    Credit(u32),
    Cancel,
    Fail(Failure),
    /// From the parent: return this job and all later ones that are not started.
    Withdraw,
    /// From the worker: the deadline of the job moves by so many milliseconds.
    Extend(u32),
    /// From the worker: returns this job and those after it, so many in total, which it has not started and
    /// will not start.
    Return(u32),
}

impl Frame {
    /// Returns the part of a frame that may be logged. The rest may hold a visitor's data, or text that a
    /// worker has chosen.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Frame::Hello(_) => Kind::Hello,
            Frame::Welcome(_) => Kind::Welcome,
            Frame::Ready(_) => Kind::Ready,
            Frame::Job(_) => Kind::Job,
            Frame::Reply(_) => Kind::Reply,
            Frame::Data(_) => Kind::Data,
            Frame::End => Kind::End,
            Frame::Credit(_) => Kind::Credit,
            Frame::Cancel => Kind::Cancel,
            Frame::Fail(_) => Kind::Fail,
            Frame::Withdraw => Kind::Withdraw,
            Frame::Extend(_) => Kind::Extend,
            Frame::Return(_) => Kind::Return,
        }
    }
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
    Withdraw = 23,
    Return = 24,
    Extend = 25,
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
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
            23 => Kind::Withdraw,
            24 => Kind::Return,
            25 => Kind::Extend,
            _ => return None,
        })
    }

    /// Returns whether the frame is about one job; frames about the connection have stream id 0.
    pub(crate) fn is_of_job(self) -> bool {
        !matches!(self, Kind::Hello | Kind::Welcome | Kind::Ready)
    }

    pub(crate) fn payload_bytes_max(self) -> usize {
        match self {
            Kind::Hello => HELLO_BYTES,
            Kind::Welcome => WELCOME_BYTES + SANDBOX_PATHS_MAX * (2 + PATH_BYTES_MAX),
            Kind::Ready => READY_BYTES,
            Kind::End | Kind::Cancel | Kind::Withdraw => 0,
            Kind::Job => JOB_BYTES + HEAD_BYTES_MAX + CHUNK_BYTES_MAX,
            Kind::Reply => REPLY_BYTES + HEAD_BYTES_MAX + CHUNK_BYTES_MAX,
            Kind::Data => CHUNK_BYTES_MAX,
            Kind::Credit | Kind::Return | Kind::Extend => 4,
            Kind::Fail => 5 + MESSAGE_BYTES_MAX + LOCATION_BYTES_MAX,
        }
    }
}
