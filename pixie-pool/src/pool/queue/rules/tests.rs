//! The rules of a whole pool on simulated time, without processes, sockets or a runtime.
//!
//! Random schedules of events: jobs are submitted, canceled, end and crash; workers start, fail to start, are
//! killed, replaced and retired; time passes. A simple model says what must be true after each event. A
//! failure prints the seed of its schedule.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use super::{Next, Rules, Submitted};
use crate::{
    config::{BREAKER_START_FAILURES, Config, GROW_AFTER, REPEAT_CRASH_MEMORY, REPEAT_CRASHES_MAX, Size},
    pool::{
        connection::{Closed, Continuation, Kill, Recycling, attempts::Attempts},
        observers::Refusal,
        queue::restarts::Reached,
    },
};

const IDLE: Duration = Duration::from_secs(30);
const QUEUE_MAX: usize = 10;
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
                Continuation::Move | Continuation::Retry => back.push((number, self.jobs[number].may_pipeline)),
            }
        }
        back.iter().rev().for_each(|(job, _)| self.waiting.push_front(*job));
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

    fn step(&mut self) {
        match self.dice.roll(20) {
            0..5 => self.submit(),
            5..9 => self.finish(),
            9..12 => self.ready(),
            12 => self.crash(),
            13 => self.kill(),
            14 => {
                let times = [1, 10, 1000, 5000, 30_000].map(Duration::from_millis);
                let time = times[self.dice.roll(times.len())];
                self.pass_time(time);
            }
            15 | 16 => self.settle_left(),
            17 => (0..=self.dice.roll(8)).for_each(|_| self.fail_start()),
            18 => self.cancel(),
            _ => self.leave(),
        }
        self.order_starts();
        self.pair();
        self.check();
    }

    fn check(&self) {
        let running = self.workers.values().flat_map(|worker| &worker.jobs);
        let left = self.left.iter().flat_map(|left| &left.jobs);
        let mut places: Vec<usize> = self.jobs.iter().map(|job| usize::from(job.is_over)).collect();
        running.chain(left).chain(&self.waiting).for_each(|job| places[*job] += 1);
        assert!(places.iter().all(|count| *count == 1), "jobs are lost or in two places: {places:?}");
        let is_done = self.jobs.iter().all(|job| job.is_over) && self.left.is_empty();
        assert_eq!(self.rules.is_drained(), self.is_stopped && is_done, "a pool without jobs is drained");
        assert_eq!(self.rules.queued(), self.waiting.len());
        let busy = self.workers.values().filter(|worker| !worker.jobs.is_empty()).count();
        assert_eq!((self.rules.busy(), self.rules.workers().len()), (busy, self.workers.len()));
        let (target, size) = (self.rules.scale.target(), self.config.size);
        assert!((size.min..=size.max).contains(&target) && busy <= size.max, "more jobs run than may");
        let idle = self.workers.len() - busy;
        assert!(self.waiting.is_empty() || idle == 0 || busy >= target, "a job waits while a worker is free");
        let is_replaced =
            |number: &usize| self.rules.replaced.contains(&self.workers[number].slot) && self.rules.is_idle(number);
        let is_blocked = self.rules.has_replacement() && self.workers.keys().any(is_replaced);
        assert!(!is_blocked, "a worker and its replacement are idle");
        // Slots are distinct, so this limits the processes, too.
        let slots: BTreeSet<usize> = self.workers.values().map(|worker| worker.slot).collect();
        let all = slots.len() + self.starting.len() + self.leaving.len() + self.pauses.len();
        assert!(slots.len() == self.workers.len() && all <= self.rules.scale.slots(), "too many workers");
        assert_eq!(self.rules.is_broken(), self.failed_starts >= BREAKER_START_FAILURES, "the breaker is wrong");
    }

    /// Without new jobs and failures, all jobs end, and the pool has the workers that it should have.
    fn settle(&mut self) {
        let mut steps = 0;
        while steps < 1000
            && !(self.jobs.iter().all(|job| job.is_over)
                && self.starting.is_empty()
                && self.leaving.is_empty()
                && self.pauses.is_empty()
                && self.left.is_empty())
        {
            steps += 1;
            self.leave();
            self.settle_left();
            self.ready();
            self.finish();
            let next = self.pauses.iter().map(|(at, _)| *at - self.now.min(*at)).min();
            self.pass_time(next.unwrap_or_default().max(Duration::from_millis(10)));
            self.order_starts();
            self.pair();
            self.check();
        }
        assert!(self.jobs.iter().all(|job| job.is_over), "a job was left");
        self.now += IDLE;
        let (gone, _) = self.rules.shrink(self.now);
        self.dismiss(gone);
        let (min, spares) = (self.config.size.min, self.rules.scale.spares());
        let replacements = usize::from(!self.rules.replaced.is_empty());
        assert_eq!(self.rules.scale.target(), min);
        assert_eq!(self.workers.len() + self.starting.len(), min + spares + replacements);
    }

    fn run(&mut self, steps: usize, is_stopped: bool) {
        (0..steps).for_each(|_| self.step());
        if is_stopped {
            self.rules.stop();
            self.is_stopped = true;
            (0..20).for_each(|_| self.step());
        }
        self.settle();
    }
}

#[test]
fn no_job_is_lost_or_doubled_and_no_worker_is_missed_in_any_schedule() {
    for seed in 1..=4000 {
        let steps = if seed % 40 == 0 { 500 } else { 80 };
        let run = AssertUnwindSafe(|| Model::new(seed).run(steps, seed % 2 == 0));
        if let Err(failure) = catch_unwind(run) {
            eprintln!("the schedule of seed {seed} failed");
            resume_unwind(failure);
        }
    }
}

fn rules(size: impl Into<Size>, spares: usize) -> Rules<usize, usize> {
    Rules::new(&Config::default().size(size).spares(spares).queue(QUEUE_MAX).idle_timeout(IDLE))
}

#[test]
fn a_job_accepted_before_a_stop_gets_the_worker_that_it_waits_for() {
    let (mut rules, now) = (rules(0..=1, 0), Instant::now());
    assert!(matches!(rules.submit(1, false, now), Submitted::Queued { .. }));
    rules.stop();
    rules.grow(now);
    assert_eq!(rules.scale.fill(), [1]);
}

#[test]
fn a_job_that_is_put_back_after_the_end_fails() {
    let (mut rules, now) = (rules(1, 0), Instant::now());
    assert!(matches!(rules.submit(1, false, now), Submitted::Queued { .. }));
    assert_eq!(rules.end(), [1]);
    assert_eq!(rules.put_back(vec![(2, false)], now), Err(vec![2]));
}

/// A pool without jobs whose workers are all ready; each worker has the number of its slot.
fn started(size: usize) -> Rules<usize, usize> {
    let mut rules = rules(size, 0);
    let slots = rules.scale.fill();
    slots.into_iter().for_each(|slot| assert!(rules.add(&slot, slot, Instant::now()).is_empty()));
    rules
}

fn lease(rules: &mut Rules<usize, usize>) -> usize {
    match rules.submit(0, false, Instant::now()) {
        Submitted::Leased(worker) => worker,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_with_a_long_job_does_not_delay_the_replacement_of_the_others() {
    let (mut rules, now) = (started(2), Instant::now());
    let long = lease(&mut rules);
    let other = 3 - long;
    assert_eq!(rules.replace(&long), Some(vec![]));
    assert_eq!(rules.scale.fill(), [3]);
    assert!(rules.add(&3, 3, now).is_empty(), "the worker has its job");

    assert_eq!(rules.replace(&other), Some(vec![other]));
    assert!(rules.scale.fill().is_empty(), "all slots are taken until the worker has exited");
    assert!(!rules.scale.refill(other));
    assert_eq!(rules.scale.fill(), [other]);
    assert!(rules.add(&other, other, now).is_empty());

    assert_eq!(rules.next(&long, 0, 1, now, &mut Vec::new()), Next::Leave);
    assert_eq!(rules.workers().len(), 2);
}

#[test]
fn a_worker_that_is_to_be_replaced_is_leased_last() {
    let mut rules = started(3);
    rules.replace(&3);
    let leased: Vec<_> = (0..3).map(|_| lease(&mut rules)).collect();
    assert_eq!(leased, [2, 1, 3]);
}

#[test]
fn a_pool_on_demand_tries_to_start_a_worker_only_while_a_job_waits() {
    let (mut rules, now) = (rules(0..=2, 1), Instant::now());
    for _ in 0..2 {
        assert!(!rules.is_starting());
        rules.submit(1, false, now);
        rules.grow(now);
        assert_eq!(rules.scale.fill(), [1, 2]);
        rules.start_failed();
        assert!(rules.is_starting() && rules.refill(1), "the job still waits");
        rules.cancel(&1);
        assert!(!rules.refill(1) && !rules.refill(2));
        assert!(rules.scale.fill().is_empty());
    }
}

#[test]
fn a_pool_grows_when_its_first_job_has_waited_for_long_however_many_short_ones_came_before() {
    let (mut rules, start) = (rules(1..=4, 0), Instant::now());
    rules.scale.fill();
    rules.add(&1, 1, start);
    let mut now = start;
    for _ in 0..200 {
        lease(&mut rules);
        assert!(matches!(rules.submit(0, false, now), Submitted::Queued { .. }));
        now += GROW_AFTER / 2;
        rules.grow(now);
        rules.next(&1, 0, 1, now, &mut Vec::new());
        assert!(matches!(rules.next(&1, 0, 1, now, &mut Vec::new()), Next::Rest { .. }));
    }
    assert_eq!(rules.scale.target(), 1);
    lease(&mut rules);
    rules.submit(0, false, now);
    rules.grow(now + GROW_AFTER);
    assert_eq!(rules.scale.target(), 2);
}
