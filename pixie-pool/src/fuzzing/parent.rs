//! A conversation of a parent with a worker that sends the bytes of the input.
//!
//! Owns the script: which bytes arrive while the worker has which jobs. Invariant: two parents get the same
//! bytes, one of them in pieces, and behave the same; and `books` allows each event.

use bytes::{BufMut, Bytes, BytesMut};

use super::{books::Books, choices::Choices, frame::put, job::a_start};
use crate::{
    config::{CHUNK_BYTES_MAX, UPLOAD_WINDOW_BYTES},
    error::Failure,
    protocol::{
        encode,
        frame::{Frame, HEADER_BYTES, Hello, READY_BYTES, ReplyFrame, TOKEN_BYTES, VERSION, Violation, Welcome},
        parent::{Event, Parent},
    },
    sandbox::{Sandbox, SandboxLevel},
};

const TOKEN: [u8; TOKEN_BYTES] = [7; TOKEN_BYTES];
const TABLE_HASH: u64 = 1;
const HELLO: Hello = Hello { version: VERSION, token: TOKEN, table_hash: TABLE_HASH };
/// Limits the jobs of the worker at a time. Enough that several wait for their first frame.
const JOBS_MAX: usize = 10;

/// Runs a script against a parent: jobs start, are claimed, get bodies and are canceled while the worker
/// sends any bytes.
pub fn parent_receive(bytes: &[u8]) {
    let mut script = Choices::new(bytes);
    let mut talk = Talk::new();
    if script.flag() {
        encode::put_hello(&mut talk.arriving, &HELLO);
        encode::put_ready(&mut talk.arriving, &SandboxLevel::default());
        let greeting = talk.arriving.len() - HEADER_BYTES - READY_BYTES;
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
    /// The first gets all bytes at once; the other one gets them in two pieces.
    sides: [Side; 2],
    /// Bytes that the worker has sent and that have not arrived.
    arriving: BytesMut,
    is_serving: bool,
    claims: u32,
}

/// A parent and the model of its jobs.
struct Side {
    parent: Parent,
    books: Books,
    input: BytesMut,
    said: BytesMut,
}

impl Talk {
    fn new() -> Self {
        let side = || {
            let (books, input, said) = Default::default();
            Side { parent: Parent::new(TOKEN, TABLE_HASH), books, input, said }
        };
        Talk { sides: [side(), side()], arriving: BytesMut::new(), is_serving: false, claims: 0 }
    }

    fn step(&mut self, script: &mut Choices<'_>) -> Result<(), Violation> {
        match script.byte() % 13 {
            0 | 1 => self.begin(script.size(), script.flag()),
            2 => {
                let (stream, chunk) = (self.stream(script), script.size());
                self.both(|side| side.fill(stream, chunk));
            }
            3 => {
                let stream = self.stream(script);
                self.both(|side| side.end(stream));
            }
            4 => {
                let bytes = script.number();
                self.both(|side| side.credit(bytes));
            }
            5 => {
                let stream = self.stream(script);
                self.both(|side| side.cancel(stream));
            }
            6 => self.claim(script.byte()),
            7 => {
                let count = usize::from(script.byte());
                self.arriving.put_slice(script.bytes(count));
            }
            8 | 9 => self.say(script),
            10 => return self.arrive(script.number(), script.number()),
            11 => {
                let answer = script.flag().then(|| vec![3; script.size()]);
                self.both(|side| side.answer(answer.as_deref()));
            }
            _ => return self.arrive(usize::MAX, script.number()),
        }
        Ok(())
    }

    /// Does the same with both parents and checks that they behave the same.
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut Side) -> T) -> T {
        let [one, other] = self.sides.each_mut().map(|side| (act(side), side.said.split()));
        assert_eq!(one, other);
        one.0
    }

    fn jobs(&self) -> usize {
        self.sides[0].books.way.len() + self.sides[0].books.claimed.len()
    }

    /// Sends a job to a worker that has none.
    fn begin(&mut self, body: usize, complete: bool) {
        if !self.is_serving || self.jobs() > 0 {
            return;
        }
        let start = a_start(1, Bytes::new(), vec![1; body].into(), complete);
        self.both(|Side { parent, books, said, .. }| {
            let stream = parent.next_stream();
            parent.begin(stream, &start, said);
            books.begun(stream, complete);
        });
    }

    /// Lets the worker claim a job; the parent hears of it at once, or with the first frame.
    fn claim(&mut self, choice: u8) {
        let (is_ticket, is_known) = (choice & 1 == 1, choice & 2 == 2);
        if !self.is_serving || self.jobs() >= JOBS_MAX {
            return;
        }
        self.claims += 1;
        let stream = self.claims << 16 | 1;
        self.both(|Side { parent, books, said, .. }| {
            books.claim(stream, is_ticket);
            if is_known {
                books.adopt(books.claimed.len() - 1, false, parent, said);
            }
        });
    }

    /// Returns the stream of one of the jobs, or another one.
    fn stream(&self, script: &mut Choices<'_>) -> u32 {
        let (choice, books) = (script.byte(), &self.sides[0].books);
        let at = usize::from(choice) % self.jobs().max(1);
        match books.way.iter().chain(&books.claimed).nth(at) {
            Some(entry) if choice < 0xf0 => entry.stream,
            _ => u32::from(choice & 0xf),
        }
    }

    /// Lets the worker send a well-formed frame, honest or not.
    fn say(&mut self, script: &mut Choices<'_>) {
        let (kind, stream, size, flag) = (script.byte(), self.stream(script), script.size(), script.flag());
        let body = || Bytes::from(vec![2; size]);
        let frame = match kind % 12 {
            0 | 1 => Frame::Reply(ReplyFrame { head: Bytes::new(), body: body(), complete: flag }),
            2 | 3 => Frame::Data(body()),
            4 => Frame::End,
            5 => Frame::Credit(size as u32),
            6 => Frame::Fail(Failure {
                is_panic: flag,
                message: "m".repeat(size % 5000),
                location: flag.then(|| "l".to_owned()),
            }),
            7 => Frame::Fetch,
            8 => Frame::Hello(HELLO),
            9 => Frame::Call(body()),
            10 => Frame::Return(flag.then(body)),
            _ => Frame::Ready(SandboxLevel::default()),
        };
        put(&mut self.arriving, stream, &frame);
    }

    /// Lets so many bytes arrive; at the second parent, in two pieces.
    fn arrive(&mut self, count: usize, cut: usize) -> Result<(), Violation> {
        let bytes = self.arriving.split_to(count.min(self.arriving.len()));
        let (first, second) = bytes.split_at(cut % (bytes.len() + 1));
        let [side, twin] = &mut self.sides;
        let heard = side.hear(&bytes);
        let mut twin_heard = twin.hear(first);
        if !matches!(twin_heard.last(), Some(Err(_))) {
            twin_heard.extend(twin.hear(second));
        }
        assert_eq!((&heard, side.said.split()), (&twin_heard, twin.said.split()), "the pieces gave another result");
        for event in heard {
            let (stream, event) = event?;
            let is_greeting = matches!(event, Event::Greeted | Event::Ready);
            assert!(is_greeting != self.is_serving && is_greeting == (stream == 0), "{event:?} of stream {stream}");
            self.is_serving |= event == Event::Ready;
        }
        Ok(())
    }
}

impl Side {
    /// Sends some pieces of a job's body, at most one window at once.
    fn fill(&mut self, stream: u32, chunk: usize) {
        let entry = self.books.way.iter().find(|entry| entry.stream == stream);
        let is_open = entry.is_some_and(|entry| !entry.is_body_sent && !entry.is_canceled);
        let mut sent = 0;
        for _ in 0..2 * UPLOAD_WINDOW_BYTES / CHUNK_BYTES_MAX {
            let room = self.parent.send_room(stream);
            assert_eq!(room.is_some(), is_open, "exactly the bodies that are not complete have room");
            let Some(room) = room else { return };
            let chunk = vec![1; room.min(chunk)];
            if chunk.is_empty() {
                return;
            }
            self.parent.data(stream, &chunk, &mut self.said);
            sent += chunk.len();
            assert!(sent <= UPLOAD_WINDOW_BYTES, "{sent} bytes sent without credit from the worker");
        }
    }

    fn end(&mut self, stream: u32) {
        if self.parent.send_room(stream).is_some_and(|room| room > 0) {
            self.parent.end(stream, &mut self.said);
            self.books
                .way
                .iter_mut()
                .filter(|entry| entry.stream == stream)
                .for_each(|entry| entry.is_body_sent = true);
        }
    }

    /// Takes some of the arrived bytes of the reply.
    fn credit(&mut self, bytes: usize) {
        let Some(entry) = self.books.way.front_mut() else { return };
        let bytes = bytes.min(entry.heard - entry.taken);
        entry.taken += bytes;
        if bytes > 0 {
            self.parent.credit(entry.stream, bytes, &mut self.said);
        }
    }

    /// Returns the answer to a call that waits.
    fn answer(&mut self, answer: Option<&[u8]>) {
        let Some(entry) = self.books.way.front_mut().filter(|entry| entry.is_calling) else { return };
        entry.is_calling = false;
        self.parent.return_header(entry.stream, answer, &mut self.said);
        self.said.put_slice(answer.unwrap_or_default());
    }

    fn cancel(&mut self, stream: u32) {
        let Books { way, claimed } = &mut self.books;
        claimed.iter_mut().filter(|entry| entry.stream == stream).for_each(|entry| entry.is_left = true);
        let entry = way.iter_mut().find(|entry| entry.stream == stream);
        let is_new = entry.is_some_and(|entry| {
            entry.is_left = true;
            !std::mem::replace(&mut entry.is_canceled, true)
        });
        assert_eq!(self.parent.cancel(stream, &mut self.said), is_new);
    }

    /// Receives all whole frames, as the pool does, up to a violation.
    fn hear(&mut self, bytes: &[u8]) -> Vec<Result<(u32, Event), Violation>> {
        self.input.put_slice(bytes);
        let mut heard = Vec::new();
        while let Some(event) = self.books.receive(&mut self.parent, &mut self.input, &mut self.said).transpose() {
            if matches!(event, Ok((_, Event::Greeted))) {
                self.parent.welcome(&a_welcome(), &mut self.said);
            }
            heard.push(event);
            if matches!(heard.last(), Some(Err(_))) {
                break;
            }
        }
        heard
    }
}

/// Returns the parent's welcome.
pub(crate) fn a_welcome() -> Welcome {
    let sandbox = Sandbox::strict().read("/").required();
    Welcome { memory: 1, jobs_max: 2, reads_queue: true, is_metered: false, answers_calls: true, sandbox }
}
