//! The duties of the first process of a container: it reaps the processes that others have left.
//!
//! The kernel gives it every process whose parent has exited, such as a program that a job has started in the
//! background. Invariant: an exited process is reaped only if nothing has waited for it during a whole
//! interval, so that the exit status of a process of this program is not lost.

use std::{collections::HashSet, fs, process, sync::Once, thread};

use rustix::process::{Pid, WaitOptions, waitpid};

use crate::{config::ORPHAN_CHECK_INTERVAL, platform::linux::process_stats::parent_and_state};

/// Starts reaping if this is the first process of its container.
pub(crate) fn reap_as_init() {
    static STARTED: Once = Once::new();
    if process::id() != 1 {
        return;
    }
    STARTED.call_once(|| {
        let run = || {
            let mut known = HashSet::new();
            loop {
                thread::sleep(ORPHAN_CHECK_INTERVAL);
                known = reap(&known);
            }
        };
        if let Err(error) = thread::Builder::new().name("pool-init".to_owned()).spawn(run) {
            tracing::warn!("processes that jobs leave are not reaped, because starting a thread failed: {error}");
        }
    });
}

/// Reaps the exited children that were known at the last check; returns the others.
fn reap(known: &HashSet<i32>) -> HashSet<i32> {
    let own = (process::id(), 'Z');
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let exited: HashSet<i32> = pids.filter(|pid| parent_and_state(*pid) == Some(own)).collect();
    for pid in exited.intersection(known).filter_map(|pid| Pid::from_raw(*pid)) {
        // An error means that it was reaped meanwhile.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
    exited.difference(known).copied().collect()
}
