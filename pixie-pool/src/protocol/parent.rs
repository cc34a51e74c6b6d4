//! The parent's side of one connection: what a worker may say when, and what is said to it.
//!
//! Owns stream ids, credits and the order of frames. Leaves clocks, sockets and the submitters to `pool`.
//! Rule: a frame is believed only if its id and its place in the conversation are right; anything else is a [`Violation`].

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::{
    config::{CHUNK_BYTES_MAX, WINDOW_BYTES},
    error::Failure,
    protocol::{
        decode, encode,
        frame::{Answer, Frame, Hello, Start, TOKEN_BYTES, VERSION, Violation, Welcome, violation},
    },
    sandbox::SandboxLevel,
};

/// What the worker has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It proved who it is; it expects a WELCOME.
    Greeted,
    /// It takes jobs.
    Ready,
    /// The head of an answer; with `complete` also its end.
    Reply(Answer),
    /// A piece of an answer.
    Data(Bytes),
    /// The end of an answer.
    End,
    /// The handler failed, before or after the head.
    Failed(Failure),
    /// There is room for more of the job's body.
    Room,
    /// The job takes so many milliseconds more.
    Extended(u32),
    /// A job that nobody waits for any more has ended.
    Gone,
    /// So many jobs of those on the way, from this place on, were not started and never will be.
    GivenBack { at: usize, count: usize },
}

impl Event {
    /// Whether the worker is done with the job.
    pub(crate) fn is_last(&self) -> bool {
        match self {
            Event::Reply(answer) => answer.complete,
            Event::End | Event::Failed(_) | Event::Gone => true,
            Event::Greeted | Event::Ready | Event::Data(_) => false,
            Event::Room | Event::Extended(_) | Event::GivenBack { .. } => false,
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

/// One job on the way.
#[derive(Debug)]
struct Flight {
    stream: u32,
    /// Whether it was sent while the worker had others, so that it may be given back.
    is_ahead: bool,
    /// Bytes of the job's body that may still be sent.
    send_room: usize,
    /// Bytes of the answer that the worker may still send.
    receive_room: usize,
    /// Milliseconds that the job may still ask for.
    extension_ms: u32,
    is_body_sent: bool,
    is_headed: bool,
    is_cancelled: bool,
}

/// The parent's state of one connection.
#[derive(Debug)]
pub(crate) struct Parent {
    expected: Hello,
    phase: Phase,
    /// What holds the worker, as it has said with READY.
    sandbox: SandboxLevel,
    last_stream: u32,
    /// In the order in which they were sent, which is the order of the answers.
    flights: VecDeque<Flight>,
    /// The worker was asked to give back what it has not started, and has not answered yet.
    is_recalled: bool,
}

impl Parent {
    pub(crate) fn new(token: [u8; TOKEN_BYTES], table_hash: u64) -> Self {
        let expected = Hello { version: VERSION, token, table_hash };
        Parent {
            expected,
            phase: Phase::Hello,
            sandbox: SandboxLevel::default(),
            last_stream: 0,
            flights: VecDeque::new(),
            is_recalled: false,
        }
    }

    /// Answers [`Event::Greeted`].
    pub(crate) fn welcome(&mut self, welcome: &Welcome, out: &mut BytesMut) {
        debug_assert_eq!(self.phase, Phase::Welcome);
        self.phase = Phase::Ready;
        encode::put_welcome(out, welcome);
    }

    /// Returns what holds the worker; nothing before it is ready.
    pub(crate) fn sandbox(&self) -> SandboxLevel {
        self.sandbox
    }

    /// Returns the stream that the next job will have.
    pub(crate) fn next_stream(&self) -> u32 {
        self.last_stream.checked_add(1).unwrap_or(1)
    }

    /// Sends a job and returns its stream.
    pub(crate) fn begin(&mut self, start: &Start, out: &mut BytesMut) -> u32 {
        self.last_stream = self.next_stream();
        encode::put_job(out, self.last_stream, start);
        self.flights.push_back(Flight {
            stream: self.last_stream,
            is_ahead: !self.flights.is_empty(),
            send_room: WINDOW_BYTES - start.body.len(),
            receive_room: WINDOW_BYTES,
            extension_ms: start.extension_ms,
            is_body_sent: start.complete,
            is_headed: false,
            is_cancelled: false,
        });
        self.last_stream
    }

    /// Returns how many bytes of body may be sent in one frame now; `None` once the worker wants no more.
    pub(crate) fn send_room(&self, stream: u32) -> Option<usize> {
        let flight = self.flights.iter().find(|f| f.stream == stream)?;
        (!flight.is_body_sent && !flight.is_cancelled).then_some(flight.send_room.min(CHUNK_BYTES_MAX))
    }

    /// Sends a piece of body that fits into [`Parent::send_room`].
    pub(crate) fn data(&mut self, stream: u32, chunk: &[u8], out: &mut BytesMut) {
        if let Some(flight) = self.flight(stream) {
            debug_assert!(chunk.len() <= flight.send_room);
            flight.send_room -= chunk.len();
            encode::put_data(out, stream, chunk);
        }
    }

    /// Ends the body.
    pub(crate) fn end(&mut self, stream: u32, out: &mut BytesMut) {
        if let Some(flight) = self.flight(stream) {
            flight.is_body_sent = true;
            encode::put_end(out, stream);
        }
    }

    /// Allows the worker to send that many bytes more.
    pub(crate) fn credit(&mut self, stream: u32, bytes: usize, out: &mut BytesMut) {
        if let Some(flight) = self.flight(stream) {
            flight.receive_room += bytes;
            encode::put_credit(out, stream, bytes as u32);
        }
    }

    /// Tells the worker that nobody waits for the answer; false if the job is over or was cancelled before.
    pub(crate) fn cancel(&mut self, stream: u32, out: &mut BytesMut) -> bool {
        match self.flight(stream) {
            Some(flight) if !flight.is_cancelled => {
                flight.is_cancelled = true;
                encode::put_cancel(out, stream);
                true
            }
            _ => false,
        }
    }

    /// Asks for everything that the worker has not started of what was sent ahead; false if that is nothing or was asked already.
    pub(crate) fn recall(&mut self, out: &mut BytesMut) -> bool {
        let Some(first) = self.flights.get(1).filter(|_| !self.is_recalled) else {
            return false;
        };
        self.is_recalled = true;
        encode::put_recall(out, first.stream);
        true
    }

    pub(crate) fn is_recalled(&self) -> bool {
        self.is_recalled
    }

    fn flight(&mut self, stream: u32) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|f| f.stream == stream)
    }

    /// Takes the next thing that the worker has said off `input`.
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
        // All bytes are compared whatever the first ones are, so that the time tells nothing.
        let difference = hello.token.iter().zip(&self.expected.token).fold(0, |d, (a, b)| d | (a ^ b));
        if difference != 0 {
            return violation("the token is not the one that this worker was given");
        }
        if hello.table_hash != self.expected.table_hash {
            return violation(format!(
                "the worker's table is {:016x}, this process has {:016x}: the binary was changed or builds its table differently as a worker",
                hello.table_hash, self.expected.table_hash
            ));
        }
        Ok(())
    }

    fn serving(&mut self, stream: u32, frame: Frame) -> Result<Option<Event>, Violation> {
        if let Frame::GiveBack(count) = frame {
            return self.given_back(stream, count as usize);
        }
        let Some(flight) = self.flights.front_mut().filter(|f| f.stream == stream) else {
            return violation(format!("frame for stream {stream}, which is not the one being answered"));
        };
        let event = match frame {
            Frame::Reply(answer) if !flight.is_headed => {
                flight.is_headed = true;
                flight.receive(answer.body.len())?;
                Event::Reply(answer)
            }
            Frame::Data(chunk) if flight.is_headed => {
                flight.receive(chunk.len())?;
                Event::Data(chunk)
            }
            Frame::End if flight.is_headed => Event::End,
            Frame::Fail(failure) => Event::Failed(failure),
            Frame::Credit(bytes) => flight.grant(bytes as usize)?,
            Frame::Extend(milliseconds) if !flight.is_headed => flight.extend(milliseconds)?,
            other => return violation(format!("unexpected {:?} frame on stream {stream}", other.kind())),
        };
        let is_cancelled = flight.is_cancelled;
        if event.is_last() {
            self.flights.pop_front();
            return Ok(Some(if is_cancelled { Event::Gone } else { event }));
        }
        Ok((!is_cancelled).then_some(event))
    }

    fn given_back(&mut self, first: u32, count: usize) -> Result<Option<Event>, Violation> {
        if !std::mem::take(&mut self.is_recalled) {
            return violation("jobs given back that were not recalled");
        }
        if count == 0 {
            return Ok(None);
        }
        let at = self.flights.iter().position(|f| f.stream == first).unwrap_or(self.flights.len());
        let range = at..at.saturating_add(count);
        let may_be = self.flights.iter().skip(at).take(count).all(|f| f.is_ahead && !f.is_headed);
        if range.end > self.flights.len() || !may_be {
            return violation(format!("{count} jobs given back from stream {first} on, which were not all sent ahead"));
        }
        self.flights.drain(range);
        Ok(Some(Event::GivenBack { at, count }))
    }
}

impl Flight {
    fn receive(&mut self, bytes: usize) -> Result<(), Violation> {
        match self.receive_room.checked_sub(bytes) {
            Some(room) => self.receive_room = room,
            None => {
                return violation(format!("{bytes} bytes sent with credit for {}", self.receive_room));
            }
        }
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
        match self.extension_ms.checked_sub(milliseconds) {
            Some(left) => self.extension_ms = left,
            None => return violation(format!("{milliseconds} ms more, of {} that are left", self.extension_ms)),
        }
        Ok(Event::Extended(milliseconds))
    }
}
