//! The worker's side of its connection: which job it runs and how much it may send.
//!
//! Owns the running job's unread body, its credits and the jobs that wait behind it. Leaves reading and
//! writing to `worker`. Invariant: frames for a job that has ended are dropped. The worker checks the shape
//! of the parent's frames and trusts the rest.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    config::{CHUNK_BYTES_MAX, WINDOW_BYTES},
    error::Failure,
    protocol::{
        decode, encode,
        frame::{Frame, Start, Violation, Welcome, violation},
    },
};

/// The worker's state of its connection.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    welcome: Option<Welcome>,
    /// Jobs that have arrived and are not started; parts of their bodies may have arrived as well.
    waiting: VecDeque<(Start, Running)>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stream: u32,
    body: VecDeque<Bytes>,
    /// Bytes that the handler has read and for which the parent has not got credit.
    read: usize,
    is_complete: bool,
    is_canceled: bool,
    is_headed: bool,
    /// Bytes of the reply that may still be sent.
    send_room: usize,
}

/// What the next read of the running job's body finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Bytes.
    Some,
    /// The next bytes have not arrived yet.
    Pending,
    /// The end of the body.
    End,
    /// The job was canceled or has ended.
    Canceled,
}

impl Worker {
    /// Returns the parent's welcome once it has arrived.
    pub(crate) fn take_welcome(&mut self) -> Option<Welcome> {
        self.welcome.take()
    }

    /// Removes every whole frame from `input`. The caller must send the bytes in `out` at once.
    pub(crate) fn receive(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<(), Violation> {
        while let Some((stream, frame)) = decode::take(input)? {
            match frame {
                Frame::Welcome(welcome) => self.welcome = Some(welcome),
                Frame::Job(start) => self.arrive(stream, start),
                Frame::Data(chunk) => self.with(stream, |r| r.body.push_back(chunk)),
                Frame::End => self.with(stream, |r| r.is_complete = true),
                Frame::Credit(bytes) => self.with(stream, |r| r.send_room += bytes as usize),
                Frame::Cancel => self.cancel(stream),
                Frame::Withdraw => self.return_unstarted(stream, out),
                other => return violation(format!("unexpected {:?} frame from the parent", other.kind())),
            }
        }
        Ok(())
    }

    fn arrive(&mut self, stream: u32, mut start: Start) {
        let body = std::mem::take(&mut start.body);
        let running = Running {
            stream,
            body: (!body.is_empty()).then_some(body).into_iter().collect(),
            read: 0,
            is_complete: start.complete,
            is_canceled: false,
            is_headed: false,
            send_room: WINDOW_BYTES,
        };
        self.waiting.push_back((start, running));
    }

    fn with(&mut self, stream: u32, change: impl FnOnce(&mut Running)) {
        let waiting = self.waiting.iter_mut().map(|(_, job)| job);
        if let Some(job) = self.running.iter_mut().chain(waiting).find(|job| job.stream == stream) {
            change(job);
        }
    }

    fn cancel(&mut self, stream: u32) {
        self.with(stream, |r| {
            r.is_canceled = true;
            r.body.clear();
        });
    }

    /// Returns every job from `first` on that is not started to the parent.
    fn return_unstarted(&mut self, first: u32, out: &mut BytesMut) {
        // Stream ids wrap around: an id that is less than half of all ids ahead was sent later.
        let is_later = |stream: u32| stream.wrapping_sub(first) <= u32::MAX / 2;
        let at = self.waiting.iter().position(|(_, job)| is_later(job.stream)).unwrap_or(self.waiting.len());
        let given = self.waiting.split_off(at);
        encode::put_return(out, given.front().map_or(first, |(_, job)| job.stream), given.len() as u32);
    }

    /// Makes the next waiting job the running one. Canceled jobs before it end without being started.
    pub(crate) fn next_job(&mut self, out: &mut BytesMut) -> Option<(u32, Start)> {
        while let Some((start, job)) = self.waiting.pop_front() {
            let stream = job.stream;
            if job.is_canceled {
                encode::put_fail(out, stream, &Failure::error("the job was canceled before it was started"));
                continue;
            }
            self.running = Some(job);
            return Some((stream, start));
        }
        None
    }

    /// Returns whether a job has arrived that is not started.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(crate) fn is_running(&self, stream: u32) -> bool {
        self.running.as_ref().is_some_and(|r| r.stream == stream)
    }

    /// Returns whether this job was canceled or has ended.
    pub(crate) fn is_canceled(&self, stream: u32) -> bool {
        self.running.as_ref().is_none_or(|r| r.stream != stream || r.is_canceled)
    }

    /// Returns what the next read of the body finds.
    pub(crate) fn unread(&self, stream: u32) -> Unread {
        match self.running.as_ref().filter(|r| r.stream == stream && !r.is_canceled) {
            None => Unread::Canceled,
            Some(r) if !r.body.is_empty() => Unread::Some,
            Some(r) if r.is_complete => Unread::End,
            Some(_) => Unread::Pending,
        }
    }

    /// Copies bytes of the body into `target`, and grants the parent credit once half a window was read.
    pub(crate) fn read(&mut self, stream: u32, target: &mut [u8], out: &mut BytesMut) -> usize {
        let Some(running) = self.running.as_mut().filter(|r| r.stream == stream && !r.is_canceled) else {
            return 0;
        };
        let Some(chunk) = running.body.front_mut() else {
            return 0;
        };
        let count = chunk.len().min(target.len());
        chunk.copy_to_slice(&mut target[..count]);
        if chunk.is_empty() {
            running.body.pop_front();
        }
        running.was_read(count, out);
        count
    }

    /// Returns the next piece of the body as it arrived, and grants credit as [`Worker::read`] does.
    pub(crate) fn piece(&mut self, stream: u32, out: &mut BytesMut) -> Option<Bytes> {
        let running = self.running.as_mut().filter(|r| r.stream == stream)?;
        let piece = running.body.pop_front()?;
        running.was_read(piece.len(), out);
        Some(piece)
    }

    /// Returns how many bytes may be sent in one frame now; `None` if the job was canceled or has ended.
    pub(crate) fn send_room(&self, stream: u32) -> Option<usize> {
        let running = self.running.as_ref().filter(|r| r.stream == stream && !r.is_canceled)?;
        Some(running.send_room.min(CHUNK_BYTES_MAX))
    }

    /// Sends the head of the reply with the first bytes of its body; with `took_us`, the body is complete.
    pub(crate) fn reply(&mut self, stream: u32, head: &[u8], body: &[u8], took_us: Option<u32>, out: &mut BytesMut) {
        self.with(stream, |r| {
            r.send_room -= body.len();
            r.is_headed = true;
        });
        encode::put_reply(out, stream, head, body, took_us);
        if took_us.is_some() {
            self.running = None;
        }
    }

    /// Asks for more time, at most what is left of the extension. Returns false if the deadline has no effect
    /// now, because the head was sent or the job has ended.
    pub(crate) fn extend(&self, stream: u32, milliseconds: u32, out: &mut BytesMut) -> bool {
        let is_timed = self.running.as_ref().is_some_and(|r| r.stream == stream && !r.is_headed && !r.is_canceled);
        if is_timed {
            encode::put_extend(out, stream, milliseconds);
        }
        is_timed
    }

    /// Sends a piece that fits into [`Worker::send_room`].
    pub(crate) fn data(&mut self, stream: u32, chunk: &[u8], out: &mut BytesMut) {
        self.with(stream, |r| r.send_room -= chunk.len());
        encode::put_data(out, stream, chunk);
    }

    /// Ends the reply and the job.
    pub(crate) fn end(&mut self, stream: u32, out: &mut BytesMut) {
        encode::put_end(out, stream);
        self.running = None;
    }

    /// Ends the job without a reply, or in the middle of it.
    pub(crate) fn fail(&mut self, stream: u32, failure: &Failure, out: &mut BytesMut) {
        encode::put_fail(out, stream, failure);
        self.running = None;
    }
}

impl Running {
    /// Counts the bytes that the handler has read, and grants the parent credit once they are half a window.
    fn was_read(&mut self, count: usize, out: &mut BytesMut) {
        self.read += count;
        if self.read >= WINDOW_BYTES / 2 && !self.is_complete {
            encode::put_credit(out, self.stream, self.read as u32);
            self.read = 0;
        }
    }
}
