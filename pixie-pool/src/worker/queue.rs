//! The queue that all workers of a pool read, as one of them sees it.
//!
//! Owns the claims: a job belongs to this worker from the moment in which its claim is noted, before any code
//! of the handler runs.

use std::{io, os::fd::OwnedFd, sync::OnceLock, thread, time::Instant};

use bytes::BytesMut;

use crate::{
    config::{QUEUE_LOOKS, QUEUE_WAIT, SHORT_SLEEP},
    platform::{ClaimWriter, QueueReader},
    protocol::{
        decode,
        frame::{Welcome, slot_of},
    },
    share::lifeline,
};

/// Called with the number of each job that was read and is not claimed.
static BEFORE_CLAIM: OnceLock<fn(u64)> = OnceLock::new();

/// Sets a function that a worker calls between reading a job and claiming it, for tests.
#[doc(hidden)]
pub fn before_claim(call: fn(u64)) {
    let _ = BEFORE_CLAIM.set(call);
}

/// Limits `patience`, so that a worker whose jobs get rare soon sleeps at once.
const PATIENCE_MAX: usize = 4;

pub(super) struct Queue {
    reader: QueueReader,
    pub(super) claims: ClaimWriter,
    jobs_left: u64,
    /// How often looking for a job before a sleep has paid lately; at 0, the worker sleeps at once.
    patience: usize,
    scratch: Vec<u8>,
    /// The message of the job that was claimed last, until it is taken from here.
    pub(super) message: BytesMut,
}

impl Queue {
    pub(super) fn open(descriptors: Vec<OwnedFd>, welcome: &Welcome) -> io::Result<Self> {
        let Ok([words, messages, claims]) = <[OwnedFd; 3]>::try_from(descriptors) else {
            return Err(io::Error::other("the queue's descriptors did not arrive"));
        };
        let claims = ClaimWriter::of(claims, welcome.is_metered)?;
        Ok(Queue {
            reader: QueueReader::open(words, messages, &claims)?,
            claims,
            jobs_left: welcome.jobs_max,
            patience: 0,
            scratch: Vec::new(),
            message: BytesMut::new(),
        })
    }

    pub(super) fn has_jobs_left(&self) -> bool {
        self.jobs_left > 0
    }

    /// Waits for the next job, for a moment, and claims it; returns whether there will be none.
    pub(super) fn claim(&mut self) -> io::Result<bool> {
        if !self.read() {
            // So that an idle worker does not hold old versions of shared data.
            lifeline::receive_arrived();
            return Ok(self.reader.has_ended());
        }
        let message = &self.scratch[..];
        let Some((stream, number)) = decode::queued(message) else {
            return Err(io::Error::other("a message in the queue has no job"));
        };
        if let Some(call) = BEFORE_CLAIM.get() {
            call(number);
        }
        self.claims.claim(slot_of(stream), number);
        self.jobs_left -= 1;
        self.message.extend_from_slice(message);
        Ok(false)
    }

    /// Reads the next job, and waits for it for a moment.
    fn read(&mut self) -> bool {
        self.scratch.clear();
        let looks = if self.patience > 0 { QUEUE_LOOKS } else { 0 };
        for look in 0..=looks {
            if self.reader.has_ended() {
                return false;
            }
            if self.reader.read(&mut self.scratch) {
                self.patience = (self.patience + usize::from(look > 0)).min(PATIENCE_MAX);
                return true;
            }
            if look < looks {
                thread::yield_now();
            }
        }
        self.patience = self.patience.saturating_sub(1);
        let begun = Instant::now();
        self.reader.sleep(&self.claims, QUEUE_WAIT);
        // After looking in vain, it would not have been enough.
        if looks == 0 && begun.elapsed() < SHORT_SLEEP {
            self.patience = 1;
        }
        !self.reader.has_ended() && self.reader.read(&mut self.scratch)
    }
}
