//! The rules of a whole pool on simulated time, without processes, sockets or a runtime: single cases here,
//! random schedules in `schedules`.

mod schedules;

use std::time::{Duration, Instant};

use super::{Next, Rules, Submitted};
use crate::config::{Config, GROW_AFTER, Size};

const IDLE: Duration = Duration::from_secs(30);
const QUEUE_MAX: usize = 10;

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
    assert_eq!(rules.put_back(vec![(false, 2)], now), Err(vec![2]));
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
