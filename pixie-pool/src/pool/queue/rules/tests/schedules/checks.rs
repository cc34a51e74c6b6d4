//! Random schedules, and what must be true after each event. A failure prints the seed of its schedule.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use super::{IDLE, Model, Worker};
use crate::config::BREAKER_START_FAILURES;

impl Model {
    fn step(&mut self) {
        match self.dice.roll(25) {
            0..5 => self.submit(),
            5..9 => self.finish(),
            9..12 => self.ready(),
            20..23 => self.claim(),
            23 => self.take_back(),
            24 => self.retire(),
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
        let running = self.workers.values().filter_map(|worker| worker.job);
        let left = self.left.iter().map(|left| left.job);
        let socket = self.socket.iter().chain(&self.lost).map(|queued| queued.job);
        let mut places: Vec<usize> = self.jobs.iter().map(|job| usize::from(job.is_over)).collect();
        let all = running.clone().chain(left).chain(socket.clone()).chain(self.waiting.iter().copied());
        all.for_each(|job| places[job] += 1);
        assert!(places.iter().all(|count| *count == 1), "jobs are lost or in two places: {places:?}");
        let is_done = self.jobs.iter().all(|job| job.is_over) && self.left.is_empty();
        assert_eq!(self.rules.is_drained(), self.is_stopped && is_done, "a pool without jobs is drained");
        let (busy, sent) = (running.count(), self.rules.busy() + self.rules.free.prefetched());
        assert_eq!(sent, busy + socket.count());
        assert_eq!(self.rules.queued() + self.rules.busy(), self.waiting.len() + sent);
        assert_eq!(self.rules.workers().len(), self.workers.len());
        let (target, size) = (self.rules.scale.target(), self.config.size);
        assert!((size.min..=size.max).contains(&target) && busy <= size.max, "more jobs run than may");
        let is_idle = |worker: &Worker| worker.job.is_none() && (worker.is_open || !self.is_shared);
        let idle = self.workers.values().filter(|worker| is_idle(worker)).count();
        let has_free = idle > self.socket.len() + self.lost.len() && busy < target;
        assert!(self.waiting.is_empty() || !has_free, "a job waits while a worker is free");
        let is_replaced =
            |number: &usize| self.rules.replaced.contains(&self.workers[number].slot) && is_idle(&self.workers[number]);
        let is_blocked = self.rules.has_replacement() && self.workers.keys().any(is_replaced);
        assert!(!is_blocked, "a worker and its replacement are idle");
        // Slots are distinct, so this limits the processes, too.
        let slots: BTreeSet<usize> = self.workers.values().map(|worker| worker.slot).collect();
        let all = slots.len() + self.retired.len() + self.starting.len() + self.leaving.len() + self.pauses.len();
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
                && self.retired.is_empty()
                && self.left.is_empty())
        {
            steps += 1;
            self.retire();
            self.leave();
            self.settle_left();
            self.ready();
            self.take_back();
            self.pair();
            self.claim();
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
