//! A conversation of a worker with a parent that sends the bytes of the input.
//!
//! The worker trusts the content of the parent's frames. Invariant: two workers get the same bytes, one of
//! them in pieces, and behave the same; their frames can be decoded; and the handler reads the body that was
//! sent for its job.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::{choices::Choices, frame::put, job::a_start, parent::a_welcome};
use crate::{
    error::Failure,
    protocol::{
        decode,
        frame::{Frame, Violation},
        worker::{Arrived, Returned, Unread, Worker},
    },
};

/// Limits the streams of the parent's frames. Few, so that several frames are about the same stream.
const STREAMS: u8 = 8;

/// Runs a script against a worker: jobs are started, read, answered and failed while the parent sends any
/// bytes.
pub fn worker_receive(bytes: &[u8]) {
    let mut script = Choices::new(bytes);
    let mut talk = Talk::default();
    while !script.is_over() {
        let is_over = talk.step(&mut script).is_err();
        while let Some((stream, frame)) = decode::take(&mut talk.said).expect("what a worker says can be read") {
            talk.check(stream, &frame);
        }
        assert!(talk.said.is_empty(), "part of a frame was written");
        if is_over {
            return;
        }
    }
}

#[derive(Default)]
struct Talk {
    worker: Worker,
    twin: Worker,
    input: BytesMut,
    twin_input: BytesMut,
    arriving: BytesMut,
    said: BytesMut,
    /// Whether the input's own bytes were sent.
    is_raw: bool,
    /// The running job, and whether its reply has started.
    running: Option<(u32, bool)>,
    /// Bytes of the running job's body that were read and for which the parent has not got credit.
    read: HashMap<u32, usize>,
}

impl Talk {
    fn step(&mut self, script: &mut Choices<'_>) -> Result<(), Violation> {
        match script.byte() % 14 {
            0..=2 => self.say(script),
            3 => {
                let count = usize::from(script.byte());
                self.is_raw = true;
                self.arriving.put_slice(script.bytes(count));
            }
            4 | 5 => return self.arrive(script.number(), script.number()),
            6 => return self.arrive(usize::MAX, script.number()),
            7 => self.start(),
            8 => self.read(script.size()),
            9 => self.reply(script.size(), script.flag()),
            10 => self.data(script.size()),
            11 => self.call(script.size()),
            12 => self.take_return(),
            _ => self.end(script.flag()),
        }
        Ok(())
    }

    /// Does the same with both workers and checks that they behave the same.
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut Worker, &mut BytesMut) -> T) -> T {
        let (mut said, mut twin_said) = (BytesMut::new(), BytesMut::new());
        let (done, twin_done) = (act(&mut self.worker, &mut said), act(&mut self.twin, &mut twin_said));
        assert_eq!((&done, &said), (&twin_done, &twin_said));
        self.said.put_slice(&said);
        done
    }

    /// Lets the parent send a well-formed frame, at the right or the wrong time.
    fn say(&mut self, script: &mut Choices<'_>) {
        let (kind, stream, size) = (script.byte(), script.byte() % STREAMS, script.size());
        // Each byte is the number of its stream.
        let body = Bytes::from(vec![stream; size]);
        let frame = match kind % 13 {
            0..=2 => Frame::Job(a_start(u64::from(stream), Bytes::new(), body, script.flag())),
            3..=5 => Frame::Data(body),
            6 => Frame::End,
            7 => Frame::Credit(size as u32),
            8 => Frame::Cancel,
            9 => Frame::Ticket(u64::from(stream)),
            10 if size == 0 => Frame::Open,
            10 if size == 1 => Frame::Retire,
            10 => Frame::Welcome(a_welcome()),
            11 => Frame::Return(script.flag().then_some(body)),
            _ => Frame::Fetch,
        };
        put(&mut self.arriving, u32::from(stream), &frame);
    }

    /// Lets so many bytes arrive; at the twin, in two pieces.
    fn arrive(&mut self, count: usize, cut: usize) -> Result<(), Violation> {
        let bytes = self.arriving.split_to(count.min(self.arriving.len()));
        let (first, second) = bytes.split_at(cut % (bytes.len() + 1));
        self.input.put_slice(&bytes);
        let heard = self.worker.receive(&mut self.input);
        self.twin_input.put_slice(first);
        let twin_heard = self.twin.receive(&mut self.twin_input).and_then(|()| {
            self.twin_input.put_slice(second);
            self.twin.receive(&mut self.twin_input)
        });
        assert_eq!(heard, twin_heard, "the pieces gave another result");
        self.both(|worker, _| (worker.take_welcome(), worker.waiting(), worker.is_open, worker.is_retired));
        heard
    }

    /// Starts the next job, or fetches it, as the worker's socket does.
    fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        match self.both(|worker, out| worker.next_job(out)) {
            Some((stream, Arrived::Job(_))) => self.running = Some((stream, false)),
            Some((stream, Arrived::Ticket(number))) => {
                assert!(self.is_raw || u64::from(stream) == number);
                self.both(|worker, out| worker.fetch(stream, out));
            }
            None => {}
        }
    }

    fn read(&mut self, bytes: usize) {
        let Some((stream, _)) = self.running else { return };
        let (mut target, mut twin_target) = (vec![0; bytes], vec![0; bytes]);
        let is_some = self.both(|worker, _| worker.unread(stream)) == Unread::Some;
        let mut said = BytesMut::new();
        let count = self.worker.read(stream, &mut target, &mut said);
        let twin_count = self.twin.read(stream, &mut twin_target, &mut BytesMut::new());
        self.said.put_slice(&said);
        assert_eq!((count, &target), (twin_count, &twin_target));
        assert!(is_some || count == 0, "bytes were read from an empty body");
        let is_own = || target[..count].iter().all(|byte| u32::from(*byte) == stream);
        assert!(self.is_raw || is_own(), "bytes of another job's body");
        *self.read.entry(stream).or_default() += count;
    }

    fn reply(&mut self, size: usize, is_whole: bool) {
        let Some((stream, false)) = self.running else { return };
        self.both(|worker, out| worker.reply(stream, b"", &vec![3; size], is_whole, out));
        self.running = (!is_whole).then_some((stream, true));
        assert_eq!(self.both(|worker, _| worker.is_running(stream)), !is_whole);
    }

    fn data(&mut self, size: usize) {
        let Some((stream, true)) = self.running else { return };
        match self.both(|worker, _| worker.send_room(stream)) {
            None => assert!(self.worker.is_canceled(stream)),
            Some(room) if size.min(room) > 0 => {
                self.both(|worker, out| worker.data(stream, &vec![3; size.min(room)], out));
            }
            Some(_) => {}
        }
    }

    fn call(&mut self, size: usize) {
        let Some((stream, _)) = self.running else { return };
        let request = vec![3; size];
        let is_sent = self.both(|worker, out| {
            let is_sent = worker.call_header(stream, &request, out);
            out.put_slice(if is_sent { &request } else { &[] });
            is_sent
        });
        assert_eq!(is_sent, !self.worker.is_canceled(stream));
    }

    fn take_return(&mut self) {
        let Some((stream, _)) = self.running else { return };
        let returned = self.both(|worker, _| worker.take_return(stream));
        assert_eq!(returned == Returned::Canceled, self.worker.is_canceled(stream));
        let is_own = |answer: &[u8]| answer.iter().all(|byte| u32::from(*byte) == stream);
        assert!(self.is_raw || !matches!(&returned, Returned::Answer(answer) if !is_own(answer)), "of another job");
    }

    fn end(&mut self, is_failed: bool) {
        match self.running {
            Some((stream, true)) if !is_failed => self.both(|worker, out| worker.end(stream, out)),
            Some((stream, _)) => self.both(|worker, out| worker.fail(stream, &Failure::error("no"), out)),
            None => return,
        }
        self.running = None;
    }

    /// Checks that the credit is at most what was read.
    fn check(&mut self, stream: u32, frame: &Frame) {
        match frame {
            Frame::Credit(bytes) => {
                let read = self.read.get_mut(&stream).expect("credit is granted for what was read");
                *read = read.checked_sub(*bytes as usize).expect("no more is granted than was read");
            }
            Frame::Reply(_) | Frame::Data(_) | Frame::End | Frame::Fail(_) | Frame::Fetch | Frame::Call(_) => {}
            other => panic!("a worker never says {other:?} once it serves"),
        }
    }
}
