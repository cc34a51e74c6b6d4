//! A pool as it looks at one moment.
//!
//! Owns the making of a [`Snapshot`]. Rule: it takes each lock once, for moments, so that looking does not slow a pool down.

use crate::{
    platform,
    pool::{link::Link, shared::Shared},
    snapshot::{Snapshot, WorkerSnapshot, WorkerState},
};

impl Shared {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut counts = self.counts();
        let is_broken = self.restarts().is_broken();
        let schedule = self.schedule();
        let mut workers: Vec<WorkerSnapshot> = (1..=self.slots()).map(starting).collect();
        for link in &schedule.links {
            counts.jobs += link.jobs();
            if let Some(worker) = workers.get_mut(link.number - 1) {
                *worker = look_at(link, schedule.is_idle(link));
            }
        }
        let ready = schedule.links.len();
        let snapshot = Snapshot {
            name: self.config.name.clone(),
            size: schedule.size(),
            idle: ready.saturating_sub(schedule.busy()),
            spares: ready.saturating_sub(schedule.size()),
            busy: schedule.busy(),
            queued: schedule.queued(),
            oldest_wait: schedule.oldest().map(|since| since.elapsed()),
            is_broken,
            workers,
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
        jobs: 0,
        label: None,
        running_for: None,
        request_id: None,
        age: None,
        memory: None,
    }
}

fn look_at(link: &Link, is_idle: bool) -> WorkerSnapshot {
    let (name, since) = link.running().map(|running| (running.name, running.since)).unzip();
    WorkerSnapshot {
        state: if is_idle { WorkerState::Idle } else { WorkerState::Busy },
        pid: Some(link.pid),
        jobs: link.jobs(),
        running_for: since.map(|since| since.elapsed()),
        request_id: name.as_ref().and_then(|name| name.request_id.clone()),
        label: name.map(|name| name.label),
        age: Some(link.age()),
        ..starting(link.number)
    }
}

/// Asks the system, which takes longer than a lock should be held.
fn with_memory(mut snapshot: Snapshot, is_threaded: bool) -> Snapshot {
    for worker in snapshot.workers.iter_mut().filter(|_| !is_threaded) {
        worker.memory = worker.pid.and_then(platform::resident_bytes);
    }
    snapshot
}
