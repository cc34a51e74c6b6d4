//! `Entry`: one job in the model of a conversation.
//!
//! Owns the content of jobs and replies, and how a job ends. Leaves the order of steps to `conversation`.

use std::sync::LazyLock;

use bytes::Bytes;

use crate::{
    config::CHUNK_BYTES_MAX,
    protocol::{frame::Start, parent::Event},
};

/// Returns a job as a test sends it.
pub(crate) fn a_start(number: u64, head: Bytes, body: Bytes, complete: bool) -> Start {
    Start { number, deadline_ms: 9, extension_ms: 0, head, body, complete }
}

/// How a job ended, as the pool sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    Failed,
    Gone,
    Returned,
}

/// One job in the model.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) stream: u32,
    /// Bytes of the body in the first frame, and whether these are all.
    pub(super) first: usize,
    pub(super) is_whole: bool,
    pub(super) is_ticket: bool,
    /// Bytes of the body that were sent, and how many of them the handler has read.
    pub(super) sent: usize,
    pub(super) read: usize,
    pub(super) is_body_sent: bool,
    /// Whether the submitter has left, and whether the worker was told.
    pub(super) is_left: bool,
    pub(super) is_canceled: bool,
    pub(super) is_claimed: bool,
    pub(super) is_started: bool,
    /// Bytes of the reply that the handler has sent, that have arrived, and that the submitter has taken.
    pub(super) answered: usize,
    pub(super) heard: usize,
    pub(super) taken: usize,
    pub(super) is_headed: bool,
    /// The call of the handler that has no answer yet, and whether the pool has heard it and not answered.
    pub(super) call: Option<Bytes>,
    pub(super) is_calling: bool,
    pub(super) fate: Option<Fate>,
}

impl Entry {
    /// Checks and records an event of this job.
    pub(super) fn hear(&mut self, job: usize, stream: u32, event: &Event) {
        assert_eq!(self.stream, stream, "the reply of another job");
        let is_dropped = matches!(event, Event::Gone | Event::Late);
        assert!(*event == Event::Fetch || is_dropped == self.is_canceled, "{event:?} of {self:?}");
        let arrived: &[u8] = match event {
            Event::Reply(answer) => {
                assert_eq!(answer.head, head(job), "the head of another job");
                &answer.body
            }
            Event::Data(chunk) => chunk,
            Event::Call(request) => {
                assert_eq!(Some(request), self.call.as_ref(), "the call of another job");
                assert!(!std::mem::replace(&mut self.is_calling, true), "a second call");
                &[]
            }
            Event::Failed(failure) => {
                assert_eq!(failure.message, job.to_string(), "the failure of another job");
                &[]
            }
            _ => &[],
        };
        assert_eq!(*arrived, content(job, Side::Answer, self.heard, arrived.len())[..], "the bytes of another job");
        self.heard += arrived.len();
        match event {
            Event::Failed(_) => self.ends(Fate::Failed),
            Event::Gone => self.ends(Fate::Gone),
            event if event.is_last() => self.ends(Fate::Answered),
            _ => {}
        }
    }

    pub(super) fn ends(&mut self, fate: Fate) {
        assert_eq!(self.fate.replace(fate), None, "it ended before");
    }
}

/// One of the two bodies of a job.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Body,
    Answer,
}

/// Returns bytes that differ from those of other jobs, bodies and offsets, as far as a few bytes can.
pub(super) fn content(job: usize, side: Side, from: usize, count: usize) -> Bytes {
    /// Noise to copy from, because computing each byte would take most of the test's time.
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let turn = (0..NOISE_BYTES as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8);
        turn.cycle().take(NOISE_BYTES + CHUNK_BYTES_MAX).collect()
    });
    let at = (from + job * 1031 + 517 * side as usize) % NOISE_BYTES;
    Bytes::copy_from_slice(&NOISE[at..at + count])
}

/// The noise repeats after so many bytes; a prime, so that it is not a multiple of a chunk's size.
const NOISE_BYTES: usize = 65_521;

/// Returns whether the stream is of a job from the queue; on the connection, the numbers are small.
pub(super) fn is_queued(stream: u32) -> bool {
    stream > u32::from(u16::MAX)
}

pub(super) fn head(job: usize) -> Bytes {
    Bytes::copy_from_slice(&job.to_le_bytes())
}

#[cfg(test)]
#[test]
fn a_whole_chunk_may_begin_anywhere() {
    let chunk = content(0, Side::Body, NOISE_BYTES - 1, CHUNK_BYTES_MAX);
    assert_eq!(chunk[1..100], content(0, Side::Body, 0, 99)[..]);
}
