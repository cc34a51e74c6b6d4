//! The queue that all workers of a pool read, as one of them sees it.
//!
//! Owns the claims: a job belongs to this worker from the moment in which its claim is noted, before any code
//! of the handler runs. Invariants: from before a job is read until it is claimed, the claims say that the
//! worker reads. In between, its thread sleeps only while it waits for a job.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, OnceLock},
};

use bytes::BytesMut;

use crate::{
    config::QUEUED_JOB_BYTES_MAX,
    platform::{self, ClaimWriter, QueueReader},
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

/// Bytes of the buffer for a message: the largest job of the queue fits.
const MESSAGE_BYTES: usize = QUEUED_JOB_BYTES_MAX + 1024;

pub(super) struct Queue {
    reader: Arc<QueueReader>,
    pub(super) claims: ClaimWriter,
    jobs_left: u64,
    scratch: Vec<u8>,
    /// The message of the job that was claimed last, until it is taken from here.
    pub(super) message: BytesMut,
}

impl Queue {
    pub(super) fn open(descriptors: Vec<OwnedFd>, welcome: &Welcome) -> io::Result<Self> {
        let Ok([socket, claims]) = <[OwnedFd; 2]>::try_from(descriptors) else {
            return Err(io::Error::other("the queue's descriptors did not arrive"));
        };
        Ok(Queue {
            reader: QueueReader::new(platform::out_of_the_way(socket)?)?,
            claims: ClaimWriter::open(claims, welcome.is_metered)?,
            jobs_left: welcome.jobs_max,
            scratch: Vec::with_capacity(MESSAGE_BYTES),
            message: BytesMut::new(),
        })
    }

    pub(super) fn has_jobs_left(&self) -> bool {
        self.jobs_left > 0
    }

    /// Waits for the next job, for a moment, and claims it; returns whether the parent has exited.
    pub(super) fn claim(&mut self) -> io::Result<bool> {
        self.claims.begin();
        self.scratch.clear();
        let read = self.reader.read(&mut self.scratch);
        let Ok(Some(count @ 1..)) = read else {
            self.claims.end();
            // So that an idle worker does not hold old versions of shared data.
            lifeline::receive_arrived();
            return Ok(read?.is_some());
        };
        let message = &self.scratch[..count];
        let Some((stream, number)) = decode::queued(message) else {
            return Err(io::Error::other("a message in the queue has no job"));
        };
        if let Some(call) = BEFORE_CLAIM.get() {
            call(number);
        }
        self.claims.claim(slot_of(stream), number);
        self.claims.end();
        self.jobs_left -= 1;
        self.message.extend_from_slice(message);
        Ok(false)
    }
}
