//! The workers of a pool as they come and go: wanted, ready, weighed, replaced, ended.
//!
//! Owns the steps that follow from each of these. Leaves how many there should be to `scale`, which one goes to `schedule`, and a
//! worker's own life to `slot`. Rule: whatever makes another worker necessary orders it at once, or arms the clock that will.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Boot, REFUSED_BROKEN, Shared, lock};
use crate::{
    config::MEMORY_LOOK,
    error::Error,
    platform,
    pool::{
        connection::kill::{Closed, Kill},
        connection::sent_job::Flight,
        connection::socket::{Link, Weight},
        process::child::NotBooted,
        process::exit_report::last_lines,
        queue::restarts::Reached,
    },
};

impl Shared {
    /// Waits until a worker is to be started in this place; false once the pool ends.
    pub(crate) async fn is_wanted(&self, place: usize) -> bool {
        let mut ending = self.ending.subscribe();
        tokio::select! {
            biased;
            _ = ending.wait_for(|e| *e) => false,
            () = self.starts[place - 1].notified() => true,
        }
    }

    /// Tells whether the next worker is to be started in a place whose worker has ended or did not start.
    pub(crate) fn is_refilled(&self, place: usize) -> bool {
        let is_failing = self.restarts().is_failing();
        let mut schedule = self.schedule();
        if is_failing {
            schedule.give_up();
        }
        let is_refilled = schedule.scale.refill(place);
        drop(schedule);
        // Others may be wanted that this one was still counted as.
        self.order();
        is_refilled
    }

    /// Asks for as many starts as there are workers missing.
    pub(crate) fn order(&self) {
        let places = self.schedule().scale.fill();
        places.into_iter().for_each(|place| self.starts[place - 1].notify_one());
    }

    /// Lets more workers run if jobs wait for too long.
    pub(super) fn grow(self: &Arc<Self>, now: Instant) {
        if let Some(due) = self.schedule().grow(now) {
            self.clock.arm(due);
        }
        self.order();
        self.pair();
    }

    /// Has the clock look at the workers' ages, because one is new.
    pub(super) fn look_at_ages(&self, now: Instant) {
        if self.config.recycle_age.is_some() {
            self.clock.arm(now);
        }
    }

    /// Has a worker replaced that has done enough.
    pub(super) fn wear_out(&self, link: &Arc<Link>) {
        let Some(gone) = self.schedule().wear_out(link) else {
            return;
        };
        self.dismiss(&gone);
        self.order();
    }

    /// Lets workers go that have no job and are not listed any more.
    pub(super) fn dismiss(&self, links: &[Arc<Link>]) {
        links.iter().for_each(|link| link.close(Closed::Killed(Kill::Retire)));
    }

    /// Adds a worker that is ready.
    pub(crate) fn add(self: &Arc<Self>, link: &Arc<Link>) {
        self.restarts().ready();
        let now = Instant::now();
        let mut schedule = self.schedule();
        let gone = schedule.add(link, now);
        let may_shrink = schedule.scale.may_shrink();
        drop(schedule);
        self.dismiss(&gone);
        // Of several that are to be replaced, the next one's turn may have come.
        self.order();
        if may_shrink {
            self.clock.arm(now + self.config.idle_timeout);
        }
        self.look_at_ages(now);
        if *self.ending.borrow() {
            link.close(Closed::Killed(Kill::Stop));
        }
        let is_first = self.boot.send_if_modified(|boot| !std::mem::replace(&mut boot.is_ready, true));
        if is_first {
            self.config.sandbox.report(&self.name, (!self.is_threaded()).then_some(&link.sandbox));
            if let Err(why) = self.check_weighing(link.pid) {
                tracing::warn!(pool = %self.name, "{why}");
            }
        }
        tracing::debug!(pool = %self.name, worker = link.number, pid = link.pid, "a worker is ready");
        self.pair();
    }

    /// Removes a worker that has ended; if it leaves jobs, the pool is not drained before [`Shared::has_passed`].
    pub(crate) fn remove(self: &Arc<Self>, link: &Arc<Link>, closed: Closed, left: &VecDeque<Flight>) {
        match left.is_empty() {
            true => self.schedule().remove(link),
            false => self.schedule().remove_with_jobs(link),
        }
        self.look_for_drained();
        self.count(|c| {
            c.jobs += link.jobs();
            match closed {
                Closed::Killed(Kill::Deadline) => c.kills_deadline += 1,
                Closed::Killed(Kill::CpuTime) => c.kills_cpu_time += 1,
                Closed::Killed(Kill::Memory) => c.kills_memory += 1,
                Closed::Killed(Kill::Cancel) => c.kills_cancel += 1,
                Closed::Killed(Kill::Idle) => c.kills_idle += 1,
                Closed::Killed(Kill::Protocol) => c.kills_protocol += 1,
                Closed::Killed(Kill::Stuck) => c.kills_stuck += 1,
                Closed::Killed(Kill::Retire) if link.is_worn() => c.recycled += 1,
                Closed::Killed(Kill::Retire) => c.retired += 1,
                Closed::Killed(Kill::Stop) | Closed::Exited => {}
            }
        });
        self.pair();
    }

    /// Notes a start that failed; returns how long to wait before the next.
    pub(crate) fn boot_failed(&self, number: usize, failure: &NotBooted) -> Duration {
        let (why, stderr) = (&failure.why, last_lines(&failure.stderr));
        let stderr = (!stderr.is_empty()).then_some(&*stderr);
        tracing::error!(pool = %self.name, worker = number, cause = %why, stderr, "starting a worker failed");
        self.count(|c| c.start_failures += 1);
        self.metrics.boot_failed();
        let mut restarts = self.restarts();
        let pause = restarts.died(Reached::Nothing);
        drop(restarts);
        let is_broken = self.is_broken();
        self.boot.send_modify(|boot| {
            boot.failures += 1;
            boot.failure = format!("worker {number}: {failure}");
        });
        let mut schedule = self.schedule();
        if is_broken && schedule.links.is_empty() {
            let waiting = schedule.clear();
            drop(schedule);
            self.count(|c| c.refused_broken += waiting.len() as u64);
            self.metrics.refused(REFUSED_BROKEN, waiting.len());
            waiting.iter().for_each(|exchange| exchange.fail(Error::Unavailable { retry_after: pause }));
            self.look_for_drained();
        }
        pause
    }

    pub(super) fn is_weighed(&self) -> bool {
        !self.is_threaded() && (self.config.memory.is_some() || self.config.recycle_memory.is_some())
    }

    /// Says why a limit of memory cannot be watched, if there is one and the size of this worker cannot be read.
    pub(crate) fn check_weighing(&self, pid: u32) -> Result<(), String> {
        let is_left_to_cgroups = self.cgroups().is_some() && self.config.recycle_memory.is_none();
        if !self.is_weighed() || is_left_to_cgroups {
            return Ok(());
        }
        platform::resident_bytes(pid).map(drop).map_err(|error| {
            format!(
                "what its workers hold of memory cannot be read, so nobody is ended or replaced for it ({error}); where /proc is \
                 mounted with `hidepid`, a sandboxed worker is hidden: mount it without, or with `gid=` a group of this process"
            )
        })
    }

    /// Looks at the memory of all workers now and then, for the last time after the last job; returns when to look again.
    pub(super) fn weigh(&self, now: Instant) -> Option<Instant> {
        if !self.is_weighed() {
            return None;
        }
        let mut looked = lock(&self.memory_looked);
        if now < *looked + MEMORY_LOOK {
            return Some(*looked + MEMORY_LOOK);
        }
        *looked = now;
        let memory = self.memory();
        let recycle = self.config.recycle_memory.as_ref().and_then(|bytes| bytes.bytes().ok());
        let links = self.schedule().links.clone();
        for link in &links {
            match link.weigh(memory, recycle) {
                Weight::Fine | Weight::Over(None) => {}
                Weight::Large => self.wear_out(link),
                Weight::Over(Some(exchange)) => {
                    exchange.fail(Error::Memory);
                    self.metrics.count(Kill::Memory.outcome());
                }
            }
        }
        links.iter().any(|link| link.is_busy()).then_some(now + MEMORY_LOOK)
    }

    /// Has the workers replaced that are old enough; returns when the next one is.
    pub(super) fn replace_worn(&self, now: Instant) -> Option<Instant> {
        self.config.recycle_age.filter(|_| !self.is_threaded())?;
        let links = self.schedule().links.clone();
        let (old, young): (Vec<_>, Vec<_>) =
            links.into_iter().filter_map(|link| Some((link.worn_at()?, link))).partition(|(at, _)| *at <= now);
        old.iter().for_each(|(_, link)| self.wear_out(link));
        young.into_iter().map(|(at, _)| at).min()
    }

    /// Waits until the first worker is ready, or every first start has failed.
    pub(crate) async fn first_ready(&self) -> Result<(), String> {
        let mut boot = self.boot.subscribe();
        if self.config.jobs_at_once().min == 0 {
            return Ok(());
        }
        let first = self.schedule().scale.at_first();
        let is_decided = |boot: &Boot| boot.is_ready || boot.failures >= first;
        let mut ending = self.ending.subscribe();
        let decided = tokio::select! {
            decided = boot.wait_for(is_decided) => decided,
            _ = ending.wait_for(|e| *e) => return Err("the runtime is shutting down".to_owned()),
        };
        match decided.as_deref() {
            Ok(Boot { is_ready: true, .. }) => Ok(()),
            Ok(Boot { failure, .. }) => Err(failure.clone()),
            Err(_) => Err("the runtime is shutting down".to_owned()),
        }
    }

    /// Notes that nobody keeps this place any more.
    pub(crate) fn left(&self, place: usize) {
        self.boot.send_modify(|boot| {
            boot.failures += 1;
            boot.failure = format!("worker {place}: the task that starts it has ended");
        });
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        pool::{process::handshake::Rendezvous, process::worker::Place},
    };

    #[tokio::test]
    async fn a_start_fails_when_no_place_is_kept_any_more() {
        let config = Config::default().size(2).spares(0);
        let shared = Arc::new(Shared::new(config, Arc::new(drop), Rendezvous::open(None).unwrap(), None));
        for number in 1..=2 {
            drop(Place { shared: Arc::clone(&shared), number });
        }
        assert!(shared.first_ready().await.unwrap_err().contains("has ended"));
    }

    #[tokio::test]
    async fn a_limit_of_memory_that_cannot_be_watched_is_told() {
        let of = |config: Config| Shared::new(config, Arc::new(drop), Rendezvous::open(None).unwrap(), None);
        let (limited, free) = (of(Config::default().recycle_memory("1GB")), of(Config::default()));
        let (own, nobody) = (std::process::id(), u32::MAX);
        assert_eq!((limited.check_weighing(own), free.check_weighing(nobody)), (Ok(()), Ok(())));
        assert!(limited.check_weighing(nobody).unwrap_err().contains("`hidepid`"));
    }
}
