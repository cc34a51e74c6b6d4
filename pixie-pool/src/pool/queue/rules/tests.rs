//! The rules of a whole pool on simulated time, without processes, sockets or a runtime: single cases here,
//! random schedules in `schedules`.

mod schedules;

use std::{
    cell::RefCell,
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{Next, Place, Reader, Rules, Submitted};
use crate::config::{Config, GROW_AFTER, Size};

const IDLE: Duration = Duration::from_secs(30);
const QUEUE_MAX: usize = 10;

thread_local! {
    /// The workers that run a job of the shared queue.
    static BUSY: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
}

impl Reader for usize {
    fn is_busy(&self) -> bool {
        BUSY.with_borrow(|busy| busy.contains(self))
    }
}

fn rules(size: impl Into<Size>, spares: usize) -> Rules<usize, usize> {
    Rules::new(&config(size, spares), false)
}

fn config(size: impl Into<Size>, spares: usize) -> Config {
    Config::default().size(size).spares(spares).queue(QUEUE_MAX).idle_timeout(IDLE)
}

#[test]
fn a_job_accepted_before_a_stop_gets_the_worker_that_it_waits_for() {
    let (mut rules, now) = (rules(0..=1, 0), Instant::now());
    assert!(matches!(rules.submit(1, None, now), Submitted::Queued { .. }));
    rules.stop();
    rules.grow(now);
    assert_eq!(rules.scale.fill(), [1]);
}

#[test]
fn a_job_that_is_put_back_after_the_end_fails() {
    let (mut rules, now) = (rules(1, 0), Instant::now());
    assert!(matches!(rules.submit(1, None, now), Submitted::Queued { .. }));
    assert_eq!(rules.end(), [1]);
    let back = vec![rules.requeued(2, now)];
    assert_eq!(rules.put_back(back), Err(vec![2]));
}

/// A pool without jobs whose workers are all ready; each worker has the number of its slot.
fn started(size: usize) -> Rules<usize, usize> {
    let mut rules = rules(size, 0);
    let slots = rules.scale.fill();
    slots.into_iter().for_each(|slot| assert!(rules.add(&slot, slot, Instant::now()).is_empty()));
    rules
}

fn lease(rules: &mut Rules<usize, usize>) -> usize {
    match rules.submit(0, None, Instant::now()) {
        Submitted::Sent(Place::Worker(worker), _) => worker,
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

    assert_eq!(rules.rest(&long, false, now), Next::Leave);
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
        rules.submit(1, None, now);
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
        assert!(matches!(rules.submit(0, None, now), Submitted::Queued { .. }));
        now += GROW_AFTER / 2;
        rules.grow(now);
        assert_eq!(rules.rest(&1, false, now), Next::Rest);
        assert!(matches!(rules.pair(), Some((Place::Worker(1), _))));
        rules.has_passed();
        assert_eq!(rules.rest(&1, false, now), Next::Rest);
    }
    assert_eq!(rules.scale.target(), 1);
    lease(&mut rules);
    rules.submit(0, None, now);
    rules.grow(now + GROW_AFTER);
    assert_eq!(rules.scale.target(), 2);
}

#[test]
fn clients_take_turns_and_jobs_that_were_put_back_come_before() {
    let (mut rules, now) = (rules(0..=1, 0), Instant::now());
    for (job, client) in [(1, None), (2, None), (3, None), (4, Some(7)), (5, Some(8)), (6, Some(7)), (7, None)] {
        assert!(matches!(rules.submit(job, client, now), Submitted::Queued { refused: None, .. }));
    }
    let back = [8, 9].map(|job| rules.requeued(job, now)).into();
    rules.put_back(back).unwrap();
    rules.cancel(&5);
    rules.scale.grow(1);
    let order: Vec<usize> = std::iter::from_fn(|| {
        rules.add(&1, 1, now);
        let (_, queued) = rules.pair()?;
        rules.has_passed();
        rules.remove(&1, false, false);
        Some(queued.job)
    })
    .collect();
    assert_eq!(order, [8, 9, 1, 4, 2, 6, 3, 7]);
    assert!(!rules.has_waiting() && rules.oldest().is_none());
}

#[test]
fn a_client_that_fills_the_queue_makes_room_for_others_until_all_have_as_many() {
    let (mut rules, now) = (rules(0..=1, 0), Instant::now());
    let mut submit = |job, client| match rules.submit(job, Some(client), now) {
        Submitted::Queued { refused, .. } => Some(refused),
        _ => None,
    };
    (0..QUEUE_MAX).for_each(|job| assert_eq!(submit(job, 1), Some(None)));
    assert_eq!(submit(100, 1), None, "its own jobs are refused");
    let last: Vec<usize> = (QUEUE_MAX / 2..QUEUE_MAX).rev().collect();
    last.iter().for_each(|job| assert_eq!(submit(200, 2), Some(Some(*job)), "the last job gives way"));
    assert_eq!(submit(200, 2), None);
    assert!(submit(300, 3).is_some_and(|refused| refused.is_some()));
    assert_eq!(rules.queued(), QUEUE_MAX);
}

#[test]
fn each_job_waits_for_its_queue_timeout_and_no_longer_whoever_it_is_for() {
    let (mut rules, now) = (rules(0..=1, 0), Instant::now());
    let wait = Config::default().queue_timeout;
    for (job, after) in [(1, 0), (2, 2), (3, 1), (4, 3)] {
        let at = now + Duration::from_millis(after);
        rules.submit(job, Some(job as u64 % 2), at);
    }
    let back = vec![rules.requeued(5, now + Duration::from_millis(5))];
    rules.put_back(back).unwrap();
    assert_eq!((rules.oldest(), rules.expire(now)), (Some(now), (vec![], Some(now + wait))));
    for (job, after) in [(1, 0), (3, 1), (2, 2), (4, 3), (5, 5)] {
        let (late, next) = rules.expire(now + wait + Duration::from_millis(after));
        assert_eq!((late, next.is_some()), (vec![job], job != 5));
    }
}

/// Takes the places that are free in a shared queue; returns how many.
fn fill(rules: &mut Rules<usize, usize>, now: Instant) -> usize {
    (0..).take_while(|job| matches!(rules.submit(*job, None, now), Submitted::Sent(Place::Shared, _))).count()
}

#[test]
fn the_shared_socket_holds_what_workers_end_soon_and_no_more() {
    let mut rules: Rules<usize, usize> = Rules::new(&config(2, 1).queue(100), true);
    let mut now = Instant::now();
    for slot in rules.scale.fill() {
        rules.add(&slot, slot, now);
    }
    assert_eq!(rules.open(now), [1, 2], "the spare worker does not read");
    assert_eq!(fill(&mut rules, now), 2, "nothing is known about these jobs");
    // Ten jobs end in each interval.
    for _ in 0..20 {
        now += GROW_AFTER / 10;
        rules.ended(1, now);
        rules.pair().unwrap();
        rules.has_passed();
        fill(&mut rules, now);
    }
    assert!((11..=13).contains(&(rules.busy() + rules.free.prefetched())), "{rules:?}");
    // No job ends any longer.
    for _ in 0..2 {
        now += 2 * GROW_AFTER;
        rules.taken_back(rules.free.prefetched(), now);
    }
    assert!(rules.pair().is_none(), "the queue keeps its jobs");
    assert_eq!((rules.busy(), rules.remove(&1, true, false), rules.open(now)), (2, (), vec![3]));
}
