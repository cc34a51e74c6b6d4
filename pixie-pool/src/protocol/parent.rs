//! The parent's side of one connection: which frames a worker may send when, and the frames that it gets.
//!
//! Owns stream ids, credits and the order of frames. Leaves clocks, sockets and submitters to `pool`.
//! Invariant: a frame with the wrong stream id or at the wrong time is a [`Violation`].

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::{
    config::{CHUNK_BYTES_MAX, WINDOW_BYTES},
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
    /// A canceled job has ended.
    Gone,
    /// The worker returned `count` of the sent jobs, from index `at` on, which it will not start.
    Returned { at: usize, count: usize },
}

impl Event {
    /// Returns whether this is the last event of its job.
    pub(crate) fn is_last(&self) -> bool {
        match self {
            Event::Reply(answer) => answer.complete,
            Event::End | Event::Failed(_) | Event::Gone => true,
            Event::Greeted | Event::Ready | Event::Data(_) => false,
            Event::Room | Event::Extended(_) | Event::Returned { .. } => false,
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

/// One job that was sent and has not ended.
#[derive(Debug)]
struct JobStream {
    stream: u32,
    /// Whether it was pipelined: the worker had other jobs, so that it may return this one.
    is_pipelined: bool,
    /// Bytes of the job's body that may still be sent.
    send_room: usize,
    /// Bytes of the reply that the worker may still send.
    receive_room: usize,
    /// Milliseconds that the job may still add to its deadline.
    extension_ms: u32,
    is_body_sent: bool,
    is_headed: bool,
    is_canceled: bool,
}

/// The parent's state of one connection.
#[derive(Debug)]
pub(crate) struct Parent {
    expected: Hello,
    phase: Phase,
    /// Which parts of the sandbox are in force, as the worker has reported with READY; none until then.
    pub(crate) sandbox: SandboxLevel,
    last_stream: u32,
    /// In the order in which they were sent, which is the order of the replies.
    sent: VecDeque<JobStream>,
    /// Whether the worker was asked to return unstarted jobs and has not answered yet.
    pub(crate) is_withdrawing: bool,
}

impl Parent {
    pub(crate) fn new(token: [u8; TOKEN_BYTES], table_hash: u64) -> Self {
        let expected = Hello { version: VERSION, token, table_hash };
        Parent {
            expected,
            phase: Phase::Hello,
            sandbox: SandboxLevel::default(),
            last_stream: 0,
            sent: VecDeque::new(),
            is_withdrawing: false,
        }
    }

    /// Welcomes the worker after [`Event::Greeted`].
    pub(crate) fn welcome(&mut self, welcome: &Welcome, out: &mut BytesMut) {
        debug_assert_eq!(self.phase, Phase::Welcome);
        self.phase = Phase::Ready;
        encode::put_welcome(out, welcome);
    }

    /// Returns the stream that the next job will have.
    pub(crate) fn next_stream(&self) -> u32 {
        self.last_stream.checked_add(1).unwrap_or(1)
    }

    /// Sends a job and returns its stream.
    pub(crate) fn begin(&mut self, start: &Start, out: &mut BytesMut) -> u32 {
        self.last_stream = self.next_stream();
        encode::put_job(out, self.last_stream, start);
        self.sent.push_back(JobStream {
            stream: self.last_stream,
            is_pipelined: !self.sent.is_empty(),
            send_room: WINDOW_BYTES - start.body.len(),
            receive_room: WINDOW_BYTES,
            extension_ms: start.extension_ms,
            is_body_sent: start.complete,
            is_headed: false,
            is_canceled: false,
        });
        self.last_stream
    }

    /// Returns how many bytes of body may be sent in one frame now; `None` after its end or a cancellation.
    pub(crate) fn send_room(&self, stream: u32) -> Option<usize> {
        let job = self.sent.iter().find(|f| f.stream == stream)?;
        (!job.is_body_sent && !job.is_canceled).then_some(job.send_room.min(CHUNK_BYTES_MAX))
    }

    /// Sends a piece of body that fits into [`Parent::send_room`].
    pub(crate) fn data(&mut self, stream: u32, chunk: &[u8], out: &mut BytesMut) {
        if let Some(job) = self.job(stream) {
            debug_assert!(chunk.len() <= job.send_room);
            job.send_room -= chunk.len();
            encode::put_data(out, stream, chunk);
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

    /// Asks the worker to return the pipelined jobs; false if there are none or it was asked already.
    pub(crate) fn withdraw(&mut self, out: &mut BytesMut) -> bool {
        let Some(first) = self.sent.get(1).filter(|_| !self.is_withdrawing) else {
            return false;
        };
        self.is_withdrawing = true;
        encode::put_withdraw(out, first.stream);
        true
    }

    fn job(&mut self, stream: u32) -> Option<&mut JobStream> {
        self.sent.iter_mut().find(|f| f.stream == stream)
    }

    /// Takes the next event from `input`; `None` if it has not arrived completely.
    pub(crate) fn receive(&mut self, input: &mut BytesMut) -> Result<Option<(u32, Event)>, Violation> {
        while let Some((stream, frame)) = decode::take(input)? {
            let event = match self.phase {
                Phase::Serving => self.serving(stream, frame)?,
                _ => Some(self.greeting(stream, frame)?),
            };
            if let Some(event) = event {
                return Ok(Some((stream, event)));
            }
        }
        Ok(None)
    }

    fn greeting(&mut self, stream: u32, frame: Frame) -> Result<Event, Violation> {
        match (&self.phase, frame) {
            (Phase::Hello, Frame::Hello(hello)) if stream == 0 => {
                self.check(&hello)?;
                self.phase = Phase::Welcome;
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

    fn serving(&mut self, stream: u32, frame: Frame) -> Result<Option<Event>, Violation> {
        if let Frame::Return(count) = frame {
            return self.returned(stream, count as usize);
        }
        let Some(job) = self.sent.front_mut().filter(|f| f.stream == stream) else {
            return violation(format!("frame for stream {stream}, which is not the running job"));
        };
        let event = match frame {
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
            Frame::Extend(milliseconds) if !job.is_headed => job.extend(milliseconds)?,
            other => return violation(format!("unexpected {:?} frame on stream {stream}", other.kind())),
        };
        let is_canceled = job.is_canceled;
        if event.is_last() {
            self.sent.pop_front();
            return Ok(Some(if is_canceled { Event::Gone } else { event }));
        }
        Ok((!is_canceled).then_some(event))
    }

    fn returned(&mut self, first: u32, count: usize) -> Result<Option<Event>, Violation> {
        if !std::mem::take(&mut self.is_withdrawing) {
            return violation("returned jobs without being asked to");
        }
        if count == 0 {
            return Ok(None);
        }
        let at = self.sent.iter().position(|f| f.stream == first).unwrap_or(self.sent.len());
        let range = at..at.saturating_add(count);
        let may_be = self.sent.iter().skip(at).take(count).all(|f| f.is_pipelined && !f.is_headed);
        if range.end > self.sent.len() || !may_be {
            return violation(format!("returned {count} jobs from stream {first} on, which were not all pipelined"));
        }
        self.sent.drain(range);
        Ok(Some(Event::Returned { at, count }))
    }
}

impl JobStream {
    fn receive(&mut self, bytes: usize) -> Result<(), Violation> {
        let Some(room) = self.receive_room.checked_sub(bytes) else {
            return violation(format!("{bytes} bytes sent with credit for {}", self.receive_room));
        };
        self.receive_room = room;
        Ok(())
    }

    fn grant(&mut self, bytes: usize) -> Result<Event, Violation> {
        self.send_room = self.send_room.saturating_add(bytes);
        if self.send_room > WINDOW_BYTES {
            return violation(format!("credit for {} bytes, the window has {WINDOW_BYTES}", self.send_room));
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
