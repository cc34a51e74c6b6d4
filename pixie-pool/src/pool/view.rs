//! A pool as it looks at one moment.
//!
//! Owns the making of a [`Snapshot`]. Rule: it takes each lock once, for moments, so that looking does not slow a pool down.

use std::collections::BTreeMap;

use crate::{
    platform,
    pool::{connection::socket::Link, shared::Shared},
    snapshot::{Snapshot, WorkerSnapshot, WorkerState},
};

impl Shared {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut counts = self.counts();
        let is_broken = self.is_broken();
        let schedule = self.schedule();
        let mut workers: BTreeMap<usize, WorkerSnapshot> =
            schedule.scale.filled().map(|number| (number, starting(number))).collect();
        for link in &schedule.links {
            counts.jobs += link.jobs();
            workers.insert(link.number, look_at(link, schedule.is_idle(link)));
        }
        let ready = schedule.links.len();
        let snapshot = Snapshot {
            name: self.config.name.clone(),
            size: schedule.scale.target(),
            size_max: self.config.jobs_at_once().max,
            idle: ready.saturating_sub(schedule.busy()),
            spares: ready.saturating_sub(schedule.scale.target()),
            busy: schedule.busy(),
            queued: schedule.queued(),
            oldest_wait: schedule.oldest().map(|since| since.elapsed()),
            is_broken,
            workers: workers.into_values().collect(),
            counts,
        };
        drop(schedule);
        let snapshot = with_memory(snapshot, self.is_threaded());
        self.metrics.show(&snapshot);
        snapshot
    }
}

fn starting(number: usize) -> WorkerSnapshot {
    WorkerSnapshot {
        number,
        state: WorkerState::Starting,
        pid: None,
        sandbox: None,
        jobs: 0,
        label: None,
        running_for: None,
        request_id: None,
        age: None,
        memory_limit: None,
        memory: None,
    }
}

fn look_at(link: &Link, is_idle: bool) -> WorkerSnapshot {
    let (name, since) = link.running().map(|running| (running.name, running.since)).unzip();
    WorkerSnapshot {
        state: if is_idle { WorkerState::Idle } else { WorkerState::Busy },
        pid: Some(link.pid),
        sandbox: Some(link.sandbox),
        jobs: link.jobs(),
        running_for: since.map(|since| since.elapsed()),
        request_id: name.as_ref().and_then(|name| name.request_id.clone()),
        label: name.map(|name| name.label),
        age: Some(link.age()),
        memory_limit: link.memory_limit,
        ..starting(link.number)
    }
}

/// Asks the system, which takes longer than a lock should be held.
fn with_memory(mut snapshot: Snapshot, is_threaded: bool) -> Snapshot {
    for worker in snapshot.workers.iter_mut().filter(|_| !is_threaded) {
        worker.memory = worker.pid.and_then(|pid| platform::resident_bytes(pid).ok());
    }
    snapshot
}
