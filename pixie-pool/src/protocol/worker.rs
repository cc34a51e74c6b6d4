//! The worker's side of its connection: which job it runs and how much it may send.
//!
//! Owns the running job's unread body and its credits. Leaves reading and writing to `worker`. Invariant:
//! frames for a job that has ended are dropped. The worker checks the shape of the parent's frames and trusts
//! the rest.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    config::{CHUNK_BYTES_MAX, CREDIT_BYTES, WINDOW_BYTES},
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
    /// Whether the parent answers calls.
    answers_calls: bool,
    /// Whether the parent has told the worker to read the queue.
    pub(crate) is_open: bool,
    pub(crate) is_retired: bool,
    /// The job that has arrived and is not started; parts of its body may have arrived as well.
    waiting: Option<(Arrived, Running)>,
    running: Option<Running>,
}

/// What starts a job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    Job(Start),
    /// The job with this number has to be fetched.
    Ticket(u64),
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
    /// What the parent has returned for the last call.
    returned: Option<Option<Bytes>>,
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

/// The answer to the last call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    Answer(Bytes),
    /// The parent has no answer.
    Nothing,
    /// The answer has not arrived yet.
    Pending,
    /// The job was canceled or has ended.
    Canceled,
}

impl Worker {
    /// Returns the parent's welcome once it has arrived.
    pub(crate) fn take_welcome(&mut self) -> Option<Welcome> {
        let welcome = self.welcome.take()?;
        self.answers_calls = welcome.answers_calls;
        Some(welcome)
    }

    /// Removes every whole frame from `input`.
    pub(crate) fn receive(&mut self, input: &mut BytesMut) -> Result<(), Violation> {
        while let Some((stream, frame)) = decode::take(input)? {
            match frame {
                Frame::Welcome(welcome) => self.welcome = Some(welcome),
                Frame::Job(start) => self.arrive(stream, start),
                Frame::Ticket(number) => self.waiting = Some((Arrived::Ticket(number), Running::new(stream))),
                Frame::Open => self.is_open = true,
                Frame::Retire => self.is_retired = true,
                Frame::Data(chunk) => self.with(stream, |r| r.body.push_back(chunk)),
                Frame::End => self.with(stream, |r| r.is_complete = true),
                Frame::Credit(bytes) => self.with(stream, |r| r.send_room += bytes as usize),
                Frame::Cancel => self.cancel(stream),
                Frame::Return(answer) => self.with(stream, |r| r.returned = Some(answer)),
                other => return violation(format!("unexpected {:?} frame from the parent", other.kind())),
            }
        }
        Ok(())
    }

    fn arrive(&mut self, stream: u32, mut start: Start) {
        let body = std::mem::take(&mut start.body);
        let running = Running {
            body: (!body.is_empty()).then_some(body).into_iter().collect(),
            is_complete: start.complete,
            ..Running::new(stream)
        };
        self.waiting = Some((Arrived::Job(start), running));
    }

    fn with(&mut self, stream: u32, change: impl FnOnce(&mut Running)) {
        // A fetched job has the stream of its ticket, which is running.
        let waiting = self.waiting.iter_mut().map(|(_, job)| job);
        if let Some(job) = waiting.chain(&mut self.running).find(|job| job.stream == stream) {
            change(job);
        }
    }

    fn cancel(&mut self, stream: u32) {
        self.with(stream, |r| {
            r.is_canceled = true;
            r.body.clear();
        });
    }

    /// Makes the waiting job the running one. A job that was canceled before ends without being started.
    pub(crate) fn next_job(&mut self, out: &mut BytesMut) -> Option<(u32, Arrived)> {
        let (arrived, job) = self.waiting.take()?;
        let stream = job.stream;
        if job.is_canceled {
            self.running = None;
            encode::put_fail(out, stream, &Failure::error("the job was canceled before it was started"));
            return None;
        }
        self.running = Some(job);
        Some((stream, arrived))
    }

    /// Asks for the job of the ticket with this stream.
    pub(crate) fn fetch(&mut self, stream: u32, out: &mut BytesMut) {
        encode::put_fetch(out, stream);
    }

    /// Returns stream and number of the job that has arrived and is not started.
    pub(crate) fn waiting(&self) -> Option<(u32, u64)> {
        let (arrived, job) = self.waiting.as_ref()?;
        let (Arrived::Job(Start { number, .. }) | Arrived::Ticket(number)) = arrived;
        Some((job.stream, *number))
    }

    pub(crate) fn has_running(&self) -> bool {
        self.running.is_some()
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

    /// Copies bytes of the body into `target`, and grants the parent credit as `was_read` says.
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

    /// Returns how many bytes the handler has read for which the parent has not got credit.
    pub(crate) fn owed_credit(&self, stream: u32) -> usize {
        self.running.as_ref().filter(|r| r.stream == stream).map_or(0, |r| r.read)
    }

    /// Grants the parent credit for all that the handler has read: it then knows that the handler waits.
    pub(crate) fn grant_all(&mut self, stream: u32, out: &mut BytesMut) {
        self.with(stream, |running| running.grant(out));
    }

    /// Returns how many bytes may be sent in one frame now; `None` if the job was canceled or has ended.
    pub(crate) fn send_room(&self, stream: u32) -> Option<usize> {
        let running = self.running.as_ref().filter(|r| r.stream == stream && !r.is_canceled)?;
        Some(running.send_room.min(CHUNK_BYTES_MAX))
    }

    /// Sends the head of the reply with the first bytes of its body; with `complete`, the whole body.
    pub(crate) fn reply(&mut self, stream: u32, head: &[u8], body: &[u8], complete: bool, out: &mut BytesMut) {
        if let Some(running) = self.running.as_mut().filter(|r| r.stream == stream) {
            running.send_room -= body.len();
            running.is_headed = true;
        }
        encode::put_reply(out, stream, head, body, complete);
        if complete {
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

    /// Returns whether the parent answers calls.
    pub(crate) fn answers_calls(&self) -> bool {
        self.answers_calls
    }

    /// Writes the header of a call; the request itself follows unless this returns false, because the job was
    /// canceled or has ended. The answer to the call before it must have been taken.
    pub(crate) fn call_header(&mut self, stream: u32, request: &[u8], out: &mut BytesMut) -> bool {
        let is_running = !self.is_canceled(stream);
        if is_running {
            encode::put_call_header(out, stream, request);
        }
        is_running
    }

    /// Takes the answer to the last call.
    pub(crate) fn take_return(&mut self, stream: u32) -> Returned {
        match self.running.as_mut().filter(|r| r.stream == stream && !r.is_canceled) {
            None => Returned::Canceled,
            Some(r) => match r.returned.take() {
                Some(Some(answer)) => Returned::Answer(answer),
                Some(None) => Returned::Nothing,
                None => Returned::Pending,
            },
        }
    }

    /// Writes the header of a piece that fits into [`Worker::send_room`]; the piece itself follows.
    pub(crate) fn data_header(&mut self, stream: u32, chunk: &[u8], out: &mut BytesMut) {
        if let Some(running) = self.running.as_mut().filter(|r| r.stream == stream) {
            running.send_room -= chunk.len();
        }
        encode::put_data_header(out, stream, chunk);
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn data(&mut self, stream: u32, chunk: &[u8], out: &mut BytesMut) {
        self.data_header(stream, chunk, out);
        out.extend_from_slice(chunk);
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
    fn new(stream: u32) -> Self {
        Running {
            stream,
            body: VecDeque::new(),
            read: 0,
            is_complete: false,
            is_canceled: false,
            is_headed: false,
            send_room: WINDOW_BYTES,
            returned: None,
        }
    }

    /// Counts the bytes that the handler has read, and grants the parent credit once they are half a window.
    ///
    /// Not for the last bytes that have arrived: a parent that has got credit for all takes it that the handler
    /// waits, and the handler may not ask for more.
    fn was_read(&mut self, count: usize, out: &mut BytesMut) {
        self.read += count;
        if self.read >= CREDIT_BYTES && !self.body.is_empty() {
            self.grant(out);
        }
    }

    fn grant(&mut self, out: &mut BytesMut) {
        if self.read > 0 && !self.is_complete {
            encode::put_credit(out, self.stream, self.read as u32);
            self.read = 0;
        }
    }
}
