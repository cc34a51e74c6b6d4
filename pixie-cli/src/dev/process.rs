//! Signals to process groups. A process that has gone already is no failure.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Asks a process to stop in order.
pub(crate) fn terminate(process: u32) {
    if let Some(pid) = pid(process) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Ends a process and all of its group at once.
pub(crate) fn kill_group(process: u32) {
    if let Some(pid) = pid(process) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn pid(process: u32) -> Option<Pid> {
    i32::try_from(process).ok().and_then(Pid::from_raw)
}
