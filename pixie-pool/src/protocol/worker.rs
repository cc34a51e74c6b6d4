//! The worker's side of its connection: which job it runs and how much it may send.
//!
//! Owns the running job's unread body, its credits and the jobs that wait behind it. Leaves reading and writing to `worker`.
//! Rule: frames for a job that is over are dropped; the parent is trusted in everything but the shape of its frames.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    config::{CHUNK_BYTES_MAX, WINDOW_BYTES},
    error::Failure,
    protocol::{
        decode, encode,
        frame::{Frame, Hello, Start, Violation, Welcome, violation},
    },
    sandbox::SandboxLevel,
};

/// The worker's state of its connection.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    welcome: Option<Welcome>,
    /// Jobs that have arrived, perhaps with some of their bodies, and are not started.
    waiting: VecDeque<(Start, Running)>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stream: u32,
    body: VecDeque<Bytes>,
    /// Bytes read by the handler for which no credit was sent yet.
    read: usize,
    is_complete: bool,
    is_cancelled: bool,
    is_headed: bool,
    /// Bytes of the answer that may still be sent.
    send_room: usize,
}

/// What the front of the running job's body is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// There are bytes.
    Some,
    /// None have arrived yet.
    Pending,
    /// There is nothing more to come.
    End,
    /// The job was cancelled or is over.
    Cancelled,
}

impl Worker {
    pub(crate) fn hello(&self, hello: &Hello, out: &mut BytesMut) {
        encode::put_hello(out, hello);
    }

    pub(crate) fn ready(&self, level: &SandboxLevel, out: &mut BytesMut) {
        encode::put_ready(out, level);
    }

    /// Takes what the parent has welcomed this worker with, once it has.
    pub(crate) fn take_welcome(&mut self) -> Option<Welcome> {
        self.welcome.take()
    }

    /// Takes every whole frame off `input`; what is written to `out` must be sent at once.
    pub(crate) fn receive(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<(), Violation> {
        while let Some((stream, frame)) = decode::take(input)? {
            match frame {
                Frame::Welcome(welcome) => self.welcome = Some(welcome),
                Frame::Job(start) => self.arrive(stream, start),
                Frame::Data(chunk) => self.with(stream, |r| r.body.push_back(chunk)),
                Frame::End => self.with(stream, |r| r.is_complete = true),
                Frame::Credit(bytes) => self.with(stream, |r| r.send_room += bytes as usize),
                Frame::Cancel => self.cancel(stream),
                Frame::Recall => self.give_back(stream, out),
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
            is_cancelled: false,
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
            r.is_cancelled = true;
            r.body.clear();
        });
    }

    /// Gives up every job from `first` on that is not started.
    fn give_back(&mut self, first: u32, out: &mut BytesMut) {
        // Numbers wrap around: what is less than half of them away was sent later.
        let is_later = |stream: u32| stream.wrapping_sub(first) <= u32::MAX / 2;
        let at = self.waiting.iter().position(|(_, job)| is_later(job.stream)).unwrap_or(self.waiting.len());
        let given = self.waiting.split_off(at);
        encode::put_give_back(out, given.front().map_or(first, |(_, job)| job.stream), given.len() as u32);
    }

    /// Makes the next waiting job the running one; those that nobody waits for any more are ended without being started.
    pub(crate) fn next_job(&mut self, out: &mut BytesMut) -> Option<(u32, Start)> {
        while let Some((start, job)) = self.waiting.pop_front() {
            let stream = job.stream;
            if job.is_cancelled {
                encode::put_fail(out, stream, &Failure::error("it was cancelled before it was started"));
                continue;
            }
            self.running = Some(job);
            return Some((stream, start));
        }
        None
    }

    /// Tells whether a job has arrived that is not started.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(crate) fn is_running(&self, stream: u32) -> bool {
        self.running.as_ref().is_some_and(|r| r.stream == stream)
    }

    /// Tells whether nobody waits for this job any more.
    pub(crate) fn is_cancelled(&self, stream: u32) -> bool {
        self.running.as_ref().is_none_or(|r| r.stream != stream || r.is_cancelled)
    }

    /// Tells what a read of the body would find.
    pub(crate) fn unread(&self, stream: u32) -> Unread {
        match self.running.as_ref().filter(|r| r.stream == stream && !r.is_cancelled) {
            None => Unread::Cancelled,
            Some(r) if !r.body.is_empty() => Unread::Some,
            Some(r) if r.is_complete => Unread::End,
            Some(_) => Unread::Pending,
        }
    }

    /// Copies bytes of the body into `target`; grants the parent credit once half a window was read.
    pub(crate) fn read(&mut self, stream: u32, target: &mut [u8], out: &mut BytesMut) -> usize {
        let Some(running) = self.running.as_mut().filter(|r| r.stream == stream && !r.is_cancelled) else {
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

    /// Takes the next piece of the body as it arrived; grants credit as [`Worker::read`] does.
    pub(crate) fn piece(&mut self, stream: u32, out: &mut BytesMut) -> Option<Bytes> {
        let running = self.running.as_mut().filter(|r| r.stream == stream)?;
        let piece = running.body.pop_front()?;
        running.was_read(piece.len(), out);
        Some(piece)
    }

    /// Returns how many bytes may be sent in one frame now; `None` if the job is cancelled or over.
    pub(crate) fn send_room(&self, stream: u32) -> Option<usize> {
        let running = self.running.as_ref().filter(|r| r.stream == stream && !r.is_cancelled)?;
        Some(running.send_room.min(CHUNK_BYTES_MAX))
    }

    /// Sends the head of the answer with the first bytes of its body, which fit into one frame; `took_us` says that these are all.
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

    /// Asks for more time, of which the caller knows that there is some; false if the clock has stopped, with the head or the job.
    pub(crate) fn extend(&self, stream: u32, milliseconds: u32, out: &mut BytesMut) -> bool {
        let is_timed = self.running.as_ref().is_some_and(|r| r.stream == stream && !r.is_headed && !r.is_cancelled);
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

    /// Ends the answer and the job.
    pub(crate) fn end(&mut self, stream: u32, out: &mut BytesMut) {
        encode::put_end(out, stream);
        self.running = None;
    }

    /// Ends the job without an answer, or in the middle of it.
    pub(crate) fn fail(&mut self, stream: u32, failure: &Failure, out: &mut BytesMut) {
        encode::put_fail(out, stream, failure);
        self.running = None;
    }
}

impl Running {
    /// Counts what the handler has read; grants the parent credit once that is half a window.
    fn was_read(&mut self, count: usize, out: &mut BytesMut) {
        self.read += count;
        if self.read >= WINDOW_BYTES / 2 && !self.is_complete {
            encode::put_credit(out, self.stream, self.read as u32);
            self.read = 0;
        }
    }
}
