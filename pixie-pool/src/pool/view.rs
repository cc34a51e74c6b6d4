//! A pool at one moment, as a [`Snapshot`].
//!
//! Invariant: each lock is taken once and briefly, so that snapshots do not slow down the pool.

use std::collections::BTreeMap;

use crate::{
    platform,
    pool::{connection::Connection, queue::Queue},
    snapshot::{Snapshot, WorkerSnapshot, WorkerState},
};

/// Takes a snapshot, and sets the gauges of the metrics.
pub(crate) fn snapshot(queue: &Queue) -> Snapshot {
    let (config, mut counts) = (&queue.config, queue.observers.counts());
    let rules = queue.rules();
    let mut workers: BTreeMap<usize, WorkerSnapshot> =
        rules.scale.filled().map(|slot| (slot, starting(slot))).collect();
    for connection in rules.workers() {
        counts.jobs += connection.throughput().jobs;
        workers.insert(connection.slot, ready(connection, rules.is_idle(connection)));
    }
    let ready = rules.workers().len();
    let mut snapshot = Snapshot {
        name: config.name.clone(),
        size: rules.scale.target(),
        size_max: config.jobs_at_once().max,
        idle: ready.saturating_sub(rules.busy()),
        spares: ready.saturating_sub(rules.scale.target()),
        busy: rules.busy(),
        queued: rules.queued(),
        oldest_wait: rules.oldest().map(|since| since.elapsed()),
        is_broken: rules.is_broken(),
        workers: workers.into_values().collect(),
        counts,
    };
    drop(rules);
    // Asks the system, which takes longer than the lock may be held.
    for worker in snapshot.workers.iter_mut().filter(|_| !config.is_threaded()) {
        worker.memory = worker.pid.and_then(|pid| platform::resident_bytes(pid).ok());
    }
    queue.observers.metrics.show(&snapshot);
    snapshot
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

fn ready(connection: &Connection, is_idle: bool) -> WorkerSnapshot {
    let (name, since) = connection.running().map(|running| (running.name, running.since)).unzip();
    WorkerSnapshot {
        state: if is_idle { WorkerState::Idle } else { WorkerState::Busy },
        pid: Some(connection.pid),
        sandbox: Some(connection.sandbox),
        jobs: connection.throughput().jobs,
        running_for: since.map(|since| since.elapsed()),
        request_id: name.as_ref().and_then(|name| name.request_id.clone()),
        label: name.map(|name| name.label),
        age: Some(connection.age()),
        memory_limit: connection.memory_limit,
        ..starting(connection.slot)
    }
}
