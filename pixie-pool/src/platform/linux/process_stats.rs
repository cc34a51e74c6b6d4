//! What Linux reports about a process: its memory, its state, what it waits for.
//!
//! Owns reading `/proc`. Invariant: values that cannot be read are omitted. Only the memory limit depends on
//! a value, and its caller gets the error.

use std::{collections::HashSet, fs, io, time::Duration};

use crate::platform::ThreadState;

/// Returns the resident memory of a process, in bytes; 0 after it has exited.
pub(crate) fn resident_bytes(pid: u32) -> io::Result<u64> {
    Ok(of_status(pid, "VmRSS:")?.unwrap_or(0))
}

/// Returns the part of it that is memory which processes can share, in bytes.
pub(crate) fn shared_resident_bytes(pid: u32) -> io::Result<u64> {
    Ok(of_status(pid, "RssShmem:")?.unwrap_or(0))
}

/// Returns the peak of the resident memory of a process, in bytes; `None` after it has exited.
pub(crate) fn peak_bytes(pid: u32) -> Option<u64> {
    of_status(pid, "VmHWM:").ok()?
}

fn of_status(pid: u32, name: &str) -> io::Result<Option<u64>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).and_then(|line| line.trim().strip_suffix("kB"));
    Ok(line.and_then(|kib| kib.trim().parse::<u64>().ok()?.checked_mul(1024)))
}

/// Returns the ids of the threads of a process, at most so many.
pub(crate) fn thread_ids(pid: u32, threads_max: usize) -> io::Result<HashSet<u32>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?.flatten();
    Ok(threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok()).take(threads_max).collect())
}

/// Returns what the thread with this name does, or else the main thread; searches the first `threads_max` threads.
pub(crate) fn thread_state(pid: u32, thread: &str, threads_max: usize) -> ThreadState {
    let thread = find_thread(pid, thread, threads_max).unwrap_or_else(|| format!("/proc/{pid}/task/{pid}"));
    let place = fs::read_to_string(format!("{thread}/wchan")).unwrap_or_default();
    let of_thread = fs::read_to_string(format!("{thread}/stat")).unwrap_or_default();
    let of_process = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    ThreadState {
        state: after_name(&of_thread).next().and_then(|state| state.chars().next()),
        // `0` means that the thread does not wait, or that the kernel does not report it.
        waits_in: Some(place).filter(|place| !matches!(place.as_str(), "" | "0")),
        cpu: cpu_time(&of_process),
    }
}

/// Returns whether a thread waits for an event; false if that cannot be read.
pub(super) fn is_sleeping(pid: u32, thread: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat")).unwrap_or_default();
    after_name(&stat).next() == Some("S")
}

fn find_thread(pid: u32, wanted: &str, threads_max: usize) -> Option<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let mut paths = threads.take(threads_max).filter_map(|thread| thread.path().to_str().map(str::to_owned));
    paths.find(|path| fs::read_to_string(format!("{path}/comm")).is_ok_and(|name| name.trim_end() == wanted))
}

/// Returns the pid of the parent and the state of a process.
pub(super) fn parent_and_state(pid: i32) -> Option<(u32, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = after_name(&stat);
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// Returns the fields from the state on. The name before them may hold any characters, also `)`.
fn after_name(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace()
}

/// Returns the sum of user and system time, fields 14 and 15 of the whole line.
fn cpu_time(stat: &str) -> Option<Duration> {
    let ticks: u64 = after_name(stat).skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
    let per_second = rustix::param::clock_ticks_per_second();
    (!stat.is_empty() && per_second > 0).then(|| Duration::from_millis(ticks.saturating_mul(1000) / per_second))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_memory_of_this_process_is_known() {
        let pid = std::process::id();
        let (now, peak) = (resident_bytes(pid), peak_bytes(pid));
        assert!(now.as_ref().is_ok_and(|now| *now > 100 * 1024) && peak > Some(100 * 1024), "{now:?} {peak:?}");
        assert_eq!(resident_bytes(u32::MAX).map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_thread_is_searched_only_among_the_first_ones() {
        let start = |name: &str| {
            let (end, has_ended) = mpsc::channel::<()>();
            let (started, has_started) = mpsc::channel();
            let thread = std::thread::Builder::new().name(name.to_owned());
            // A thread sets its name before it runs this.
            let run = move || (started.send(()).is_ok(), has_ended.recv().is_ok());
            let thread = thread.spawn(run).expect("a thread can be started");
            has_started.recv().expect("it runs");
            (thread, end)
        };
        let others: Vec<_> = (0..20).map(|_| start("one of many")).collect();
        let last = start("the-last");
        let pid = std::process::id();
        assert!(find_thread(pid, "the-last", 20).is_none() && find_thread(pid, "the-last", usize::MAX).is_some());
        for (thread, end) in others.into_iter().chain([last]) {
            drop(end);
            assert!(thread.join().is_ok());
        }
    }

    #[test]
    fn a_program_cannot_fake_its_times_by_its_name() {
        let stat = "7 (a) R 1 2) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 1";
        assert_eq!(after_name(stat).next(), Some("S"));
        let ticks = rustix::param::clock_ticks_per_second();
        assert_eq!(cpu_time(stat), Some(Duration::from_millis(200_000 / ticks)));
    }
}
