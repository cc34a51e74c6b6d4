//! The schedule against any order of events: jobs come and leave, workers start, end their jobs, wear out, retire and crash.
//!
//! A model that knows only sets says what has to be true after each step. Links are real, with nobody at the other end.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Entered, Next, Schedule};
use crate::{
    config::{GROW_AFTER, Size},
    pool::{
        connection::job_state::Exchange,
        connection::socket::{
            Link,
            tests::{exchange, link},
        },
    },
    protocol::parent::Parent,
};

const IDLE: Duration = Duration::from_secs(30);

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// One worker as the model knows it: the jobs that it was given.
type Jobs = Vec<usize>;

struct Model {
    schedule: Schedule,
    dice: Dice,
    now: Instant,
    size: Size,
    spares: usize,
    jobs: Vec<Arc<Exchange>>,
    /// Jobs that wait, in their order.
    waiting: VecDeque<usize>,
    /// Jobs that are over, however they ended.
    over: BTreeSet<usize>,
    /// Workers by place; a place that was told to start has none yet.
    workers: BTreeMap<usize, (Arc<Link>, Jobs)>,
    starting: BTreeSet<usize>,
    /// Workers that were told to go and have not ended yet.
    leaving: Vec<Arc<Link>>,
    /// What crashed workers have left and was not put back yet.
    left: Vec<Jobs>,
    is_stopped: bool,
}

impl Model {
    fn new(seed: u64, size: Size, spares: usize) -> Model {
        let schedule = Schedule::new(size, spares, 10);
        let mut model = Model {
            schedule,
            dice: Dice(seed),
            now: Instant::now(),
            size,
            spares,
            jobs: Vec::new(),
            waiting: VecDeque::new(),
            over: BTreeSet::new(),
            workers: BTreeMap::new(),
            starting: BTreeSet::new(),
            leaving: Vec::new(),
            left: Vec::new(),
            is_stopped: false,
        };
        model.order();
        model
    }

    fn order(&mut self) {
        for place in self.schedule.scale.fill() {
            let is_taken = self.workers.contains_key(&place) || self.leaving.iter().any(|link| link.number == place);
            assert!(!is_taken && self.starting.insert(place), "two workers in one place");
        }
    }

    fn number(&self, exchange: &Arc<Exchange>) -> usize {
        self.jobs.iter().position(|job| Arc::ptr_eq(job, exchange)).unwrap()
    }

    fn give(&mut self, link: &Arc<Link>, exchanges: &[Arc<Exchange>]) {
        for exchange in exchanges {
            let number = self.number(exchange);
            assert!(!self.over.contains(&number), "a job that is over was given away");
            assert_eq!(self.waiting.pop_front().unwrap_or(number), number, "not the first one was taken");
            let (own, jobs) = self.workers.get_mut(&link.number).expect("it lives");
            assert!(Arc::ptr_eq(own, link), "a dead worker was given a job");
            jobs.push(number);
        }
    }

    fn enter(&mut self) {
        let exchange = exchange("", None, self.dice.roll(2) == 0);
        self.jobs.push(Arc::clone(&exchange));
        match self.schedule.enter(&exchange, self.now, self.now + Duration::from_secs(5)) {
            Entered::Leased(link) => {
                assert!(self.waiting.is_empty(), "a job has overtaken others");
                self.give(&link, &[exchange]);
            }
            Entered::Queued => self.waiting.push_back(self.jobs.len() - 1),
            Entered::Full => {
                assert!(self.waiting.len() >= 10, "a job was refused although there was room");
                self.over.insert(self.jobs.len() - 1);
            }
            Entered::Stopping => {
                assert!(self.is_stopped, "nobody stopped it");
                self.over.insert(self.jobs.len() - 1);
            }
        }
    }

    fn pair(&mut self) {
        while let Some((link, exchange)) = self.schedule.pair() {
            self.give(&link, &[exchange]);
            self.schedule.has_passed();
        }
    }

    fn dismiss(&mut self, gone: Vec<Arc<Link>>) {
        for link in gone {
            let (_, jobs) = self.workers.remove(&link.number).expect("only a worker that lives is sent away");
            assert!(jobs.is_empty(), "a worker with a job was sent away");
            self.leaving.push(link);
        }
    }

    /// Workers go whose replacement is there.
    fn replace(&mut self, gone: Vec<Arc<Link>>) {
        let (is_any, scale) = (!gone.is_empty(), &self.schedule.scale);
        let size = scale.target() + scale.spares();
        self.dismiss(gone);
        assert!(!is_any || self.workers.len() >= size, "a worker has left a gap");
    }

    /// A worker that was being started is ready.
    fn start(&mut self) {
        if let Some(place) = self.starting.pop_first() {
            let link = link(place, 0, Parent::new([0; 32], 0));
            self.workers.insert(place, (Arc::clone(&link), Vec::new()));
            let gone = self.schedule.add(&link, self.now);
            self.dismiss(gone);
        }
    }

    fn any_worker(&mut self) -> Option<Arc<Link>> {
        let nth = self.dice.roll(self.workers.len().max(1));
        self.workers.values().nth(nth).map(|(link, _)| Arc::clone(link))
    }

    /// A worker ends its first job.
    fn finish(&mut self) {
        let Some(link) = self.any_worker() else { return };
        let (_, jobs) = self.workers.get_mut(&link.number).unwrap();
        if jobs.is_empty() {
            return;
        }
        self.over.insert(jobs.remove(0));
        let (in_flight, room) = (jobs.len(), 1 + self.dice.roll(4));
        let mut batch = Vec::new();
        let next = self.schedule.next(&link, in_flight, room, self.now, &mut batch);
        assert!(batch.len() <= room, "more than there is room for");
        self.give(&link, &batch);
        match next {
            Next::Work => assert!(in_flight + batch.len() > 0, "a worker was forgotten"),
            Next::Rest => assert!(self.schedule.is_idle(&link)),
            Next::Leave => self.replace(vec![link]),
        }
    }

    /// A worker dies; what becomes of its jobs is known later.
    fn crash(&mut self) {
        let Some(link) = self.any_worker() else { return };
        let (_, jobs) = self.workers.remove(&link.number).unwrap();
        if jobs.is_empty() {
            self.schedule.remove(&link);
        } else {
            self.schedule.remove_with_jobs(&link);
            self.left.push(jobs);
        }
        self.end(link.number);
    }

    /// The first job of a dead worker is over, and those that it had not started go back.
    fn bury(&mut self) {
        let Some(mut jobs) = self.left.pop() else { return };
        self.over.insert(jobs.remove(0));
        let back = jobs.iter().map(|number| Arc::clone(&self.jobs[*number])).collect();
        jobs.into_iter().rev().for_each(|number| self.waiting.push_front(number));
        self.schedule.put_back(back, self.now, self.now + Duration::from_secs(5));
        self.schedule.has_passed();
    }

    /// A worker could not be started.
    fn fail(&mut self) {
        if let Some(place) = self.starting.pop_first() {
            self.schedule.give_up();
            self.end(place);
        }
    }

    /// The place of a worker that has ended is filled again, if it is wanted.
    fn end(&mut self, place: usize) {
        if self.schedule.scale.refill(place) {
            self.starting.insert(place);
        }
        self.order();
    }

    fn step(&mut self) {
        match self.dice.roll(14) {
            0..3 => self.enter(),
            3..6 => self.finish(),
            6..8 => self.start(),
            8 => self.crash(),
            9 => {
                if let Some(link) = self.any_worker() {
                    let gone = self.schedule.wear_out(&link).unwrap_or_default();
                    self.replace(gone);
                }
            }
            10 => {
                self.now += [Duration::from_millis(1), Duration::from_secs(1), IDLE][self.dice.roll(3)];
                self.schedule.grow(self.now);
                let (gone, _) = self.schedule.shrink(self.now, IDLE);
                self.dismiss(gone);
                let (late, _) = self.schedule.expire(self.now);
                for exchange in late {
                    let number = self.number(&exchange);
                    self.waiting.retain(|waiting| *waiting != number);
                    assert!(self.over.insert(number), "a job ended twice");
                }
            }
            11 => self.bury(),
            12 => self.fail(),
            _ => {
                if let Some(link) = self.leaving.pop() {
                    self.end(link.number);
                }
            }
        }
        self.order();
        self.pair();
        self.check();
    }

    fn check(&self) {
        let at_work = self.workers.values().flat_map(|(_, jobs)| jobs);
        let running: Vec<usize> = at_work.chain(self.left.iter().flatten()).copied().collect();
        let unique: BTreeSet<_> = running.iter().chain(&self.waiting).chain(&self.over).copied().collect();
        assert_eq!(running.len() + self.waiting.len() + self.over.len(), unique.len(), "a job is in two places");
        assert_eq!(unique.len(), self.jobs.len(), "a job is lost");
        let is_done = self.over.len() == self.jobs.len();
        assert_eq!(self.schedule.is_drained(), self.is_stopped && is_done, "drained is who has no job left");
        assert_eq!(self.schedule.queued(), self.waiting.len());
        let busy = self.workers.values().filter(|(_, jobs)| !jobs.is_empty()).count();
        assert_eq!(self.schedule.busy(), busy);
        assert_eq!(self.schedule.links.len(), self.workers.len());
        let target = self.schedule.scale.target();
        assert!((self.size.min..=self.size.max).contains(&target));
        assert!(busy <= self.size.max, "more run than may");
        let idle = self.workers.len() - busy;
        assert!(self.waiting.is_empty() || idle == 0 || busy >= target, "a job waits beside a worker that may take it");
        let may_go = |link: &Arc<Link>| self.schedule.worn.contains(&link.number) && self.schedule.is_idle(link);
        let is_blocked = self.schedule.has_replacement() && self.workers.values().any(|(link, _)| may_go(link));
        assert!(!is_blocked, "a worker idles although its replacement does, too");
        let places = self.workers.len() + self.starting.len() + self.leaving.len();
        assert!(places <= self.size.max + self.spares + 1 + self.leaving.len(), "too many workers");
    }

    /// Without new events everything that waits is done, and the pool has the workers that it should have.
    fn settle(&mut self) {
        let mut steps = 0;
        while steps < 1000
            && (self.over.len() < self.jobs.len() || !self.starting.is_empty() || !self.leaving.is_empty())
        {
            steps += 1;
            while let Some(link) = self.leaving.pop() {
                self.end(link.number);
            }
            self.bury();
            self.start();
            self.finish();
            self.now += Duration::from_millis(10);
            self.schedule.grow(self.now);
            self.order();
            self.pair();
            self.check();
        }
        assert_eq!(self.over.len(), self.jobs.len(), "a job was left");
        self.now += IDLE;
        let (gone, _) = self.schedule.shrink(self.now, IDLE);
        self.dismiss(gone);
        let spares = self.spares.min(self.schedule.scale.target());
        let is_turning = usize::from(!self.schedule.worn.is_empty());
        assert_eq!(self.schedule.scale.target(), self.size.min);
        assert_eq!(self.workers.len() + self.starting.len(), self.size.min + spares + is_turning);
    }
}

#[tokio::test]
async fn no_job_is_lost_or_doubled_and_no_worker_is_missed_whatever_happens() {
    for seed in 1..=100_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (min, more, spares) = (dice.roll(3), dice.roll(3), dice.roll(3));
        let size = Size { min, max: (min + more).max(1) };
        let mut model = Model::new(dice.0, size, spares);
        (0..300).for_each(|_| model.step());
        if seed % 2 == 0 {
            model.schedule.stop();
            model.is_stopped = true;
            (0..20).for_each(|_| model.step());
        }
        model.settle();
    }
}

#[test]
fn a_job_accepted_before_a_stop_gets_the_worker_that_it_waits_for() {
    let (mut schedule, now) = (Schedule::new((0..=1).into(), 0, 10), Instant::now());
    let job = exchange("", None, false);
    assert!(matches!(schedule.enter(&job, now, now + IDLE), Entered::Queued));
    schedule.stop();
    schedule.grow(now);
    assert_eq!(schedule.scale.fill(), [1]);
}

/// A pool without jobs whose workers have all been started.
fn started(size: usize) -> (Schedule, Vec<Arc<Link>>) {
    let mut schedule = Schedule::new(size.into(), 0, 10);
    let links = schedule.scale.fill().into_iter().map(|place| add(&mut schedule, place).0).collect();
    (schedule, links)
}

/// A worker becomes ready; returns it and the places of those that go.
fn add(schedule: &mut Schedule, place: usize) -> (Arc<Link>, Vec<usize>) {
    let link = link(place, 0, Parent::new([0; 32], 0));
    let gone = schedule.add(&link, Instant::now());
    (link, gone.iter().map(|link| link.number).collect())
}

fn lease(schedule: &mut Schedule) -> Arc<Link> {
    let now = Instant::now();
    match schedule.enter(&exchange("", None, false), now, now) {
        Entered::Leased(link) => link,
        _ => panic!("nobody is idle"),
    }
}

#[tokio::test]
async fn a_worker_with_a_long_job_does_not_hold_back_the_replacement_of_the_others() {
    let (mut schedule, links) = started(2);
    let long = lease(&mut schedule);
    let other = links.iter().find(|link| link.number != long.number).unwrap();
    assert!(schedule.wear_out(&long).is_some_and(|gone| gone.is_empty()));
    assert_eq!(schedule.scale.fill(), [3]);
    assert!(add(&mut schedule, 3).1.is_empty(), "it has its job");

    let gone = schedule.wear_out(other).unwrap();
    assert_eq!(gone.iter().map(|link| link.number).collect::<Vec<_>>(), [other.number]);
    assert!(schedule.scale.fill().is_empty(), "all places are taken until it has ended");
    assert!(!schedule.scale.refill(other.number));
    assert_eq!(schedule.scale.fill(), [other.number]);
    assert!(add(&mut schedule, other.number).1.is_empty());

    assert_eq!(schedule.next(&long, 0, 1, Instant::now(), &mut Vec::new()), Next::Leave);
    assert_eq!(schedule.links.len(), 2);
}

#[tokio::test]
async fn a_worker_that_is_to_be_replaced_is_leased_last() {
    let (mut schedule, links) = started(3);
    schedule.wear_out(&links[2]);
    let leased: Vec<_> = (0..3).map(|_| lease(&mut schedule).number).collect();
    assert_eq!(leased, [2, 1, 3]);
}

#[test]
fn a_pool_on_demand_tries_to_start_a_worker_only_while_a_job_waits() {
    let (mut schedule, now) = (Schedule::new((0..=2).into(), 1, 10), Instant::now());
    let job = exchange("", None, false);
    for _ in 0..2 {
        assert!(!schedule.is_starting());
        schedule.enter(&job, now, now + IDLE);
        schedule.grow(now);
        assert_eq!(schedule.scale.fill(), [1, 2]);
        schedule.give_up();
        assert!(schedule.is_starting() && schedule.scale.refill(1), "the job still waits");
        schedule.forget(&job);
        schedule.give_up();
        assert!(!schedule.scale.refill(1) && !schedule.scale.refill(2));
        assert!(schedule.scale.fill().is_empty());
    }
}

#[tokio::test]
async fn a_pool_grows_when_its_first_job_has_waited_for_long_however_many_short_ones_came_before() {
    let (mut schedule, start) = (Schedule::new((1..=4).into(), 0, 10), Instant::now());
    schedule.scale.fill();
    let worker = add(&mut schedule, 1).0;
    let mut now = start;
    for _ in 0..200 {
        lease(&mut schedule);
        let job = exchange("", None, false);
        assert!(matches!(schedule.enter(&job, now, now + IDLE), Entered::Queued));
        now += GROW_AFTER / 2;
        schedule.grow(now);
        schedule.next(&worker, 0, 1, now, &mut Vec::new());
        assert_eq!(schedule.next(&worker, 0, 1, now, &mut Vec::new()), Next::Rest);
    }
    assert_eq!(schedule.scale.target(), 1);
    lease(&mut schedule);
    schedule.enter(&exchange("", None, false), now, now + IDLE);
    schedule.grow(now + GROW_AFTER);
    assert_eq!(schedule.scale.target(), 2);
}
