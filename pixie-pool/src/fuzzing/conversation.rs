//! A conversation of a parent and a worker, step by step, with a model of both sides.
//!
//! Both sides are honest; the order of their steps varies, and where their bytes are cut. The pool sends jobs
//! on the connection, one at a time, or puts them into a queue, from which the worker claims them. Invariant:
//! each job gets its own reply or is taken back, exactly once, and each side has at most one window of unread
//! bytes per job.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::{
    choices::Choices,
    job::{Entry, Fate, Side, a_start, content, head, is_queued},
    parent::a_welcome,
    step::Step,
};
use crate::{
    config::{CHUNK_BYTES_MAX, QUEUED_JOB_BYTES_MAX, UPLOAD_WINDOW_BYTES, WINDOW_BYTES},
    error::Failure,
    protocol::{
        encode,
        frame::{Hello, JOB_BYTES, Start, VERSION},
        parent::{Event, Parent},
        worker::{Arrived, Returned, Unread, Worker},
    },
    sandbox::SandboxLevel,
};

/// Limits the jobs of one conversation. Enough that several are claimed before the pool hears of the first.
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

/// Both sides, the bytes between them and the model.
pub(crate) struct Conversation {
    parent: Parent,
    worker: Worker,
    to_parent: BytesMut,
    to_worker: BytesMut,
    parent_input: BytesMut,
    worker_input: BytesMut,
    jobs: Vec<Entry>,
    /// The socket from which the worker claims jobs; its messages.
    queue: VecDeque<(usize, BytesMut)>,
    /// The jobs that the worker has claimed and that the parent does not know.
    claimed: VecDeque<usize>,
    /// The jobs that the parent knows, in the order in which the worker got them.
    way: VecDeque<usize>,
    /// The stream of the ticket whose job the worker waits for.
    fetching: Option<u32>,
    running: Option<usize>,
    /// How many jobs the parent got to know while it knew another one.
    pub(crate) overlaps: usize,
}

impl Conversation {
    /// Returns a conversation after the handshake.
    pub(crate) fn new() -> Self {
        let (token, table_hash) = ([7; 32], 1);
        let (parent, worker) = (Parent::new(token, table_hash), Worker::default());
        let (to_parent, to_worker, parent_input, worker_input) = Default::default();
        let mut new = Conversation {
            parent,
            worker,
            to_parent,
            to_worker,
            parent_input,
            worker_input,
            jobs: Vec::new(),
            queue: VecDeque::new(),
            claimed: VecDeque::new(),
            way: VecDeque::new(),
            fetching: None,
            running: None,
            overlaps: 0,
        };
        encode::put_hello(&mut new.to_parent, &Hello { version: VERSION, token, table_hash });
        assert_eq!(new.parent.receive(&mut new.to_parent), Ok(Some((0, Event::Greeted))));
        new.parent.welcome(&a_welcome(), &mut new.to_worker);
        new.step(Step::ToWorker(usize::MAX));
        assert_eq!(new.worker.take_welcome(), Some(a_welcome()));
        encode::put_ready(&mut new.to_parent, &SandboxLevel::default());
        assert_eq!(new.parent.receive(&mut new.to_parent), Ok(Some((0, Event::Ready))));
        new
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Begin { body, complete } => self.begin(body, complete),
            Step::Enqueue { body, complete } => self.enqueue(body, complete),
            Step::Send { job, bytes } => self.send(job, bytes),
            Step::Finish { job } => self.finish(job),
            Step::Take { bytes } => self.take(bytes),
            Step::Cancel { job } => self.cancel(job),
            Step::TakeBack => self.queue.drain(..).for_each(|(job, _)| self.jobs[job].ends(Fate::Returned)),
            Step::Adopt => {
                // If the parent knows the job that was claimed last, no other one runs.
                if let Some(job) = self.claimed.pop_back_if(|job| self.way.back() < Some(job)) {
                    self.adopt(job, false);
                }
            }
            Step::ToWorker(bytes) => {
                deliver(&mut self.to_worker, &mut self.worker_input, bytes);
                self.worker.receive(&mut self.worker_input).expect("a parent keeps to the protocol");
            }
            Step::ToParent(bytes) => {
                deliver(&mut self.to_parent, &mut self.parent_input, bytes);
                self.hear();
            }
            Step::Claim => self.claim(),
            Step::Start => self.start(),
            Step::Read(bytes) => self.read(bytes),
            Step::Reply { body, complete } => self.reply(body, complete),
            Step::Data(bytes) => self.data(bytes),
            Step::Call(bytes) => self.call(bytes),
            Step::Return => self.return_call(),
            Step::TakeReturn => self.take_return(),
            Step::End => self.end(),
            Step::Fail => self.fail(),
        }
    }

    /// Runs every job to its end and checks the model.
    pub(crate) fn settle(&mut self) {
        let mut rounds = 0;
        while self.jobs.iter().any(|entry| entry.fate.is_none()) {
            rounds += 1;
            assert!(rounds <= 2 * JOBS_MAX + 1, "a job never ends");
            (0..self.way.len()).for_each(|job| self.finish(job));
            self.step(Step::ToWorker(usize::MAX));
            self.claim();
            self.start();
            for _ in 0..2 * UPLOAD_WINDOW_BYTES / CHUNK_BYTES_MAX {
                self.read(CHUNK_BYTES_MAX);
            }
            self.reply(0, true);
            self.end();
            self.step(Step::ToParent(usize::MAX));
        }
        self.step(Step::ToWorker(usize::MAX));
        self.step(Step::ToParent(usize::MAX));
        assert!(self.parent_input.is_empty() && self.worker_input.is_empty(), "part of a frame is left");
        assert!(self.worker.waiting().is_none() && !self.worker.has_running(), "a job is left");
        assert!(self.queue.is_empty() && self.claimed.is_empty() && self.way.is_empty(), "a job is left");
        for entry in &self.jobs {
            let is_right = match entry.fate.expect("every job has ended") {
                Fate::Answered => entry.is_started && entry.heard == entry.answered,
                Fate::Failed => entry.is_started,
                Fate::Gone => entry.is_canceled,
                Fate::Returned => !entry.is_claimed,
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

    /// Sends a job to a worker that has none and cannot claim one.
    fn begin(&mut self, body: usize, complete: bool) {
        if self.jobs.len() >= JOBS_MAX || self.jobs.iter().any(|entry| entry.fate.is_none()) {
            return;
        }
        let stream = self.parent.next_stream();
        let job = self.enter(stream, body, complete);
        self.send_first(job);
        self.way.push_back(job);
    }

    /// Puts a job into the queue while the parent sends none on the connection.
    fn enqueue(&mut self, body: usize, complete: bool) {
        let is_leased = self.jobs.last().is_some_and(|entry| entry.fate.is_none() && !is_queued(entry.stream));
        if self.jobs.len() >= JOBS_MAX || is_leased {
            return;
        }
        let job = self.enter((self.jobs.len() as u32 + 1) << 16 | 1, body, complete);
        let (start, entry, mut message) = (self.request(job), &mut self.jobs[job], BytesMut::new());
        entry.is_ticket = !complete || JOB_BYTES + start.head.len() + start.body.len() > QUEUED_JOB_BYTES_MAX;
        if entry.is_ticket {
            encode::put_ticket(&mut message, entry.stream, start.number);
        } else {
            encode::put_job(&mut message, entry.stream, &start);
            (entry.sent, entry.is_body_sent) = (start.body.len(), true);
        }
        self.queue.push_back((job, message));
    }

    fn enter(&mut self, stream: u32, body: usize, is_whole: bool) -> usize {
        self.jobs.push(Entry { stream, first: body.min(CHUNK_BYTES_MAX), is_whole, ..Entry::default() });
        self.jobs.len() - 1
    }

    fn request(&self, job: usize) -> Start {
        let Entry { first, is_whole, .. } = self.jobs[job];
        a_start(job as u64, head(job), content(job, Side::Body, 0, first), is_whole)
    }

    fn send_first(&mut self, job: usize) {
        let (start, entry) = (self.request(job), &mut self.jobs[job]);
        self.parent.begin(entry.stream, &start, &mut self.to_worker);
        (entry.is_ticket, entry.sent, entry.is_body_sent) = (false, entry.first, entry.is_whole);
    }

    /// Lets the parent know of a claimed job.
    fn adopt(&mut self, job: usize, is_over: bool) {
        let (entry, at) = (&mut self.jobs[job], self.way.partition_point(|other| *other < job));
        self.parent.adopt(entry.stream, 0, entry.is_ticket, is_over);
        // A ticket is canceled when it is fetched.
        if entry.is_left && !entry.is_ticket {
            entry.is_canceled = true;
            assert!(self.parent.cancel(entry.stream, &mut self.to_worker));
        }
        self.overlaps += usize::from(!self.way.is_empty());
        self.way.insert(at, job);
    }

    /// Returns one of the jobs that the parent knows.
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
        assert!(entry.sent - entry.read <= UPLOAD_WINDOW_BYTES, "the worker must store more than a window: {entry:?}");
    }

    fn finish(&mut self, job: usize) {
        let Some(job) = self.pick(job) else { return };
        let entry = &mut self.jobs[job];
        if self.parent.send_room(entry.stream).is_some_and(|room| room > 0) {
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

    /// Cancels any job that has not ended, wherever it is.
    fn cancel(&mut self, job: usize) {
        let living: Vec<usize> = (0..self.jobs.len()).filter(|job| self.jobs[*job].fate.is_none()).collect();
        let Some(job) = living.get(job % living.len().max(1)) else { return };
        let entry = &mut self.jobs[*job];
        entry.is_left = true;
        if self.way.contains(job) {
            let is_new = !std::mem::replace(&mut entry.is_canceled, true);
            assert_eq!(self.parent.cancel(entry.stream, &mut self.to_worker), is_new);
        }
    }

    fn hear(&mut self) {
        loop {
            if let Some(stream) = self.parent.unknown(&self.parent_input) {
                let at = self.claimed.iter().position(|job| self.jobs[*job].stream == stream);
                let job = at.and_then(|at| self.claimed.remove(at)).expect("a reply is of a job that was claimed");
                self.adopt(job, !self.way.is_empty());
            }
            let event = self.parent.receive(&mut self.parent_input).expect("a worker keeps to the protocol");
            let Some((stream, event)) = event else { return };
            let job = *self.way.front().expect("an event is of a known job");
            self.jobs[job].hear(job, stream, &event);
            if event == Event::Fetch {
                self.fetched(job);
            } else if event.is_last() {
                self.way.pop_front();
                if std::mem::take(&mut self.jobs[job].is_calling) {
                    self.parent.return_header(stream, None, &mut self.to_worker);
                }
            }
        }
    }

    /// Answers the worker that has fetched a job.
    fn fetched(&mut self, job: usize) {
        let entry = &mut self.jobs[job];
        if entry.is_left {
            let is_new = !std::mem::replace(&mut entry.is_canceled, true);
            assert_eq!(self.parent.cancel(entry.stream, &mut self.to_worker), is_new);
        } else {
            self.send_first(job);
        }
    }

    fn claim(&mut self) {
        if self.worker.has_running() || self.worker.waiting().is_some() {
            return;
        }
        let Some((job, mut message)) = self.queue.pop_front() else { return };
        self.worker.receive(&mut message).expect("a parent keeps to the protocol");
        let entry = &mut self.jobs[job];
        assert_eq!(self.worker.waiting(), Some((entry.stream, job as u64)));
        assert!(message.is_empty() && !std::mem::replace(&mut entry.is_claimed, true), "claimed twice: {entry:?}");
        self.claimed.push_back(job);
    }

    /// Starts the next job, or fetches it, as the worker's socket does.
    fn start(&mut self) {
        assert_eq!(self.worker.has_running(), self.running.is_some() || self.fetching.is_some());
        if self.running.is_some() {
            return;
        }
        if self.worker.waiting().is_none() {
            if let Some(stream) = self.fetching.take_if(|stream| self.worker.is_canceled(*stream)) {
                self.worker.fail(stream, &Failure::error("canceled"), &mut self.to_parent);
            }
            return;
        }
        self.fetching = None;
        let Some((stream, arrived)) = self.worker.next_job(&mut self.to_parent) else { return };
        let (Arrived::Job(Start { number, .. }) | Arrived::Ticket(number)) = arrived;
        let job = usize::try_from(number).expect("it is a small number");
        let entry = &mut self.jobs[job];
        assert_eq!(entry.stream, stream);
        assert_eq!(entry.is_claimed, is_queued(stream), "started and not claimed: {entry:?}");
        match arrived {
            Arrived::Job(start) => {
                assert_eq!(start.head, head(job));
                assert!(!std::mem::replace(&mut entry.is_started, true), "started twice: {entry:?}");
                self.running = Some(job);
            }
            Arrived::Ticket(_) => {
                self.worker.fetch(stream, &mut self.to_parent);
                self.fetching = Some(stream);
            }
        }
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
        self.worker.reply(entry.stream, &head(job), &body, complete, &mut self.to_parent);
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

    fn call(&mut self, bytes: usize) {
        let Some(job) = self.running.filter(|job| self.jobs[*job].call.is_none()) else { return };
        let (entry, request) = (&mut self.jobs[job], content(job, Side::Body, 0, bytes.min(CHUNK_BYTES_MAX)));
        if self.worker.call_header(entry.stream, &request, &mut self.to_parent) {
            self.to_parent.extend_from_slice(&request);
            entry.call = Some(request);
        } else {
            assert!(entry.is_canceled);
        }
    }

    /// Returns what the job has sent.
    fn return_call(&mut self) {
        let Some(entry) = self.pick(0).map(|job| &mut self.jobs[job]).filter(|entry| entry.is_calling) else { return };
        let answer = entry.call.as_deref();
        entry.is_calling = false;
        self.parent.return_header(entry.stream, answer, &mut self.to_worker);
        self.to_worker.extend_from_slice(answer.expect("the handler waits"));
    }

    fn take_return(&mut self) {
        let Some(entry) = self.running.map(|job| &mut self.jobs[job]) else { return };
        match self.worker.take_return(entry.stream) {
            Returned::Answer(answer) => assert_eq!(entry.call.take(), Some(answer), "the answer to another call"),
            Returned::Nothing => panic!("each call of a running job has an answer"),
            Returned::Pending => {}
            Returned::Canceled => assert!(entry.is_canceled),
        }
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

/// Moves some of the bytes, so that frames are cut at any place.
fn deliver(from: &mut BytesMut, to: &mut BytesMut, bytes: usize) {
    to.extend_from_slice(&from.split_to(bytes.min(from.len())));
}
