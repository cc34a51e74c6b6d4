//! `Machine`: a host with its one program, whose output goes to a file.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bench_kit::{Result, process::Killed};
use rustix::process::{Pid, Signal, kill_process};

use crate::{interrupt::wait_until, namespaces::Host};

/// Limits how long a program may take to end after SIGTERM. Longer than every grace period of the app.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Bytes of a program's output that an error message shows.
const LOG_BYTES: usize = 1500;

/// A host with its one program.
pub(crate) struct Machine {
    /// The name of the host.
    pub(crate) name: &'static str,
    /// The host.
    pub(crate) host: Host,
    log: PathBuf,
    program: Option<Killed>,
}

impl Machine {
    /// Returns a machine without a program. Its output will be in a file in `folder`.
    pub(crate) fn new(name: &'static str, host: Host, folder: &Path) -> Self {
        Machine { name, host, log: folder.join(format!("{name}.log")), program: None }
    }

    /// Starts a program. `command` is one of this host.
    pub(crate) fn start(&mut self, mut command: Command) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        self.program = Some(Killed(child.map_err(|error| format!("start {}: {error}", self.name))?));
        Ok(())
    }

    /// Returns whether its program runs.
    pub(crate) fn runs(&self) -> bool {
        self.program.is_some()
    }

    /// Returns the process id of its program.
    pub(crate) fn pid(&self) -> u32 {
        self.program.as_ref().map_or(0, |program| program.0.id())
    }

    /// Returns whether its program runs, or has not been started.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.program.as_mut().is_none_or(|program| matches!(program.0.try_wait(), Ok(None)))
    }

    /// Kills all of its processes at once (`kill -9`).
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.host.kill()?;
        self.program = None;
        Ok(())
    }

    /// Asks its program to end (SIGTERM), and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(mut program) = self.program.take() else { return Ok(()) };
        kill_process(pid(&program.0)?, Signal::TERM)?;
        let what = format!("the program of {} ends", self.name);
        wait_until(&what, STOP_LIMIT, || !matches!(program.0.try_wait(), Ok(None)))
    }

    /// Fails with the end of its output if its program has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(program) = &mut self.program else { return Ok(()) };
        match program.0.try_wait()? {
            None => Ok(()),
            Some(status) => {
                Err(format!("the program of {} has ended ({status}):\n{}", self.name, self.log_end()).into())
            }
        }
    }

    /// Returns the end of its output.
    pub(crate) fn log_end(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_BYTES)..]).into_owned()
    }
}

fn pid(child: &Child) -> Result<Pid> {
    Ok(Pid::from_raw(child.id() as i32).ok_or("a process has no id")?)
}
