//! Random schedules, and what must be true after each event. A failure prints the seed of its schedule.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use super::{IDLE, Model};
use crate::config::BREAKER_START_FAILURES;

impl Model {
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
