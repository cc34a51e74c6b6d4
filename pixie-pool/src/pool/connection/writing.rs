//! What the pool sends to a worker after the job itself: pieces of its body, credit, answers, a cancellation.
//!
//! Owns the bytes that the socket does not accept at once. Leaves which frame is allowed when to the protocol.
//! Invariant: a closed connection writes nothing.

use std::{
    io::{self, IoSlice},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf as _, BytesMut};

use crate::{
    config::{SMALL_PIECE_BYTES, UNREAD_BYTES_MAX},
    platform,
    pool::connection::{Awaited, Closed, Connection, ConnectionState, Kill},
    protocol::parent::Parent,
};

impl Connection {
    /// Writes as much as the socket accepts; leaves the rest to the reading task.
    pub(super) fn write(&self, state: &mut ConnectionState) -> Result<(), io::Error> {
        if state.output.is_empty() {
            return Ok(());
        }
        match self.writer.try_write(&state.output) {
            // `clear` reuses the start of the buffer; `advance` would not.
            Ok(count) if count == state.output.len() => state.output.clear(),
            Ok(count) => state.output.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The worker is exiting. The rest is not sent, so that the whole job can go to another worker.
            Err(error) => {
                state.close(Closed::Exited);
                return Err(error);
            }
        }
        if !state.output.is_empty() {
            state.wake_reader();
        }
        Ok(())
    }

    /// Encodes a frame behind the bytes that still wait, and writes.
    pub(super) fn put(&self, state: &mut ConnectionState, encode: impl FnOnce(&mut Parent, &mut BytesMut)) {
        if state.closed.is_none() {
            encode(&mut state.protocol, &mut state.output);
            // The reading task handles a failed write.
            let _ = self.write(state);
        }
    }

    /// Returns how many bytes of body may be sent at once; `None` if the worker does not want the rest.
    pub(crate) fn send_room(&self, stream: u32) -> Option<usize> {
        let state = self.state();
        match state.closed {
            // The job may move to another worker, which wants the rest of the body.
            Some(_) => Some(0),
            None => state.protocol.send_room(stream),
        }
    }

    /// Sends a piece of body. This counts as progress of the client.
    pub(crate) fn data(&self, stream: u32, piece: &[u8]) {
        let mut state = self.state();
        note_progress(&mut state, stream);
        let ConnectionState { protocol, output, closed: None, .. } = &mut *state else {
            return;
        };
        if protocol.data_header(stream, piece, output) {
            self.write_with(&mut state, piece);
        }
    }

    /// Returns the answer to a job's call, or that there is none.
    pub(crate) fn return_call(&self, stream: u32, answer: Option<&[u8]>) {
        let mut state = self.state();
        self.check_unread(&mut state);
        if state.closed.is_none() {
            let ConnectionState { protocol, output, .. } = &mut *state;
            protocol.return_header(stream, answer, output);
            self.write_with(&mut state, answer.unwrap_or_default());
        }
    }

    /// Writes a piece behind its header, which waits in the output.
    fn write_with(&self, state: &mut ConnectionState, piece: &[u8]) {
        if piece.len() < SMALL_PIECE_BYTES {
            state.output.extend_from_slice(piece);
            let _ = self.write(state);
            return;
        }
        let output = &mut state.output;
        // Only what the socket does not accept is copied.
        let parts = [IoSlice::new(output), IoSlice::new(piece)];
        let count = self.writer.try_write_vectored(&parts).unwrap_or(0);
        let of_piece = count.saturating_sub(output.len());
        output.advance(count - of_piece);
        output.extend_from_slice(&piece[of_piece..]);
        if output.is_empty() {
            output.clear();
        } else {
            // The reading task writes the rest, and handles a failed write.
            state.wake_reader();
        }
    }

    pub(crate) fn end(&self, stream: u32) {
        self.put(&mut self.state(), |protocol, output| protocol.end(stream, output));
    }

    /// Gives the worker credit for more of the reply. This counts as progress of the client.
    pub(crate) fn credit(&self, stream: u32, bytes: usize) {
        let mut state = self.state();
        note_progress(&mut state, stream);
        self.put(&mut state, |protocol, output| protocol.credit(stream, bytes, output));
    }

    /// Tells the worker that a job is canceled; returns when its grace period ends.
    pub(crate) fn cancel(&self, stream: u32, grace: Duration) -> Option<Instant> {
        let (mut state, now) = (self.state(), Instant::now());
        if state.closed.is_some() || !state.cancel(stream, now, grace) {
            return None;
        }
        let _ = self.write(&mut state);
        Some(now + grace)
    }

    /// Kills a worker that goes on without reading what it was sent.
    pub(super) fn check_unread(&self, state: &mut ConnectionState) {
        if state.output.len() > UNREAD_BYTES_MAX {
            let (worker, pid) = (self.slot, self.pid);
            tracing::warn!(worker, pid, "a worker replied to jobs, or called, and has not read what it was sent");
            self.kill_with(state, Kill::Protocol);
        }
    }

    /// Writes the bytes that wait, on the reading task; returns whether and why the connection is closed.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>) -> Option<Closed> {
        let mut state = self.state();
        if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
        while !state.output.is_empty() && state.closed.is_none() {
            match platform::poll_write(self.writer.as_ref(), cx, &state.output) {
                Poll::Ready(Ok(count)) => state.output.advance(count),
                Poll::Ready(Err(_)) => {
                    state.close(Closed::Exited);
                }
                Poll::Pending => break,
            }
        }
        state.closed
    }
}

/// Restarts the idle timeout of a job after progress of the client.
fn note_progress(state: &mut ConnectionState, stream: u32) {
    if let Some(sent) = state.sent.iter_mut().find(|sent| sent.stream == stream)
        && let Awaited::More(at) = &mut sent.awaited
    {
        *at = Instant::now();
    }
}
