//! The parent's side of one connection: which frames a worker may send when, and the frames that it gets.
//!
//! Owns credits and the order of frames. Leaves clocks, sockets and submitters to `pool`.
//! Invariant: a frame with the wrong stream id or at the wrong time is a [`Violation`].

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::{
    config::{UPLOAD_CHUNK_BYTES_MAX, UPLOAD_WINDOW_BYTES, WINDOW_BYTES},
    error::Failure,
    protocol::{
        decode, encode,
        frame::{Frame, Hello, ReplyFrame, Start, TOKEN_BYTES, VERSION, Violation, Welcome, violation},
    },
    sandbox::SandboxLevel,
};

/// What a worker has sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It has identified itself and expects a WELCOME.
    Greeted,
    /// It takes jobs.
    Ready,
    /// The head of a reply; with `complete` also its end.
    Reply(ReplyFrame),
    /// A piece of a reply.
    Data(Bytes),
    /// The end of a reply.
    End,
    /// The handler failed, before or after the head.
    Failed(Failure),
    /// There is room for more of the job's body.
    Room,
    /// The deadline of the job moves by so many milliseconds.
    Extended(u32),
    /// A part of the reply of a canceled job.
    Late,
    /// A canceled job has ended.
    Gone,
    /// The worker has claimed the job's ticket and expects the job.
    Fetch,
    /// The job asks this process and expects an answer.
    Call(Bytes),
}

impl Event {
    /// Returns whether this is the last event of its job.
    pub(crate) fn is_last(&self) -> bool {
        match self {
            Event::Reply(answer) => answer.complete,
            Event::End | Event::Failed(_) | Event::Gone => true,
            Event::Greeted | Event::Ready | Event::Data(_) => false,
            Event::Room | Event::Extended(_) | Event::Fetch | Event::Call(_) | Event::Late => false,
        }
    }

    /// Returns the outcome of the job that this event ends, for the metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Event::Failed(failure) if failure.is_panic => "panicked",
            Event::Failed(_) => "failed",
            Event::Gone => "canceled",
            _ => "answered",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Hello,
    Welcome,
    Ready,
    Serving,
}

/// One job of this worker that has not ended.
#[derive(Debug)]
struct JobStream {
    stream: u32,
    /// Whether only the job's ticket was sent.
    is_ticket: bool,
    /// Bytes of the job's body that may still be sent.
    send_room: usize,
    /// Bytes of the reply that the worker may still send.
    receive_room: usize,
    /// Milliseconds that the job may still add to its deadline.
    extension_ms: u32,
    is_body_sent: bool,
    is_headed: bool,
    is_canceled: bool,
    /// Whether it waits for the answer to a call.
    is_calling: bool,
}

/// The parent's state of one connection.
#[derive(Debug)]
pub(crate) struct Parent {
    expected: Hello,
    phase: Phase,
    /// Whether the worker was welcomed, perhaps before it has said anything.
    pub(crate) is_welcomed: bool,
    answers_calls: bool,
    /// Which parts of the sandbox are in force, as the worker has reported with READY; empty until then.
    pub(crate) sandbox: SandboxLevel,
    last_stream: u32,
    /// In the order of the replies. The last one runs; an earlier one has ended, and its reply is arriving.
    sent: VecDeque<JobStream>,
}

impl Parent {
    pub(crate) fn new(token: [u8; TOKEN_BYTES], table_hash: u64) -> Self {
        let expected = Hello { version: VERSION, token, table_hash };
        Parent {
            expected,
            phase: Phase::Hello,
            is_welcomed: false,
            answers_calls: false,
            sandbox: SandboxLevel::default(),
            last_stream: 0,
            sent: VecDeque::new(),
        }
    }

    /// Welcomes the worker, after [`Event::Greeted`] unless no other process can read it.
    pub(crate) fn welcome(&mut self, welcome: &Welcome, out: &mut BytesMut) {
        debug_assert!(!self.is_welcomed);
        self.is_welcomed = true;
        if self.phase == Phase::Welcome {
            self.phase = Phase::Ready;
        }
        self.answers_calls = welcome.answers_calls;
        encode::put_welcome(out, welcome);
    }

    /// Returns the stream of the next job that is sent on this connection.
    pub(crate) fn next_stream(&mut self) -> u32 {
        self.last_stream = self.last_stream.checked_add(1).unwrap_or(1);
        self.last_stream
    }

    /// Sends a job; in a job that the worker has fetched, takes the place of its ticket.
    pub(crate) fn begin(&mut self, stream: u32, start: &Start, out: &mut BytesMut) {
        encode::put_job(out, stream, start);
        self.sent.retain(|job| job.stream != stream);
        let send_room = UPLOAD_WINDOW_BYTES - start.body.len();
        self.sent.push_back(JobStream {
            send_room,
            is_body_sent: start.complete,
            ..JobStream::new(stream, start.extension_ms)
        });
    }

    /// Notes that the worker has claimed a job, or its ticket, from the pool's queue. With `is_over`, the job
    /// has ended and its reply is arriving.
    pub(crate) fn adopt(&mut self, stream: u32, extension_ms: u32, is_ticket: bool, is_over: bool) {
        let job = JobStream { is_ticket, ..JobStream::new(stream, extension_ms) };
        if is_over {
            self.sent.push_front(job);
        } else {
            self.sent.push_back(job);
        }
    }

    /// Returns how many bytes of body may be sent in one frame now; `None` after its end or a cancellation.
    pub(crate) fn send_room(&self, stream: u32) -> Option<usize> {
        let job = self.sent.iter().find(|f| f.stream == stream)?;
        if job.is_ticket && !job.is_canceled {
            return Some(0);
        }
        (!job.is_body_sent && !job.is_canceled).then_some(job.send_room.min(UPLOAD_CHUNK_BYTES_MAX))
    }

    /// Returns whether the worker has read all of the body that was sent, and the rest has not arrived here.
    pub(crate) fn awaits_body(&self, stream: u32) -> bool {
        let mut jobs = self.sent.iter();
        jobs.any(|job| job.stream == stream && job.awaits_body())
    }

    /// Writes the header of a piece of body that fits into [`Parent::send_room`]. The piece itself follows
    /// unless this returns false.
    pub(crate) fn data_header(&mut self, stream: u32, chunk: &[u8], out: &mut BytesMut) -> bool {
        let Some(job) = self.job(stream) else {
            return false;
        };
        debug_assert!(chunk.len() <= job.send_room);
        job.send_room -= chunk.len();
        encode::put_data_header(out, stream, chunk);
        true
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn data(&mut self, stream: u32, chunk: &[u8], out: &mut BytesMut) {
        if self.data_header(stream, chunk, out) {
            out.extend_from_slice(chunk);
        }
    }

    /// Ends the body.
    pub(crate) fn end(&mut self, stream: u32, out: &mut BytesMut) {
        if let Some(job) = self.job(stream) {
            job.is_body_sent = true;
            encode::put_end(out, stream);
        }
    }

    /// Allows the worker to send so many more bytes.
    pub(crate) fn credit(&mut self, stream: u32, bytes: usize, out: &mut BytesMut) {
        if let Some(job) = self.job(stream) {
            job.receive_room += bytes;
            encode::put_credit(out, stream, bytes as u32);
        }
    }

    /// Writes the header of the answer to a call, which itself follows; a job that has ended gets none, but its
    /// worker is told, because a thread may wait for it.
    pub(crate) fn return_header(&mut self, stream: u32, answer: Option<&[u8]>, out: &mut BytesMut) {
        if let Some(job) = self.job(stream) {
            job.is_calling = false;
        }
        encode::put_return_header(out, stream, answer);
    }

    /// Cancels the job; false if it has ended or was canceled before.
    pub(crate) fn cancel(&mut self, stream: u32, out: &mut BytesMut) -> bool {
        match self.job(stream) {
            Some(job) if !job.is_canceled => {
                job.is_canceled = true;
                encode::put_cancel(out, stream);
                true
            }
            _ => false,
        }
    }

    fn job(&mut self, stream: u32) -> Option<&mut JobStream> {
        self.sent.iter_mut().find(|f| f.stream == stream)
    }

    /// Returns the stream of the next frame if it is about a job that is not known here. If the worker has
    /// claimed that job, it has to be adopted before the next event is taken.
    pub(crate) fn unknown(&self, input: &[u8]) -> Option<u32> {
        let stream = decode::stream(input).filter(|stream| *stream != 0)?;
        let is_first = self.sent.front().is_some_and(|job| job.stream == stream);
        (self.phase == Phase::Serving && !is_first).then_some(stream)
    }

    /// Takes the next event from `input`; `None` if it has not arrived completely.
    pub(crate) fn receive(&mut self, input: &mut BytesMut) -> Result<Option<(u32, Event)>, Violation> {
        let Some((stream, frame)) = decode::take(input)? else {
            return Ok(None);
        };
        let event = match self.phase {
            Phase::Serving => self.serving(stream, frame)?,
            _ => self.greeting(stream, frame)?,
        };
        Ok(Some((stream, event)))
    }

    fn greeting(&mut self, stream: u32, frame: Frame) -> Result<Event, Violation> {
        match (&self.phase, frame) {
            (Phase::Hello, Frame::Hello(hello)) if stream == 0 => {
                self.check(&hello)?;
                self.phase = if self.is_welcomed { Phase::Ready } else { Phase::Welcome };
                Ok(Event::Greeted)
            }
            (Phase::Ready, Frame::Ready(level)) if stream == 0 => {
                self.sandbox = level;
                self.phase = Phase::Serving;
                Ok(Event::Ready)
            }
            (phase, _) => violation(format!("unexpected frame on stream {stream} while waiting for {phase:?}")),
        }
    }

    fn check(&self, hello: &Hello) -> Result<(), Violation> {
        if hello.version != self.expected.version {
            return violation(format!("protocol version {}, expected {}", hello.version, self.expected.version));
        }
        // Compares all bytes, so that the time does not tell how many of them are right.
        let difference = hello.token.iter().zip(&self.expected.token).fold(0, |d, (a, b)| d | (a ^ b));
        if difference != 0 {
            return violation("wrong token");
        }
        if hello.table_hash != self.expected.table_hash {
            return violation(format!(
                "the worker's table is {:016x}, this process has {:016x}: the binary was replaced, or builds another table in a worker",
                hello.table_hash, self.expected.table_hash
            ));
        }
        Ok(())
    }

    fn serving(&mut self, stream: u32, frame: Frame) -> Result<Event, Violation> {
        let Some(job) = self.sent.front_mut().filter(|f| f.stream == stream) else {
            return violation(format!("frame for stream {stream}, which is not the running job"));
        };
        let event = match frame {
            Frame::Fetch if job.is_ticket => return Ok(Event::Fetch),
            frame if job.is_ticket && !matches!(frame, Frame::Fail(_)) => {
                return violation(format!("unexpected {:?} frame for the ticket of stream {stream}", frame.kind()));
            }
            Frame::Reply(answer) if !job.is_headed => {
                job.is_headed = true;
                job.receive(answer.body.len())?;
                Event::Reply(answer)
            }
            Frame::Data(chunk) if job.is_headed => {
                job.receive(chunk.len())?;
                Event::Data(chunk)
            }
            Frame::End if job.is_headed => Event::End,
            Frame::Fail(failure) => Event::Failed(failure),
            Frame::Credit(bytes) => job.grant(bytes as usize)?,
            Frame::Call(request) if self.answers_calls && !job.is_calling => {
                job.is_calling = true;
                Event::Call(request)
            }
            Frame::Extend(milliseconds) if !job.is_headed => job.extend(milliseconds)?,
            other => return violation(format!("unexpected {:?} frame on stream {stream}", other.kind())),
        };
        let is_canceled = job.is_canceled;
        if event.is_last() {
            self.sent.pop_front();
            return Ok(if is_canceled { Event::Gone } else { event });
        }
        Ok(if is_canceled { Event::Late } else { event })
    }
}

impl JobStream {
    /// A job whose request has arrived as a whole.
    fn new(stream: u32, extension_ms: u32) -> Self {
        JobStream {
            stream,
            is_ticket: false,
            send_room: 0,
            receive_room: WINDOW_BYTES,
            extension_ms,
            is_body_sent: true,
            is_headed: false,
            is_canceled: false,
            is_calling: false,
        }
    }

    fn awaits_body(&self) -> bool {
        !self.is_body_sent && !self.is_calling && self.send_room == UPLOAD_WINDOW_BYTES
    }

    fn receive(&mut self, bytes: usize) -> Result<(), Violation> {
        let Some(room) = self.receive_room.checked_sub(bytes) else {
            return violation(format!("{bytes} bytes sent with credit for {}", self.receive_room));
        };
        self.receive_room = room;
        Ok(())
    }

    fn grant(&mut self, bytes: usize) -> Result<Event, Violation> {
        self.send_room = self.send_room.saturating_add(bytes);
        if self.send_room > UPLOAD_WINDOW_BYTES {
            return violation(format!("credit for {} bytes, the window has {UPLOAD_WINDOW_BYTES}", self.send_room));
        }
        Ok(Event::Room)
    }

    fn extend(&mut self, milliseconds: u32) -> Result<Event, Violation> {
        let Some(left) = self.extension_ms.checked_sub(milliseconds) else {
            return violation(format!("asked for {milliseconds} ms more, {} ms are left", self.extension_ms));
        };
        self.extension_ms = left;
        Ok(Event::Extended(milliseconds))
    }
}
