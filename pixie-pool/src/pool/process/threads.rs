//! The threads of a worker: how many it may have, and those that outlive the reply to their job.
//!
//! Owns a check at intervals of each worker of a pool with a sandbox or a limit of CPU time, because such a
//! pool expects bad jobs. Leaves the replacement to `queue`. Invariant: a worker that has run nothing since a
//! check that found nothing is not checked again.
//!
//! A thread has outlived its job if two checks find it and a job has ended in between, or the worker was idle
//! at the first one: a worker runs one job at a time. The pool counts, because a taken-over worker could lie.

use std::{collections::HashSet, io, sync::Arc};

use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{
    config::{Config, THREAD_CHECK_INTERVAL},
    platform,
    pool::{
        connection::{Connection, Kill},
        queue::Queue,
    },
};

/// What one check found, apart from the threads that the worker had when it was ready.
#[derive(Default)]
struct Found {
    threads: HashSet<u32>,
    ended_jobs: u64,
    is_idle: bool,
}

/// Starts the checks of a worker that is ready and has no job yet, if its pool needs them.
pub(super) fn watch(queue: &Arc<Queue>, connection: &Arc<Connection>) -> Option<JoinHandle<()>> {
    if !are_watched(&queue.config) {
        return None;
    }
    let ready = match list(&queue.config, connection.pid) {
        Ok(ready) => ready,
        Err(error) => {
            let pool = &queue.observers.pool;
            tracing::warn!(%pool, pid = connection.pid, "cannot count the threads of a worker: {error}");
            return None;
        }
    };
    let (queue, connection) = (Arc::clone(queue), Arc::clone(connection));
    Some(tokio::spawn(async move {
        let mut last = Found::default();
        let mut ticks = interval(THREAD_CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // An error means that the worker has exited.
            let Ok(found) = check(&queue, &connection, &ready, last) else { return };
            last = found;
        }
    }))
}

/// Returns whether the threads of workers are counted.
pub(super) fn are_watched(config: &Config) -> bool {
    !config.is_threaded() && (config.sandbox.is_wanted() || config.cpu_time.is_some())
}

fn check(queue: &Queue, connection: &Arc<Connection>, ready: &HashSet<u32>, last: Found) -> io::Result<Found> {
    let activity = || {
        let state = connection.state();
        (state.jobs, state.sent.is_empty() && !connection.is_busy())
    };
    let (ended_before, is_idle_before) = activity();
    if last.threads.is_empty() && last.is_idle && is_idle_before && ended_before == last.ended_jobs {
        return Ok(last);
    }
    let all = list(&queue.config, connection.pid)?;
    if queue.config.sandbox.is_wanted() && queue.config.thread_limit.is_some_and(|limit| all.len() > limit) {
        queue.adopt_running();
        if let Some(job) = connection.kill(Kill::Threads) {
            queue.killed(Kill::Threads, &job);
        }
    }
    let threads: HashSet<u32> = all.difference(ready).copied().collect();
    let has_job_ended = last.is_idle || ended_before > last.ended_jobs;
    let left = threads.intersection(&last.threads).count();
    if has_job_ended && left > 0 && !queue.config.keep_threads {
        replace(queue, connection, left);
    }
    let (ended_jobs, is_idle) = activity();
    // A job that ran during the check may have left some of the threads, or others after they were listed.
    let is_idle = is_idle && is_idle_before && ended_jobs == ended_before;
    Ok(Found { threads, ended_jobs, is_idle })
}

/// Lists the threads, at most one more than the limit.
fn list(config: &Config, pid: u32) -> io::Result<HashSet<u32>> {
    platform::thread_ids(pid, config.thread_limit.map_or(usize::MAX, |limit| limit.saturating_add(1)))
}

fn replace(queue: &Queue, connection: &Arc<Connection>, left: usize) {
    let is_known = std::mem::replace(&mut connection.state().recycling.is_large, true);
    if !is_known {
        let (pool, worker, pid) = (&queue.observers.pool, connection.slot, connection.pid);
        tracing::info!(%pool, worker, pid, threads = left, "a worker is replaced, because its jobs have left threads");
    }
    queue.replace(connection);
}
