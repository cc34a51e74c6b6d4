//! The worker's connection, as the holder of the lock has it: the stream, the protocol and the buffers.
//!
//! Owns reading and writing. Leaves the meaning of the bytes to `protocol::worker`, and waiting to `socket`.
//! Invariant: the thread that reads has the input buffer.

use std::{
    io::{self, IoSlice, Write as _},
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf as _, BytesMut};

use crate::{
    config::{CHUNK_BYTES_MAX, SMALL_PIECE_BYTES, UPLOAD_CHUNK_BYTES_MAX},
    platform,
    protocol::{decode, frame::Violation, worker::Worker},
    worker::queue::Queue,
};

/// Bytes of a new input buffer: a whole piece with its header, so that a large body needs one read per frame.
const READ_BYTES: usize = UPLOAD_CHUNK_BYTES_MAX + 1024;
/// Bytes of room in the input buffer below which a read gets another buffer. More than most heads have.
const READ_BYTES_MIN: usize = 16 * 1024;
/// Bytes of the first input buffer: the WELCOME and a small job fit, also with the room that the second read wants. A
/// larger one would be a mapping of its own, which takes a worker for one job some microseconds.
const FIRST_BYTES: usize = READ_BYTES_MIN + 4096;
/// Bytes of a read that must not wait: a chunk of a body fits.
const SCRATCH_BYTES: usize = CHUNK_BYTES_MAX + 1024;
/// Shortest interval between system calls for a handler that asks whether its job was canceled.
const LOOK_EVERY: Duration = Duration::from_millis(1);

pub(super) struct Wire {
    pub(super) stream: Arc<UnixStream>,
    pub(super) protocol: Worker,
    /// Target of reads that find little or nothing. Only arrived bytes are copied to `input`.
    ///
    /// Allocated by the first of them, and not filled with zeros: a worker for one job does without.
    scratch: Vec<u8>,
    pub(super) input: BytesMut,
    pub(super) output: BytesMut,
    looked: Option<Instant>,
    pub(super) is_closed: bool,
    /// Jobs that the parent may still send on the connection. The worker does not wait to be told its end.
    pub(super) jobs_left: u64,
    /// The pool's queue; without one, the parent sends each job on the connection.
    pub(super) queue: Option<Queue>,
    /// Whether a thread waits for a job to end.
    pub(super) is_awaited: bool,
    /// Whether a thread reads, with the input buffer, and whether another one waits for that.
    pub(super) is_reading: bool,
    pub(super) has_waiting: bool,
}

impl Wire {
    pub(super) fn new(stream: UnixStream) -> Self {
        Wire {
            stream: Arc::new(stream),
            protocol: Worker::default(),
            scratch: Vec::new(),
            input: BytesMut::with_capacity(FIRST_BYTES),
            output: BytesMut::with_capacity(1024),
            looked: None,
            is_closed: false,
            jobs_left: u64::MAX,
            queue: None,
            is_awaited: false,
            is_reading: false,
            has_waiting: false,
        }
    }

    /// Sends what waits.
    pub(super) fn send(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let sent = (&*self.stream).write_all(&self.output);
        self.output.clear();
        if let Some(queue) = self.queue.as_ref().filter(|_| !self.protocol.has_running()) {
            queue.claims.finish();
        }
        sent.inspect_err(|_| self.is_closed = true)
    }

    /// Sends a piece of a reply, or a call, behind its header; a large one without a copy.
    pub(super) fn send_with(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.len() < SMALL_PIECE_BYTES {
            self.output.extend_from_slice(piece);
            return self.send();
        }
        let parts = [IoSlice::new(&self.output), IoSlice::new(piece)];
        let count = (&*self.stream).write_vectored(&parts).or_else(|error| match error.kind() {
            io::ErrorKind::Interrupted => Ok(0),
            _ => Err(error),
        });
        let count = count.inspect_err(|_| self.is_closed = true)?;
        let of_piece = count.saturating_sub(self.output.len());
        self.output.advance(count - of_piece);
        self.send()?;
        (&*self.stream).write_all(&piece[of_piece..]).inspect_err(|_| self.is_closed = true)
    }

    /// Returns whether it is time to look at the connection, and notes that.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if is_due {
            self.looked = Some(Instant::now());
        }
        is_due
    }

    /// Reads what has arrived, without waiting, unless another thread reads; true if bytes have arrived.
    pub(super) fn look(&mut self) -> io::Result<bool> {
        if self.is_reading {
            return Ok(false);
        }
        self.scratch.clear();
        self.scratch.reserve_exact(SCRATCH_BYTES);
        if !platform::read_arrived(&*self.stream, &mut self.scratch)? {
            return Ok(false);
        }
        self.input.extend_from_slice(&self.scratch);
        self.received(self.scratch.len())
    }

    /// Takes in the bytes that were added to the input; false if it got no bytes.
    pub(super) fn received(&mut self, count: usize) -> io::Result<bool> {
        if count == 0 {
            self.is_closed = true;
            return Ok(false);
        }
        self.protocol.receive(&mut self.input).map_err(broken)?;
        Ok(true)
    }
}

/// Reads what has arrived into the input buffer, and waits for it; 0 stands for the end.
pub(super) fn read(stream: &UnixStream, input: &mut BytesMut) -> io::Result<usize> {
    loop {
        decode::make_room(input, READ_BYTES_MIN, READ_BYTES);
        match platform::read_into(stream, input) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The kernel resets the connection of a parent that was killed before it read all bytes.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(0),
            other => return other,
        }
    }
}

/// Returns the error for bytes that the parent must not send.
pub(super) fn broken(violation: Violation) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the parent broke the protocol: {violation}"))
}
