//! A simple model of a pool, which says what must be true while random schedules of events run.
//!
//! Owns the events: jobs are submitted, canceled, end and crash; workers start, fail to start, are
//! killed, replaced and retired; time passes. Leaves the order of the events to `checks`.

mod checks;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::{IDLE, QUEUE_MAX};
use crate::{
    config::{BREAKER_START_FAILURES, Config, REPEAT_CRASH_MEMORY, REPEAT_CRASHES_MAX, Size},
    pool::{
        connection::{Closed, Continuation, Kill, Recycling, attempts::Attempts},
        observers::Refusal,
        queue::{
            restarts::Reached,
            rules::{Next, Rules, Submitted},
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
    attempts: Attempts,
    is_replayable: bool,
    may_pipeline: bool,
    starts: usize,
    is_over: bool,
}

struct Worker {
    slot: usize,
    /// In the order in which they were sent; the first one runs.
    jobs: Vec<usize>,
    ended: u64,
    recycling: Recycling,
    ready_since: Instant,
}

/// The jobs of an exited worker, which had started this many of them.
struct Left {
    jobs: Vec<usize>,
    started: usize,
    has_crashed: bool,
}

struct Model {
    rules: Rules<usize, usize>,
    config: Config,
    dice: Dice,
    now: Instant,
    jobs: Vec<Job>,
    waiting: VecDeque<usize>,
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
        let config = Config::default().size(size).spares(spares).queue(QUEUE_MAX).idle_timeout(IDLE);
        let config = config.recycle_after(3).recycle_age(Duration::from_secs(40)).pipelining(dice.roll(2) == 0);
        let mut model = Model {
            rules: Rules::new(&config),
            config,
            dice,
            now: Instant::now(),
            jobs: Vec::new(),
            waiting: VecDeque::new(),
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
            let is_taken = self.leaving.contains(&slot) || self.workers.values().any(|worker| worker.slot == slot);
            assert!(!is_taken && self.starting.insert(slot), "two workers in one slot");
        }
    }

    fn end_job(&mut self, job: usize) {
        assert!(!std::mem::replace(&mut self.jobs[job].is_over, true), "job {job} was answered twice");
    }

    fn start_job(&mut self, job: usize) {
        let job = &mut self.jobs[job];
        job.starts += 1;
        assert!(job.starts <= if job.is_replayable { 2 } else { 1 }, "a job was started too often");
    }

    /// Sends jobs to a worker.
    fn send(&mut self, worker: usize, jobs: &[usize]) {
        for job in jobs {
            assert!(!self.jobs[*job].is_over, "a job was sent after its end");
            self.jobs[*job].attempts.send(self.now);
            self.workers.get_mut(&worker).expect("an exited worker was given a job").jobs.push(*job);
        }
        let sent = &self.workers[&worker].jobs;
        let may_share = self.config.pipelining && sent.iter().all(|job| self.jobs[*job].may_pipeline);
        assert!(sent.len() == 1 || may_share, "a job shares a worker that must not");
    }

    /// Sends jobs from the queue.
    fn send_queued(&mut self, worker: usize, jobs: &[usize]) {
        jobs.iter().for_each(|job| assert_eq!(self.waiting.pop_front(), Some(*job), "not the first job was taken"));
        self.send(worker, jobs);
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
        let may_pipeline = self.config.pipelining && is_replayable;
        self.jobs.push(Job { kind, attempts, is_replayable, may_pipeline, starts: 0, is_over: false });
        if self.is_refused(kind) {
            return self.end_job(number);
        }
        match self.rules.submit(number, may_pipeline, self.now) {
            Submitted::Leased(worker) => {
                assert!(self.waiting.is_empty(), "a job has overtaken others");
                self.send(worker, &[number]);
            }
            Submitted::Queued { .. } => {
                assert!(self.waiting.len() < QUEUE_MAX, "the queue has more jobs than it may");
                self.waiting.push_back(number);
            }
            Submitted::Refused(refusal) => {
                let is_broken = self.failed_starts >= BREAKER_START_FAILURES && self.workers.is_empty();
                assert!(match refusal {
                    Refusal::QueueFull => self.waiting.len() >= QUEUE_MAX,
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
            self.end_job(job);
        }
    }

    fn pair(&mut self) {
        while let Some((worker, job)) = self.rules.pair() {
            self.send_queued(worker, &[job]);
            self.rules.has_passed();
        }
    }

    fn dismiss(&mut self, gone: Vec<usize>) {
        for worker in gone {
            let worker = self.workers.remove(&worker).expect("an exited worker was dismissed");
            assert!(worker.jobs.is_empty(), "a worker with a job was dismissed");
            assert!(self.leaving.insert(worker.slot));
        }
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
            let worker = Worker { slot, jobs: Vec::new(), ended: 0, recycling, ready_since: self.now };
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
                assert_eq!(self.waiting.pop_front(), Some(job));
                self.end_job(job);
            }
            self.pauses.push((self.now + pause, slot));
        }
    }

    fn any_worker(&mut self) -> Option<usize> {
        let nth = self.dice.roll(self.workers.len().max(1));
        self.workers.keys().nth(nth).copied()
    }

    fn any_busy_worker(&mut self) -> Option<usize> {
        self.any_worker().filter(|worker| !self.workers[worker].jobs.is_empty())
    }

    /// A worker ends its first job, or crashes in it.
    fn finish(&mut self) {
        let Some(number) = self.any_busy_worker() else { return };
        let first = self.workers[&number].jobs[0];
        if self.jobs[first].kind == CRASHING {
            return self.exit(number, Closed::Exited, 1);
        }
        self.start_job(first);
        self.end_job(first);
        let worker = self.workers.get_mut(&number).unwrap();
        worker.jobs.remove(0);
        worker.ended += 1;
        if worker.recycling.is_reached(worker.ended, self.now) {
            self.replace(number);
        }
        let Some(sent) = self.workers.get(&number).map(|worker| worker.jobs.len()) else { return };
        // As the connection does it: pipelined jobs join only jobs that may share.
        let may_join = self.workers[&number].jobs.first().is_none_or(|job| self.jobs[*job].may_pipeline);
        let room = if may_join { 1 + self.dice.roll(4) } else { 0 };
        if room == 0 || (sent > 0 && !self.config.pipelining) {
            return;
        }
        let mut batch = Vec::new();
        let next = self.rules.next(&number, sent, room, self.now, &mut batch);
        assert!(batch.len() <= room, "more jobs than there is room for");
        if !batch.is_empty() {
            self.send_queued(number, &batch);
        }
        match next {
            Next::Work => assert!(sent + batch.len() > 0, "a worker was forgotten"),
            Next::Rest { .. } => assert!(self.rules.is_idle(&number)),
            Next::Leave => self.dismiss_replaced(vec![number]),
        }
    }

    fn replace(&mut self, worker: usize) {
        let gone = self.rules.replace(&worker).unwrap_or_default();
        self.dismiss_replaced(gone);
    }

    /// A worker exits after it has started this many of its jobs. What happens to the jobs is decided later.
    fn exit(&mut self, number: usize, closed: Closed, started: usize) {
        let Worker { slot, mut jobs, ended, ready_since, .. } = self.workers.remove(&number).unwrap();
        let idle = jobs.is_empty().then(|| self.now - ready_since);
        self.rules.remove(&number, !jobs.is_empty());
        let mut started = started.min(jobs.len());
        jobs[..started].iter().for_each(|job| self.start_job(*job));
        let has_jobs = !jobs.is_empty();
        if closed != Closed::Exited && has_jobs {
            // The job that a worker is killed for fails at once.
            let first = jobs.remove(0);
            self.end_job(first);
            started -= 1;
        }
        if has_jobs {
            self.left.push(Left { jobs, started, has_crashed: closed == Closed::Exited });
        }
        let pause = self.rules.restarts.exited(Reached::of(closed, ended, idle));
        assert!(ended == 0 || pause.is_zero(), "the replacement of a worker that has ended a job was delayed");
        self.pauses.push((self.now + pause, slot));
    }

    fn crash(&mut self) {
        if let Some(worker) = self.any_worker() {
            let started = 1 + self.dice.roll(3);
            self.exit(worker, Closed::Exited, started);
        }
    }

    fn kill(&mut self) {
        if let Some(worker) = self.any_busy_worker() {
            let kill = [Kill::Deadline, Kill::CpuTime, Kill::Memory, Kill::Idle][self.dice.roll(4)];
            self.exit(worker, Closed::Killed(kill), 1);
        }
    }

    /// The jobs of an exited worker are moved, retried or fail.
    fn settle_left(&mut self) {
        let Some(Left { jobs, started, has_crashed }) = self.left.pop() else { return };
        if has_crashed && let Some(last) = started.checked_sub(1) {
            let kind = self.jobs[jobs[last]].kind;
            self.rules.repeat_crashes.note(kind as u64, self.now);
            let (count, at) = self.crashes.entry(kind).or_insert((0, self.now));
            *count = if self.now - *at < REPEAT_CRASH_MEMORY { *count + 1 } else { 1 };
            *at = self.now;
        }
        let mut back = Vec::new();
        for (at, number) in jobs.into_iter().enumerate() {
            let is_refused = self.is_refused(self.jobs[number].kind);
            let job = &mut self.jobs[number];
            let continuation = job.attempts.after_exit(at >= started, is_refused, self.now);
            job.may_pipeline &= continuation != Continuation::Retry && !job.attempts.has_moved_enough();
            match continuation {
                Continuation::Fail => self.end_job(number),
                Continuation::Move | Continuation::Retry => back.push((self.jobs[number].may_pipeline, number)),
            }
        }
        back.iter().rev().for_each(|(_, job)| self.waiting.push_front(*job));
        self.rules.put_back(back, self.now).unwrap();
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
        let (gone, _) = self.rules.shrink(self.now);
        self.dismiss(gone);
        self.rules.grow(self.now);
    }
}
