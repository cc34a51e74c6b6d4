//! A simple model of a pool, which says what must be true while random schedules of events run.
//!
//! Owns the events: jobs are submitted, canceled, end and crash; workers start, fail to start, are
//! killed, replaced and retired; time passes. Leaves the order of the events to `checks`.

mod checks;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::{BUSY, IDLE, QUEUE_MAX};
use crate::{
    config::{BREAKER_START_FAILURES, Config, REPEAT_CRASH_MEMORY, REPEAT_CRASHES_MAX, Size},
    pool::{
        connection::{Closed, Continuation, Kill, Queued, Recycling, attempts::Attempts},
        observers::Refusal,
        queue::{
            restarts::Reached,
            rules::{Next, Place, Rules, Submitted},
        },
    },
};

/// Jobs of this kind crash their worker.
const CRASHING: usize = 0;

/// A small random generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

struct Job {
    /// Stands for the fingerprint.
    kind: usize,
    client: Option<u64>,
    /// Whether it was put back into the queue.
    is_back: bool,
    attempts: Attempts,
    is_replayable: bool,
    starts: usize,
    is_over: bool,
}

struct Worker {
    slot: usize,
    job: Option<usize>,
    /// Whether it takes jobs from the shared queue.
    is_open: bool,
    ended: u64,
    recycling: Recycling,
    ready_since: Instant,
}

/// The job of an exited worker.
struct Left {
    job: usize,
    was_started: bool,
    has_crashed: bool,
}

struct Model {
    rules: Rules<usize, usize>,
    config: Config,
    dice: Dice,
    now: Instant,
    jobs: Vec<Job>,
    /// The queue, in the order of arrival behind jobs that were put back.
    waiting: VecDeque<usize>,
    /// For each client with a job in the queue, who has got a turn since it waits for its own.
    overtaken: BTreeMap<Option<u64>, BTreeSet<Option<u64>>>,
    is_shared: bool,
    /// The shared queue, and the jobs that were lost between it and a worker.
    socket: VecDeque<Queued<usize>>,
    lost: Vec<Queued<usize>>,
    /// Dismissed workers that end their job first.
    retired: BTreeMap<usize, Worker>,
    /// Ready workers by number; each start has a number of its own.
    workers: BTreeMap<usize, Worker>,
    started: usize,
    /// Slots in which a worker is being started.
    starting: BTreeSet<usize>,
    /// Slots whose worker was dismissed and has not exited.
    leaving: BTreeSet<usize>,
    /// Slots that wait until that time before their next start.
    pauses: Vec<(Instant, usize)>,
    left: Vec<Left>,
    /// Crashes in a row and the last one, by kind of job.
    crashes: BTreeMap<usize, (u32, Instant)>,
    failed_starts: u32,
    is_stopped: bool,
}

impl Model {
    fn new(seed: u64) -> Model {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (min, more, spares) = (dice.roll(3), dice.roll(3), dice.roll(3));
        let size = Size { min, max: (min + more).max(1) };
        let config = super::config(size, spares).recycle_after(3).recycle_age(Duration::from_secs(40));
        let is_shared = dice.roll(2) == 0;
        BUSY.set(BTreeSet::new());
        let mut model = Model {
            rules: Rules::new(&config, is_shared),
            is_shared,
            socket: VecDeque::new(),
            lost: Vec::new(),
            retired: BTreeMap::new(),
            config,
            dice,
            now: Instant::now(),
            jobs: Vec::new(),
            waiting: VecDeque::new(),
            overtaken: BTreeMap::new(),
            workers: BTreeMap::new(),
            started: 0,
            starting: BTreeSet::new(),
            leaving: BTreeSet::new(),
            pauses: Vec::new(),
            left: Vec::new(),
            crashes: BTreeMap::new(),
            failed_starts: 0,
            is_stopped: false,
        };
        model.order_starts();
        model
    }

    fn order_starts(&mut self) {
        for slot in self.rules.scale.fill() {
            let mut ready = self.workers.values().chain(self.retired.values());
            let is_taken = self.leaving.contains(&slot) || ready.any(|worker| worker.slot == slot);
            assert!(!is_taken && self.starting.insert(slot), "two workers in one slot");
        }
        for worker in self.rules.open(self.now) {
            self.workers.get_mut(&worker).expect("it is ready").is_open = true;
        }
        let open = self.workers.values().filter(|worker| worker.is_open).count();
        // After the target was lowered, the surplus ones leave when those that are being started are ready.
        assert!(open <= self.config.size.max, "more workers take jobs than may");
    }

    fn end_job(&mut self, job: usize) {
        assert!(!std::mem::replace(&mut self.jobs[job].is_over, true), "job {job} was answered twice");
    }

    fn start_job(&mut self, job: usize) {
        let job = &mut self.jobs[job];
        job.starts += 1;
        assert!(job.starts <= if job.is_replayable { 2 } else { 1 }, "a job was started too often");
    }

    /// Sends a job to a worker, or to all.
    fn send(&mut self, place: Place<usize>, queued: Queued<usize>) {
        assert!(!self.jobs[queued.job].is_over, "a job was sent after its end");
        match place {
            Place::Worker(worker) => self.give(worker, queued.job),
            Place::Shared => self.socket.push_back(queued),
        }
    }

    fn give(&mut self, worker: usize, job: usize) {
        self.jobs[job].attempts.start(self.now);
        let worker = self.workers.get_mut(&worker).expect("an exited worker was given a job");
        assert_eq!(worker.job.replace(job), None, "a worker has two jobs");
        assert!(worker.ended < 3, "a worker was given more jobs than it may have");
    }

    /// A worker claims the next job of the shared queue.
    fn claim(&mut self) {
        let is_free = |worker: &Worker| worker.is_open && worker.job.is_none() && worker.ended < 3;
        let free: Vec<usize> = self.workers.iter().filter(|(_, w)| is_free(w)).map(|(n, _)| *n).collect();
        let nth = self.dice.roll(free.len().max(1));
        if let Some(worker) = free.get(nth)
            && let Some(queued) = self.socket.pop_front()
        {
            self.give(*worker, queued.job);
            BUSY.with_borrow_mut(|busy| busy.insert(*worker));
        }
    }

    /// The jobs that wait in the shared queue are taken back, with those that were lost.
    fn take_back(&mut self) {
        let back: Vec<_> = self.lost.drain(..).chain(self.socket.drain(..)).collect();
        self.rules.taken_back(back.len(), self.now);
        back.iter().rev().for_each(|queued| self.wait_again(queued.job));
        self.rules.put_back(back).unwrap();
    }

    fn wait_again(&mut self, job: usize) {
        self.jobs[job].is_back = true;
        self.waiting.push_front(job);
    }

    /// Returns the queued jobs of a client, without those that were put back.
    fn line(&self, client: Option<u64>) -> impl DoubleEndedIterator<Item = usize> {
        let is_in_line = move |job: &usize| self.jobs[*job].client == client && !self.jobs[*job].is_back;
        self.waiting.iter().copied().filter(is_in_line)
    }

    /// Removes a job from the queue that is refused for one of a client.
    fn make_room(&mut self, refused: usize, client: Option<u64>) {
        let greedy = self.jobs[refused].client;
        assert_eq!(self.line(greedy).next_back(), Some(refused), "not the last job of its client was refused");
        let length = |client| self.line(client).count();
        let longest = self.waiting.iter().map(|job| length(self.jobs[*job].client)).max();
        assert!(Some(length(greedy)) == longest && length(greedy) > length(client) + 1, "the wrong job was refused");
        self.waiting.retain(|job| *job != refused);
        self.end_job(refused);
    }

    /// Checks that a job has the next turn.
    fn take_turn(&mut self, job: usize) {
        let at = self.waiting.iter().position(|waiting| *waiting == job).expect("it waits");
        let Job { client, is_back, .. } = self.jobs[job];
        if is_back {
            assert_eq!(at, 0, "jobs that were put back were reordered");
        } else {
            assert!(
                self.waiting.iter().all(|job| !self.jobs[*job].is_back),
                "a job has overtaken one that was put back"
            );
            assert_eq!(self.line(client).next(), Some(job), "jobs of a client were reordered");
            self.overtaken.remove(&client);
            for waiting in self.overtaken.values_mut() {
                assert!(waiting.insert(client), "a client had two turns while another one waited");
            }
        }
        self.waiting.remove(at);
        self.note_lines();
    }

    /// Notes which clients wait for their turn.
    fn note_lines(&mut self) {
        let in_line = self.waiting.iter().map(|job| &self.jobs[*job]).filter(|job| !job.is_back);
        let clients: BTreeSet<Option<u64>> = in_line.map(|job| job.client).collect();
        self.overtaken.retain(|client, _| clients.contains(client));
        for client in clients {
            self.overtaken.entry(client).or_default();
        }
    }

    fn is_refused(&mut self, kind: usize) -> bool {
        let is_refused = self.rules.repeat_crashes.is_refused(kind as u64, self.now);
        let expected = self
            .crashes
            .get(&kind)
            .is_some_and(|(count, last)| *count >= REPEAT_CRASHES_MAX && self.now - *last < REPEAT_CRASH_MEMORY);
        assert_eq!(is_refused, expected, "refused are repeat crashes, for a while");
        is_refused
    }

    fn submit(&mut self) {
        let (number, kind, is_replayable) = (self.jobs.len(), self.dice.roll(8), self.dice.roll(2) == 0);
        let deadline = (self.dice.roll(2) == 0).then_some(Duration::from_secs(4));
        let attempts = Attempts::new(deadline, is_replayable);
        // The first client has half of the jobs.
        let client = [None, None, None, Some(1), Some(2), Some(3)][self.dice.roll(6)];
        self.jobs.push(Job { kind, client, is_back: false, attempts, is_replayable, starts: 0, is_over: false });
        if self.is_refused(kind) {
            return self.end_job(number);
        }
        match self.rules.submit(number, client, self.now) {
            Submitted::Sent(place, queued) => {
                assert!(self.waiting.is_empty(), "a job has overtaken others");
                self.send(place, queued);
            }
            Submitted::Queued { refused, .. } => {
                refused.into_iter().for_each(|refused| self.make_room(refused, client));
                assert!(self.waiting.len() < QUEUE_MAX || refused.is_some(), "the queue has more jobs than it may");
                self.waiting.push_back(number);
                self.note_lines();
            }
            Submitted::Refused(refusal) => {
                let is_broken = self.failed_starts >= BREAKER_START_FAILURES && self.workers.is_empty();
                assert!(match refusal {
                    Refusal::QueueFull => self.waiting.len() + self.socket.len() + self.lost.len() >= QUEUE_MAX,
                    _ => refusal == Refusal::Unavailable && is_broken,
                });
                self.end_job(number);
            }
            Submitted::Stopping => {
                assert!(self.is_stopped);
                self.end_job(number);
            }
        }
    }

    fn cancel(&mut self) {
        if !self.waiting.is_empty() {
            let at = self.dice.roll(self.waiting.len());
            let job = self.waiting.remove(at).unwrap();
            self.rules.cancel(&job);
            self.note_lines();
            self.end_job(job);
        }
    }

    fn pair(&mut self) {
        while let Some((place, queued)) = self.rules.pair() {
            self.take_turn(queued.job);
            self.send(place, queued);
            self.rules.has_passed();
        }
    }

    fn dismiss(&mut self, gone: Vec<usize>) {
        for number in gone {
            let worker = self.workers.remove(&number).expect("an exited worker was dismissed");
            assert!(worker.job.is_none(), "a worker with a job was dismissed");
            if worker.is_open {
                // It may claim one more job before it hears of it.
                self.retired.insert(number, worker);
            } else {
                assert!(self.leaving.insert(worker.slot));
            }
        }
    }

    /// A dismissed worker claims a last job, ends it, and exits.
    fn retire(&mut self) {
        let Some((number, worker)) = self.retired.pop_first() else { return };
        if self.dice.roll(2) == 0
            && let Some(Queued { job, .. }) = self.socket.pop_front()
        {
            self.jobs[job].attempts.start(self.now);
            self.start_job(job);
            self.end_job(job);
            let gone = self.rules.ended(1, self.now);
            self.dismiss_replaced(gone);
        }
        self.rules.remove(&number, true, false);
        assert!(self.leaving.insert(worker.slot));
    }

    /// Workers leave whose replacement is ready.
    fn dismiss_replaced(&mut self, gone: Vec<usize>) {
        let (is_any, wanted) = (!gone.is_empty(), self.rules.scale.target() + self.rules.scale.spares());
        self.dismiss(gone);
        assert!(!is_any || self.workers.len() >= wanted, "a worker has left before its replacement was ready");
    }

    /// A worker that was being started is ready.
    fn ready(&mut self) {
        if let Some(slot) = self.starting.pop_first() {
            self.started += 1;
            let recycling = Recycling::new(&self.config, self.started as u32, self.now);
            let worker = Worker { slot, job: None, is_open: false, ended: 0, recycling, ready_since: self.now };
            self.workers.insert(self.started, worker);
            self.failed_starts = 0;
            let gone = self.rules.add(&self.started, slot, self.now);
            self.dismiss(gone);
        }
    }

    fn fail_start(&mut self) {
        if let Some(slot) = self.starting.pop_first() {
            self.failed_starts += 1;
            let (pause, refused) = self.rules.start_failed();
            let may_refuse = self.failed_starts >= BREAKER_START_FAILURES && self.workers.is_empty();
            assert!(refused.is_empty() || may_refuse, "the breaker has opened too early");
            for job in refused {
                self.waiting.retain(|waiting| *waiting != job);
                self.end_job(job);
            }
            self.note_lines();
            self.pauses.push((self.now + pause, slot));
        }
    }

    fn any_worker(&mut self) -> Option<usize> {
        let nth = self.dice.roll(self.workers.len().max(1));
        self.workers.keys().nth(nth).copied()
    }

    fn any_busy_worker(&mut self) -> Option<usize> {
        self.any_worker().filter(|worker| self.workers[worker].job.is_some())
    }

    /// A worker ends its job, or crashes in it.
    fn finish(&mut self) {
        let Some(number) = self.any_busy_worker() else { return };
        let worker = self.workers.get_mut(&number).unwrap();
        let job = worker.job.unwrap();
        if self.jobs[job].kind == CRASHING {
            return self.exit(number, Closed::Exited);
        }
        worker.job = None;
        worker.ended += 1;
        let (ended, is_reached) = (worker.ended, worker.recycling.is_reached(worker.ended, self.now));
        let is_used_up = worker.recycling.is_used_up(ended);
        BUSY.with_borrow_mut(|busy| busy.remove(&number));
        self.start_job(job);
        self.end_job(job);
        if is_reached {
            self.replace(number);
        }
        if self.is_shared {
            let gone = self.rules.ended(1, self.now);
            self.dismiss_replaced(gone);
            if is_used_up && self.rules.retire(&number) {
                self.dismiss(vec![number]);
            }
            return;
        }
        match self.rules.rest(&number, is_used_up, self.now) {
            Next::Rest => {}
            Next::Leave => self.dismiss(vec![number]),
            Next::Gone => panic!("a worker was forgotten"),
        }
    }

    fn replace(&mut self, worker: usize) {
        let gone = self.rules.replace(&worker).unwrap_or_default();
        self.dismiss_replaced(gone);
    }

    /// A worker exits. What happens to its job is decided later.
    fn exit(&mut self, number: usize, closed: Closed) {
        let Worker { slot, job, is_open, ended, ready_since, .. } = self.workers.remove(&number).unwrap();
        BUSY.with_borrow_mut(|busy| busy.remove(&number));
        let idle = job.is_none().then(|| self.now - ready_since);
        if closed != Closed::Exited
            && let Some(job) = job
        {
            // The job that the worker is killed for fails at once.
            self.start_job(job);
            self.end_job(job);
            self.rules.withdrawn(1);
            self.rules.remove(&number, is_open, false);
        } else {
            self.rules.withdrawn(usize::from(job.is_some()));
            self.rules.remove(&number, is_open, job.is_some());
            // A leased worker may exit before the job is written.
            let was_started = self.is_shared || self.dice.roll(3) > 0;
            if let Some(job) = job {
                if was_started {
                    self.start_job(job);
                }
                self.left.push(Left { job, was_started, has_crashed: was_started });
            }
        }
        // A worker may have read a job that it has not claimed.
        if is_open && job.is_none() && self.dice.roll(2) == 0 {
            self.lost.extend(self.socket.pop_front());
        }
        let pause = self.rules.restarts.exited(Reached::of(closed, ended, idle));
        assert!(ended == 0 || pause.is_zero(), "the replacement of a worker that has ended a job was delayed");
        self.pauses.push((self.now + pause, slot));
    }

    fn crash(&mut self) {
        if let Some(worker) = self.any_worker() {
            self.exit(worker, Closed::Exited);
        }
    }

    fn kill(&mut self) {
        if let Some(worker) = self.any_busy_worker() {
            let kill = [Kill::Deadline, Kill::CpuTime, Kill::Memory, Kill::Idle][self.dice.roll(4)];
            self.exit(worker, Closed::Killed(kill));
        }
    }

    /// The job of an exited worker is moved, retried or fails.
    fn settle_left(&mut self) {
        let Some(Left { job: number, was_started, has_crashed }) = self.left.pop() else { return };
        let kind = self.jobs[number].kind;
        if has_crashed {
            self.rules.repeat_crashes.note(kind as u64, self.now);
            let (count, at) = self.crashes.entry(kind).or_insert((0, self.now));
            *count = if self.now - *at < REPEAT_CRASH_MEMORY { *count + 1 } else { 1 };
            *at = self.now;
        }
        let is_refused = self.is_refused(kind);
        match self.jobs[number].attempts.after_exit(was_started, is_refused, self.now) {
            Continuation::Fail => self.end_job(number),
            Continuation::Move | Continuation::Retry => {
                self.wait_again(number);
                let back = vec![self.rules.requeued(number, self.now)];
                self.rules.put_back(back).unwrap();
            }
        }
        self.rules.has_passed();
    }

    /// A dismissed worker exits.
    fn leave(&mut self) {
        if let Some(slot) = self.leaving.pop_first() {
            self.refill(slot);
        }
    }

    fn refill(&mut self, slot: usize) {
        if self.rules.refill(slot) {
            assert!(self.starting.insert(slot), "two workers in one slot");
        }
        self.order_starts();
    }

    fn pass_time(&mut self, time: Duration) {
        self.now += time;
        let (due, pauses) = std::mem::take(&mut self.pauses).into_iter().partition(|(at, _)| *at <= self.now);
        self.pauses = pauses;
        let due: Vec<(Instant, usize)> = due;
        due.into_iter().for_each(|(_, slot)| self.refill(slot));
        let is_old = |worker: &Worker| worker.recycling.is_reached(worker.ended, self.now);
        let old: Vec<usize> = self.workers.iter().filter(|(_, worker)| is_old(worker)).map(|(n, _)| *n).collect();
        old.into_iter().for_each(|worker| self.replace(worker));
        for job in self.rules.expire(self.now).0 {
            self.waiting.retain(|waiting| *waiting != job);
            self.end_job(job);
        }
        self.note_lines();
        let (gone, _) = self.rules.shrink(self.now);
        self.dismiss(gone);
        self.rules.grow(self.now);
    }
}
