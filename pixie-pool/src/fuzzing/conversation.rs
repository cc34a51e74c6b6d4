//! A conversation of a parent and a worker, step by step, with a model of both sides.
//!
//! Both sides are honest; the order of their steps varies, and where their bytes are cut. Invariant: each job
//! gets its own reply or is returned, exactly once, and each side has at most one window of unread bytes per
//! job.

use std::{collections::VecDeque, sync::LazyLock};

use bytes::{Bytes, BytesMut};

use super::{choices::Choices, parent::a_welcome, step::Step};
use crate::{
    config::{CHUNK_BYTES_MAX, WINDOW_BYTES},
    error::Failure,
    protocol::{
        frame::{Hello, Start, VERSION},
        parent::{Event, Parent},
        worker::{Unread, Worker},
    },
    sandbox::SandboxLevel,
};

/// Limits the jobs of one conversation. Enough that several are sent at the same time.
const JOBS_MAX: usize = 60;

/// Runs the conversation that these bytes describe.
pub fn conversation(bytes: &[u8]) {
    let mut script = Choices::new(bytes);
    let mut conversation = Conversation::new();
    while !script.is_over() {
        conversation.step(Step::choose(&mut script));
    }
    conversation.settle();
}

/// Returns a job as a test sends it.
pub(crate) fn a_start(number: u64, head: Bytes, body: Bytes, complete: bool) -> Start {
    Start { number, deadline_ms: 9, extension_ms: 0, head, body, complete }
}

/// How a job ended, as the pool sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    Failed,
    Gone,
    Returned,
}

/// One job in the model.
#[derive(Debug, Default)]
struct Entry {
    stream: u32,
    /// Bytes of the body that were sent, and how many of them the handler has read.
    sent: usize,
    read: usize,
    is_body_sent: bool,
    is_canceled: bool,
    is_started: bool,
    /// Bytes of the reply that the handler has sent, that have arrived, and that the submitter has taken.
    answered: usize,
    heard: usize,
    taken: usize,
    is_headed: bool,
    fate: Option<Fate>,
}

/// Both sides, the bytes between them and the model.
pub(crate) struct Conversation {
    parent: Parent,
    worker: Worker,
    to_parent: BytesMut,
    to_worker: BytesMut,
    parent_input: BytesMut,
    worker_input: BytesMut,
    jobs: Vec<Entry>,
    /// The sent jobs.
    way: VecDeque<usize>,
    running: Option<usize>,
}

impl Conversation {
    /// Returns a conversation after the handshake.
    pub(crate) fn new() -> Self {
        let (token, table_hash) = ([7; 32], 1);
        let (parent, worker) = (Parent::new(token, table_hash), Worker::default());
        let (to_parent, to_worker, parent_input, worker_input) = Default::default();
        let (jobs, way) = Default::default();
        let mut new =
            Conversation { parent, worker, to_parent, to_worker, parent_input, worker_input, jobs, way, running: None };
        new.worker.hello(&Hello { version: VERSION, token, table_hash }, &mut new.to_parent);
        assert_eq!(new.parent.receive(&mut new.to_parent), Ok(Some((0, Event::Greeted))));
        new.parent.welcome(&a_welcome(), &mut new.to_worker);
        new.step(Step::ToWorker(usize::MAX));
        assert_eq!(new.worker.take_welcome(), Some(a_welcome()));
        new.worker.ready(&SandboxLevel::default(), &mut new.to_parent);
        assert_eq!(new.parent.receive(&mut new.to_parent), Ok(Some((0, Event::Ready))));
        new
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Begin { body, complete } => self.begin(body, complete),
            Step::Send { job, bytes } => self.send(job, bytes),
            Step::Finish { job } => self.finish(job),
            Step::Take { bytes } => self.take(bytes),
            Step::Cancel { job } => self.cancel(job),
            Step::Withdraw => drop(self.parent.withdraw(&mut self.to_worker)),
            Step::ToWorker(bytes) => {
                deliver(&mut self.to_worker, &mut self.worker_input, bytes);
                let heard = self.worker.receive(&mut self.worker_input, &mut self.to_parent);
                heard.expect("a parent keeps to the protocol");
            }
            Step::ToParent(bytes) => {
                deliver(&mut self.to_parent, &mut self.parent_input, bytes);
                self.hear();
            }
            Step::Start => self.start(),
            Step::Read(bytes) => self.read(bytes),
            Step::Reply { body, complete } => self.reply(body, complete),
            Step::Data(bytes) => self.data(bytes),
            Step::End => self.end(),
            Step::Fail => self.fail(),
        }
    }

    /// Runs every job to its end and checks the model.
    pub(crate) fn settle(&mut self) {
        (0..self.way.len()).for_each(|job| self.finish(job));
        let mut rounds = 0;
        while !self.way.is_empty() {
            rounds += 1;
            assert!(rounds <= JOBS_MAX + 1, "a job never ends");
            self.step(Step::ToWorker(usize::MAX));
            self.start();
            for _ in 0..2 * WINDOW_BYTES / CHUNK_BYTES_MAX {
                self.read(CHUNK_BYTES_MAX);
            }
            self.reply(0, true);
            self.end();
            self.step(Step::ToParent(usize::MAX));
        }
        self.step(Step::ToWorker(usize::MAX));
        self.step(Step::ToParent(usize::MAX));
        assert!(self.parent_input.is_empty() && self.worker_input.is_empty(), "part of a frame is left");
        assert!(!self.worker.has_waiting() && self.worker.next_job(&mut self.to_parent).is_none(), "a job is left");
        assert!(!self.parent.is_withdrawing(), "a request to return jobs was not answered");
        for entry in &self.jobs {
            let is_right = match entry.fate.expect("every job has ended") {
                Fate::Answered => entry.is_started && entry.heard == entry.answered,
                Fate::Failed => entry.is_started,
                Fate::Gone => entry.is_canceled,
                Fate::Returned => !entry.is_started,
            };
            assert!(is_right, "{entry:?}");
            assert_eq!(self.parent.send_room(entry.stream), None);
        }
    }

    /// Returns how the jobs ended.
    #[cfg(test)]
    pub(crate) fn fates(&self) -> impl Iterator<Item = Fate> {
        self.jobs.iter().filter_map(|entry| entry.fate)
    }

    fn begin(&mut self, body: usize, complete: bool) {
        if self.jobs.len() >= JOBS_MAX {
            return;
        }
        let job = self.jobs.len();
        let body = content(job, Side::Body, 0, body.min(CHUNK_BYTES_MAX));
        let start = a_start(job as u64, head(job), body, complete);
        let stream = self.parent.begin(&start, &mut self.to_worker);
        self.jobs.push(Entry { stream, sent: start.body.len(), is_body_sent: complete, ..Entry::default() });
        self.way.push_back(job);
    }

    /// Returns one of the sent jobs.
    fn pick(&self, job: usize) -> Option<usize> {
        self.way.get(job % self.way.len().max(1)).copied()
    }

    fn send(&mut self, job: usize, bytes: usize) {
        let Some(job) = self.pick(job) else { return };
        let entry = &mut self.jobs[job];
        let room = self.parent.send_room(entry.stream);
        assert_eq!(room.is_some(), !entry.is_body_sent && !entry.is_canceled);
        let Some(room) = room else { return };
        let chunk = content(job, Side::Body, entry.sent, bytes.min(room));
        if chunk.is_empty() {
            return;
        }
        self.parent.data(entry.stream, &chunk, &mut self.to_worker);
        entry.sent += chunk.len();
        assert!(entry.sent - entry.read <= WINDOW_BYTES, "the worker must store more than a window: {entry:?}");
    }

    fn finish(&mut self, job: usize) {
        let Some(job) = self.pick(job) else { return };
        let entry = &mut self.jobs[job];
        if self.parent.send_room(entry.stream).is_some() {
            self.parent.end(entry.stream, &mut self.to_worker);
            entry.is_body_sent = true;
        }
    }

    fn take(&mut self, bytes: usize) {
        let Some(job) = self.pick(0) else { return };
        let entry = &mut self.jobs[job];
        let bytes = bytes.min(entry.heard - entry.taken);
        if bytes > 0 {
            entry.taken += bytes;
            self.parent.credit(entry.stream, bytes, &mut self.to_worker);
        }
    }

    fn cancel(&mut self, job: usize) {
        let Some(job) = self.pick(job) else { return };
        let entry = &mut self.jobs[job];
        let is_new = !std::mem::replace(&mut entry.is_canceled, true);
        assert_eq!(self.parent.cancel(entry.stream, &mut self.to_worker), is_new);
    }

    fn hear(&mut self) {
        while let Some((stream, event)) =
            self.parent.receive(&mut self.parent_input).expect("a worker keeps to the protocol")
        {
            if let Event::Returned { at, count } = event {
                assert!(count > 0);
                self.way.drain(at..at + count).for_each(|job| self.jobs[job].ends(Fate::Returned));
                continue;
            }
            let job = *self.way.front().expect("an event is of a job on the way");
            self.jobs[job].hear(job, stream, &event);
            if event.is_last() {
                self.way.pop_front();
            }
        }
    }

    fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        let Some((stream, start)) = self.worker.next_job(&mut self.to_parent) else { return };
        let job = usize::try_from(start.number).expect("it is a small number");
        let entry = &mut self.jobs[job];
        assert_eq!((entry.stream, &start.head), (stream, &head(job)));
        assert!(!std::mem::replace(&mut entry.is_started, true), "started twice: {entry:?}");
        assert_ne!(entry.fate, Some(Fate::Returned), "started after it was returned");
        self.running = Some(job);
    }

    fn read(&mut self, bytes: usize) {
        let Some(job) = self.running else { return };
        let entry = &mut self.jobs[job];
        let unread = self.worker.unread(entry.stream);
        let mut target = vec![0; bytes];
        let count = self.worker.read(entry.stream, &mut target, &mut self.to_parent);
        assert_eq!(target[..count], content(job, Side::Body, entry.read, count)[..], "the bytes of another job");
        entry.read += count;
        match unread {
            Unread::Some => assert!(count > 0 || bytes == 0),
            Unread::Pending => assert!(count == 0),
            Unread::End => assert!(count == 0 && entry.is_body_sent && entry.read == entry.sent),
            Unread::Canceled => assert!(count == 0 && entry.is_canceled),
        }
    }

    fn reply(&mut self, body: usize, complete: bool) {
        let Some(job) = self.running.filter(|job| !self.jobs[*job].is_headed) else { return };
        let entry = &mut self.jobs[job];
        let body = content(job, Side::Answer, 0, body.min(CHUNK_BYTES_MAX));
        self.worker.reply(entry.stream, &head(job), &body, complete.then_some(3), &mut self.to_parent);
        entry.answered = body.len();
        entry.is_headed = true;
        self.running = (!complete).then_some(job);
        assert_eq!(self.worker.is_running(entry.stream), !complete);
    }

    fn data(&mut self, bytes: usize) {
        let Some(job) = self.running.filter(|job| self.jobs[*job].is_headed) else { return };
        let entry = &mut self.jobs[job];
        let Some(room) = self.worker.send_room(entry.stream) else {
            assert!(entry.is_canceled);
            return;
        };
        let chunk = content(job, Side::Answer, entry.answered, bytes.min(room));
        if chunk.is_empty() {
            return;
        }
        self.worker.data(entry.stream, &chunk, &mut self.to_parent);
        entry.answered += chunk.len();
        assert!(entry.answered - entry.taken <= WINDOW_BYTES, "the pool must store more than a window: {entry:?}");
    }

    fn end(&mut self) {
        if let Some(job) = self.running.filter(|job| self.jobs[*job].is_headed) {
            self.worker.end(self.jobs[job].stream, &mut self.to_parent);
            self.running = None;
        }
    }

    fn fail(&mut self) {
        if let Some(job) = self.running.take() {
            self.worker.fail(self.jobs[job].stream, &Failure::error(job.to_string()), &mut self.to_parent);
        }
    }
}

impl Entry {
    /// Checks and records an event of this job.
    fn hear(&mut self, job: usize, stream: u32, event: &Event) {
        assert_eq!(self.stream, stream, "the reply of another job");
        assert_eq!(*event == Event::Gone, self.is_canceled, "{event:?} of {self:?}");
        let arrived: &[u8] = match event {
            Event::Reply(answer) => {
                assert_eq!(answer.head, head(job), "the head of another job");
                assert_eq!(answer.complete, answer.took_us == 3);
                &answer.body
            }
            Event::Data(chunk) => chunk,
            Event::Failed(failure) => {
                assert_eq!(failure.message, job.to_string(), "the failure of another job");
                &[]
            }
            _ => &[],
        };
        assert_eq!(*arrived, content(job, Side::Answer, self.heard, arrived.len())[..], "the bytes of another job");
        self.heard += arrived.len();
        match event {
            Event::Failed(_) => self.ends(Fate::Failed),
            Event::Gone => self.ends(Fate::Gone),
            event if event.is_last() => self.ends(Fate::Answered),
            _ => {}
        }
    }

    fn ends(&mut self, fate: Fate) {
        assert_eq!(self.fate.replace(fate), None, "it ended before");
    }
}

/// One of the two bodies of a job.
#[derive(Clone, Copy)]
enum Side {
    Body,
    Answer,
}

/// Returns bytes that differ from those of other jobs, bodies and offsets, as far as a few bytes can.
fn content(job: usize, side: Side, from: usize, count: usize) -> Bytes {
    /// Noise to copy from, because computing each byte would take most of the test's time.
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let turn = (0..NOISE_BYTES as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8);
        turn.cycle().take(NOISE_BYTES + CHUNK_BYTES_MAX).collect()
    });
    let at = (from + job * 1031 + 517 * side as usize) % NOISE_BYTES;
    Bytes::copy_from_slice(&NOISE[at..at + count])
}

/// The noise repeats after so many bytes; a prime, so that it is not a multiple of a chunk's size.
const NOISE_BYTES: usize = 65_521;

fn head(job: usize) -> Bytes {
    Bytes::copy_from_slice(&job.to_le_bytes())
}

/// Moves some of the bytes, so that frames are cut at any place.
fn deliver(from: &mut BytesMut, to: &mut BytesMut, bytes: usize) {
    to.extend_from_slice(&from.split_to(bytes.min(from.len())));
}

#[cfg(test)]
#[test]
fn a_whole_chunk_may_begin_anywhere() {
    let chunk = content(0, Side::Body, NOISE_BYTES - 1, CHUNK_BYTES_MAX);
    assert_eq!(chunk[1..100], content(0, Side::Body, 0, 99)[..]);
}
