//! The frames: an eight-byte header (`len` u24, `type` u8, `stream` u32, little endian) and a payload.
//!
//! Owns the fields and the largest length of every frame. Leaves the bytes to `encode` and `decode`, and
//! which frame is allowed when to `parent` and `worker`. Invariant: each kind of frame has a largest length.

use std::{fmt, ops::RangeInclusive};

use bytes::Bytes;

use crate::{
    config::{
        CALL_BYTES_MAX, CHUNK_BYTES_MAX, HEAD_BYTES_MAX, LOCATION_BYTES_MAX, MESSAGE_BYTES_MAX, PATH_BYTES_MAX,
        SANDBOX_PATHS_MAX, UPLOAD_CHUNK_BYTES_MAX,
    },
    error::Failure,
    sandbox::{Sandbox, SandboxLevel},
};

pub(crate) const MAGIC: [u8; 8] = *b"pixiepl\x01";
pub(crate) const VERSION: u16 = 6;
pub(crate) const TOKEN_BYTES: usize = 32;
pub(crate) const HEADER_BYTES: usize = 8;
pub(crate) const HELLO_BYTES: usize = MAGIC.len() + 2 + TOKEN_BYTES + 8;
pub(crate) const WELCOME_BYTES: usize = 2 + 8 + 8 + 1 + SANDBOX_BYTES;
/// Profile, flags, two limits and three numbers of paths.
const SANDBOX_BYTES: usize = 1 + 1 + 8 + 8 + 3 * 2;
pub(crate) const READY_BYTES: usize = 1 + 1;
pub(crate) const JOB_BYTES: usize = 1 + 4 + 4 + 8 + 4;
pub(crate) const REPLY_BYTES: usize = 1 + 4;
/// Set when the body is complete within the frame.
pub(crate) const FLAG_END: u8 = 1;
/// Set in WELCOME when two descriptors come with it: the pool's queue and the worker's claims.
pub(crate) const FLAG_QUEUE: u8 = 1;
/// Set in WELCOME when a claim tells the CPU time of the worker.
pub(crate) const FLAG_METERED: u8 = 2;
/// Set in WELCOME when the pool answers calls.
pub(crate) const FLAG_CALLS: u8 = 4;
/// Set when a sandbox is required.
pub(crate) const FLAG_REQUIRED: u8 = 1;
/// Set in READY when these parts of a sandbox are in force.
pub(crate) const FLAG_SECCOMP: u8 = 1;
pub(crate) const FLAG_LIMITS: u8 = 2;

/// Returns the slot of a job in the queue, which the low half of its stream tells.
pub(crate) fn slot_of(stream: u32) -> usize {
    (stream & 0xffff) as usize
}

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
    /// Jobs that the worker claims at most.
    pub(crate) jobs_max: u64,
    pub(crate) reads_queue: bool,
    pub(crate) is_metered: bool,
    pub(crate) answers_calls: bool,
    pub(crate) sandbox: Sandbox,
}

/// The start of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) number: u64,
    /// Milliseconds until the deadline when the job is started; 0 stands for no deadline.
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
}

/// Makes frames and kinds of rows such as `End = 19, 0..=0;`: the type, and the limits of the payload.
macro_rules! frames {
    ($($(#[$doc:meta])* $name:ident $(($payload:ty))? = $byte:literal, $bytes:expr;)+) => {
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) enum Frame {
            $($(#[$doc])* $name $(($payload))?,)+
        }

        /// The part of a frame that may be logged. The rest may hold a visitor's data or a worker's text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($name = $byte,)+
        }

        impl Frame {
            pub(crate) fn kind(&self) -> Kind {
                match self {
                    $(Frame::$name { .. } => Kind::$name,)+
                }
            }
        }

        impl Kind {
            pub(crate) fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($byte => Some(Kind::$name),)+
                    _ => None,
                }
            }

            pub(crate) fn payload_bytes(self) -> RangeInclusive<usize> {
                match self {
                    $(Kind::$name => $bytes,)+
                }
            }
        }
    };
}

frames! {
    Hello(Hello) = 1, HELLO_BYTES..=HELLO_BYTES;
    Welcome(Welcome) = 2, WELCOME_BYTES..=WELCOME_BYTES + SANDBOX_PATHS_MAX * (2 + PATH_BYTES_MAX);
    Ready(SandboxLevel) = 3, READY_BYTES..=READY_BYTES;
    Job(Start) = 16, JOB_BYTES..=JOB_BYTES + HEAD_BYTES_MAX + CHUNK_BYTES_MAX;
    Reply(ReplyFrame) = 17, REPLY_BYTES..=REPLY_BYTES + HEAD_BYTES_MAX + CHUNK_BYTES_MAX;
    /// Not empty: an empty piece would read as the end of the body, and credit would not limit it.
    Data(Bytes) = 18, 1..=UPLOAD_CHUNK_BYTES_MAX;
    End = 19, 0..=0;
    Credit(u32) = 20, 4..=4;
    Cancel = 21, 0..=0;
    Fail(Failure) = 22, 5..=5 + MESSAGE_BYTES_MAX + LOCATION_BYTES_MAX;
    /// In the queue, in place of a job that is too large for it: the number of the job.
    Ticket(u64) = 23, 8..=8;
    /// From the worker that has claimed a ticket: send the job on this connection.
    Fetch = 24, 0..=0;
    /// From the worker: the deadline of the job moves by so many milliseconds.
    Extend(u32) = 25, 4..=4;
    /// From the parent: read the queue from now on.
    Open = 26, 0..=0;
    /// From the parent: stop reading the queue, and exit after the job that you run.
    Retire = 27, 0..=0;
    /// From the worker: the running job asks the parent. One at a time.
    Call(Bytes) = 28, 0..=CALL_BYTES_MAX;
    /// From the parent: the answer to the call, or that there is none. Also sent if the job has ended meanwhile.
    Return(Option<Bytes>) = 29, 1..=1 + CALL_BYTES_MAX;
}

impl Kind {
    /// Returns whether the frame is about one job; frames about the connection have stream id 0.
    pub(crate) fn is_of_job(self) -> bool {
        !matches!(self, Kind::Hello | Kind::Welcome | Kind::Ready | Kind::Open | Kind::Retire)
    }
}
