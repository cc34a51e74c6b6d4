//! A conversation of a parent with a worker that sends the bytes of the input.
//!
//! Owns the script: which bytes arrive while which jobs are sent. Invariant: two parents get the same bytes,
//! one of them in pieces, and behave the same; and `books` allows each event.

use bytes::{BufMut, Bytes, BytesMut};

use super::{books::Books, choices::Choices, conversation::a_start, frame::put};
use crate::{
    config::{CHUNK_BYTES_MAX, WINDOW_BYTES},
    error::{Failure, FailureKind},
    protocol::{
        encode,
        frame::{Frame, Hello, ReplyFrame, TOKEN_BYTES, VERSION, Violation, Welcome},
        parent::{Event, Parent},
    },
    sandbox::{Sandbox, SandboxLevel},
};

const TOKEN: [u8; TOKEN_BYTES] = [7; TOKEN_BYTES];
const TABLE_HASH: u64 = 1;
const HELLO: Hello = Hello { version: VERSION, token: TOKEN, table_hash: TABLE_HASH };
/// Limits the sent jobs at a time. The pool does not send more to one worker.
const JOBS_MAX: usize = 40;

/// Runs a script against a parent: jobs start, get bodies, are canceled and withdrawn while the worker sends
/// any bytes.
pub fn parent_receive(bytes: &[u8]) {
    let mut script = Choices::new(bytes);
    let mut talk = Talk::new();
    if script.flag() {
        encode::put_hello(&mut talk.arriving, &HELLO);
        encode::put_ready(&mut talk.arriving, &SandboxLevel::default());
        let greeting = talk.arriving.len() - crate::protocol::frame::HEADER_BYTES - crate::protocol::frame::READY_BYTES;
        talk.arrive(greeting, 1).and_then(|()| talk.arrive(usize::MAX, 1)).expect("an honest greeting is accepted");
        assert!(talk.is_serving);
    }
    while !script.is_over() {
        if talk.step(&mut script).is_err() {
            return;
        }
    }
}

struct Talk {
    /// Gets all bytes at once; its twin gets them in two pieces.
    parent: Parent,
    twin: Parent,
    input: BytesMut,
    twin_input: BytesMut,
    /// Bytes that the worker has sent and that have not arrived.
    arriving: BytesMut,
    books: Books,
    is_serving: bool,
    begun: u64,
}

impl Talk {
    fn new() -> Self {
        let parent = || Parent::new(TOKEN, TABLE_HASH);
        let (input, twin_input, arriving) = Default::default();
        let (parent, twin, books) = (parent(), parent(), Books::default());
        Talk { parent, twin, input, twin_input, arriving, books, is_serving: false, begun: 0 }
    }

    fn step(&mut self, script: &mut Choices<'_>) -> Result<(), Violation> {
        match script.byte() % 12 {
            0 | 1 => self.begin(script.size(), script.flag()),
            2 => self.fill(script),
            3 => self.end(script),
            4 => self.credit(script),
            5 => self.cancel(script),
            6 => self.withdraw(),
            7 => {
                let count = usize::from(script.byte());
                self.arriving.put_slice(script.bytes(count));
            }
            8 | 9 => self.say(script),
            10 => return self.arrive(script.number(), script.number()),
            _ => return self.arrive(usize::MAX, script.number()),
        }
        Ok(())
    }

    /// Does the same with both parents and checks that they behave the same.
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut Parent, &mut BytesMut) -> T) -> T {
        let (mut said, mut twin_said) = (BytesMut::new(), BytesMut::new());
        let (done, twin_done) = (act(&mut self.parent, &mut said), act(&mut self.twin, &mut twin_said));
        assert_eq!((&done, said), (&twin_done, twin_said));
        done
    }

    fn begin(&mut self, body: usize, complete: bool) {
        if !self.is_serving || self.books.way.len() >= JOBS_MAX {
            return;
        }
        self.begun += 1;
        let start = a_start(self.begun, Bytes::new(), vec![1; body].into(), complete);
        let stream = self.both(|parent, out| parent.begin(&start, out));
        self.books.begun(stream, complete);
    }

    /// Returns the stream of a sent job, or another one.
    fn stream(&self, script: &mut Choices<'_>) -> u32 {
        let choice = script.byte();
        let at = usize::from(choice & 0x3f);
        match self.books.way.get(at % self.books.way.len().max(1)) {
            Some(entry) if choice < 0xf0 => entry.stream,
            _ => self.parent.next_stream().wrapping_add(u32::from(choice)).wrapping_sub(0xf8),
        }
    }

    /// Sends some pieces of a job's body, at most one window at once.
    fn fill(&mut self, script: &mut Choices<'_>) {
        let (stream, chunk) = (self.stream(script), script.size());
        let entry = self.books.way.iter().find(|entry| entry.stream == stream);
        let is_open = entry.is_some_and(|entry| !entry.is_body_sent && !entry.is_canceled);
        let mut sent = 0;
        for _ in 0..2 * WINDOW_BYTES / CHUNK_BYTES_MAX {
            let room = self.both(|parent, _| parent.send_room(stream));
            assert_eq!(room.is_some(), is_open, "exactly the bodies that are not complete have room");
            let Some(room) = room else { return };
            let chunk = vec![1; room.min(chunk)];
            if chunk.is_empty() {
                return;
            }
            self.both(|parent, out| parent.data(stream, &chunk, out));
            sent += chunk.len();
            assert!(sent <= WINDOW_BYTES, "{sent} bytes sent without credit from the worker");
        }
    }

    fn end(&mut self, script: &mut Choices<'_>) {
        let stream = self.stream(script);
        if self.both(|parent, _| parent.send_room(stream)).is_some() {
            self.both(|parent, out| parent.end(stream, out));
        }
        self.books.way.iter_mut().filter(|entry| entry.stream == stream).for_each(|entry| entry.is_body_sent = true);
    }

    /// Takes some of the arrived bytes of the reply.
    fn credit(&mut self, script: &mut Choices<'_>) {
        let bytes = script.number();
        let Some(entry) = self.books.way.front_mut() else { return };
        let (stream, bytes) = (entry.stream, bytes.min(entry.heard - entry.taken));
        entry.taken += bytes;
        if bytes > 0 {
            self.both(|parent, out| parent.credit(stream, bytes, out));
        }
    }

    fn cancel(&mut self, script: &mut Choices<'_>) {
        let stream = self.stream(script);
        let entry = self.books.way.iter_mut().find(|entry| entry.stream == stream);
        let is_new = entry.is_some_and(|entry| !std::mem::replace(&mut entry.is_canceled, true));
        assert_eq!(self.both(|parent, out| parent.cancel(stream, out)), is_new);
    }

    fn withdraw(&mut self) {
        let may = self.books.way.len() > 1 && !self.parent.is_withdrawing();
        assert_eq!(self.both(|parent, out| parent.withdraw(out)), may);
        self.books.is_withdrawing |= may;
    }

    /// Lets the worker send a well-formed frame, honest or not.
    fn say(&mut self, script: &mut Choices<'_>) {
        let (kind, stream, size, flag) = (script.byte(), self.stream(script), script.size(), script.flag());
        let body = || Bytes::from(vec![2; size]);
        let frame = match kind % 10 {
            0 | 1 => {
                let took_us = if flag { 3 } else { 0 };
                Frame::Reply(ReplyFrame { head: Bytes::new(), body: body(), complete: flag, took_us })
            }
            2 | 3 => Frame::Data(body()),
            4 => Frame::End,
            5 => Frame::Credit(size as u32),
            6 => {
                let kind = if flag { FailureKind::Panic } else { FailureKind::Error };
                Frame::Fail(Failure { kind, message: "m".repeat(size % 5000), location: flag.then(|| "l".to_owned()) })
            }
            7 => Frame::Return(u32::from(script.byte()) % 4),
            8 => Frame::Hello(HELLO),
            _ => Frame::Ready(SandboxLevel::default()),
        };
        put(&mut self.arriving, stream, &frame);
    }

    /// Lets so many bytes arrive; at the twin, in two pieces.
    fn arrive(&mut self, count: usize, cut: usize) -> Result<(), Violation> {
        let bytes = self.arriving.split_to(count.min(self.arriving.len()));
        let (first, second) = bytes.split_at(cut % (bytes.len() + 1));
        self.input.put_slice(&bytes);
        let heard = hear(&mut self.parent, &mut self.input);
        let mut twin_heard = Vec::new();
        for piece in [first, second] {
            self.twin_input.put_slice(piece);
            twin_heard.extend(hear(&mut self.twin, &mut self.twin_input));
            if matches!(twin_heard.last(), Some(Err(_))) {
                break;
            }
        }
        assert_eq!(heard, twin_heard, "the pieces gave another result");
        heard.into_iter().try_for_each(|event| event.map(|(stream, event)| self.note(stream, &event)))?;
        // An answer that returns 0 jobs ends the request, too, but is not an event.
        self.books.is_withdrawing &= self.parent.is_withdrawing();
        Ok(())
    }

    fn note(&mut self, stream: u32, event: &Event) {
        match event {
            Event::Greeted | Event::Ready => assert!(!self.is_serving && stream == 0),
            _ => drop(self.books.hear(stream, event)),
        }
        self.is_serving |= *event == Event::Ready;
    }
}

/// Receives all whole frames, as the pool does, up to a violation.
fn hear(parent: &mut Parent, input: &mut BytesMut) -> Vec<Result<(u32, Event), Violation>> {
    let mut heard = Vec::new();
    loop {
        match parent.receive(input) {
            Ok(None) => return heard,
            Ok(Some((stream, event))) => {
                if event == Event::Greeted {
                    parent.welcome(&a_welcome(), &mut BytesMut::new());
                }
                heard.push(Ok((stream, event)));
            }
            Err(violation) => {
                heard.push(Err(violation));
                return heard;
            }
        }
    }
}

/// Returns the parent's welcome.
pub(crate) fn a_welcome() -> Welcome {
    Welcome { memory: 1, stack: 2, sandbox: Sandbox::strict().read("/").required() }
}
