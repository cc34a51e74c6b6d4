//! The guard: a process that outlives `pixie dev` by a moment and ends what is left of its programs and builds.
//!
//! A `pixie dev` that is killed cannot clean up. The guard reads from a pipe which groups of processes there are; the end of
//! the pipe is the end of `pixie dev`, however it came. It is this program itself, started as `pixie __guard`, in a group
//! of its own, where neither the terminal's Ctrl-C nor a signal to the group of `pixie dev` reaches it.

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

use crate::dev::process;

/// The first argument of the guard. It is no subcommand: completions and manual pages would show it.
const ASKED: &str = "__guard";
/// How long programs may take to end by themselves: they notice the end of `pixie dev` too, and stop in order.
const PATIENCE: Duration = Duration::from_secs(3);

/// The other side of the guard's pipe.
#[derive(Clone)]
pub(crate) struct Guard(Arc<Mutex<ChildStdin>>);

impl Guard {
    /// Starts the guard.
    pub(crate) fn start() -> io::Result<Guard> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(ASKED).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut process = command.spawn()?;
        let pipe = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        // It ends after this process, so nobody waits for it; only one that dies early is waited for.
        thread::spawn(move || process.wait());
        Ok(Guard(Arc::new(Mutex::new(pipe))))
    }

    /// Lets the guard know of a group of processes; a build's is ended at once, a program's gets time.
    pub(crate) fn watch(&self, group: u32, kind: Kind) {
        self.tell(&format!("{} {group}\n", kind.word()));
    }

    /// Says that a group has ended.
    pub(crate) fn forget(&self, group: u32) {
        self.tell(&format!("ended {group}\n"));
    }

    fn tell(&self, line: &str) {
        let mut pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A guard that somebody has killed guards nothing, and the work goes on.
        let _ = pipe.write_all(line.as_bytes());
    }
}

/// What a group of processes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Build,
    Program,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Build => "build",
            Kind::Program => "program",
        }
    }
}

/// Guards, if this process was started for that.
pub(crate) fn guard_if_asked() -> Option<ExitCode> {
    if env::args_os().nth(1)? != ASKED {
        return None;
    }
    let groups = read(stdin().lock());
    end(&groups, Kind::Build);
    if groups.iter().any(|(kind, _)| *kind == Kind::Program) {
        thread::sleep(PATIENCE);
        end(&groups, Kind::Program);
    }
    Some(ExitCode::SUCCESS)
}

/// Reads to the end of the pipe and returns what has not ended before.
fn read(lines: impl BufRead) -> BTreeSet<(Kind, u32)> {
    let mut groups = BTreeSet::new();
    for line in lines.lines().map_while(Result::ok) {
        let Some((word, group)) = line.split_once(' ') else { continue };
        let Ok(group) = group.parse() else { continue };
        match [Kind::Build, Kind::Program].into_iter().find(|kind| kind.word() == word) {
            Some(kind) => drop(groups.insert((kind, group))),
            None => groups.retain(|(_, known)| *known != group),
        }
    }
    groups
}

fn end(groups: &BTreeSet<(Kind, u32)>, kind: Kind) {
    groups.iter().filter(|(found, _)| *found == kind).for_each(|(_, group)| process::kill_group(*group));
}

#[cfg(test)]
mod tests {
    use super::{Kind, read};

    #[test]
    fn what_has_ended_is_forgotten() {
        let groups = read(&b"build 7\nprogram 8\nended 7\nbuild 9\nrubbish\n"[..]);
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [(Kind::Build, 9), (Kind::Program, 8)]);
    }
}
