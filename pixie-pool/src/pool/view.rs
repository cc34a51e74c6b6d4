//! A pool as it looks at one moment.
//!
//! Owns the making of a [`Snapshot`]. Rule: it takes each lock once, for moments, so that looking does not slow a pool down.

use std::collections::BTreeMap;

use crate::{
    pool::{link::Link, shared::Shared},
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
        Snapshot {
            name: self.config.name.clone(),
            size: schedule.scale.target(),
            size_max: self.size().max,
            busy: schedule.busy(),
            queued: schedule.queued(),
            oldest_wait: schedule.oldest().map(|since| since.elapsed()),
            is_broken,
            workers: workers.into_values().collect(),
            counts,
        }
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
    }
}

fn look_at(link: &Link, is_idle: bool) -> WorkerSnapshot {
    let running = link.running();
    WorkerSnapshot {
        number: link.number,
        state: if is_idle { WorkerState::Idle } else { WorkerState::Busy },
        pid: Some(link.pid),
        sandbox: Some(link.sandbox),
        jobs: link.jobs(),
        running_for: running.as_ref().map(|(_, since)| since.elapsed()),
        label: running.map(|(label, _)| label),
    }
}
