//! Signals to process groups, and the guard: a process that kills the programs and builds of a killed
//! `pixie dev`.
//!
//! A `pixie dev` that is killed cannot clean up. The guard reads from a pipe which process groups exist; the
//! pipe ends when `pixie dev` ends, for any reason. The guard is this program, started as `pixie __guard` in
//! its own process group, so Ctrl-C and signals to the group of `pixie dev` do not reach it.

use std::{
    collections::BTreeSet,
    env,
    io::{self, BufRead, Write, stdin},
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The first argument of the guard. Not a subcommand, so that completions and manual pages do not show it.
const ASKED: &str = "__guard";
/// Limits how long programs and builds may take to end by themselves. Programs detect the end of `pixie dev`
/// too, and stop in order.
const PATIENCE: Duration = Duration::from_secs(3);

/// The writing end of the guard's pipe.
#[derive(Clone)]
pub(crate) struct Guard(Arc<Mutex<ChildStdin>>);

impl Guard {
    pub(crate) fn start() -> io::Result<Guard> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(ASKED).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut process = command.spawn()?;
        let pipe = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        // The guard usually ends after this process. The thread collects it if it ends earlier.
        thread::spawn(move || process.wait());
        Ok(Guard(Arc::new(Mutex::new(pipe))))
    }

    pub(crate) fn watch(&self, group: u32) {
        self.tell(&format!("begun {group}\n"));
    }

    pub(crate) fn forget(&self, group: u32) {
        self.tell(&format!("ended {group}\n"));
    }

    fn tell(&self, line: &str) {
        let mut pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It fails if someone has killed the guard; `pixie dev` works without it.
        let _ = pipe.write_all(line.as_bytes());
    }
}

/// Runs the guard if this process was started as one, and returns its exit code.
pub(crate) fn guard_if_asked() -> Option<ExitCode> {
    if env::args_os().nth(1)? != ASKED {
        return None;
    }
    let groups = read(stdin().lock());
    if !groups.is_empty() {
        thread::sleep(PATIENCE);
        groups.into_iter().for_each(kill_group);
    }
    Some(ExitCode::SUCCESS)
}

/// Reads to the end of the pipe and returns the groups that have not ended.
fn read(lines: impl BufRead) -> BTreeSet<u32> {
    let mut groups = BTreeSet::new();
    for line in lines.lines().map_while(Result::ok) {
        match line.split_once(' ').and_then(|(word, group)| Some((word, group.parse().ok()?))) {
            Some(("begun", group)) => drop(groups.insert(group)),
            Some((_, group)) => drop(groups.remove(&group)),
            None => {}
        }
    }
    groups
}

/// Asks a process to stop. Ignores a process that has ended already.
pub(crate) fn terminate(process: u32) {
    if let Some(pid) = pid(process) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Kills all processes of a group. Ignores a group that has ended already.
pub(crate) fn kill_group(group: u32) {
    if let Some(pid) = pid(group) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn pid(process: u32) -> Option<Pid> {
    i32::try_from(process).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_has_ended_is_forgotten() {
        let groups = read(&b"begun 7\nbegun 8\nended 7\nbegun 9\nrubbish\n"[..]);
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [8, 9]);
    }
}
