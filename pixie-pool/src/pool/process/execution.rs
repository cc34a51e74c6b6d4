//! This program, executed again: as a worker or as a fork server.
//!
//! Owns the command, with its environment, and the thread that starts it. Invariant: the command stays on the
//! `posix_spawn` path (no closure before exec, no other user), because a fork of a large server takes
//! milliseconds.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    os::fd::BorrowedFd,
    process::Stdio,
};

use tokio::{
    process::{self, Command},
    sync::oneshot,
};

use crate::{
    config::Config,
    identity::{Invitation, VARIABLE},
    platform::{self, WorkerCgroup},
    pool::process::output::printable,
};

/// Variables that a sandboxed worker gets, to find files, use the same language and log as configured.
const PASSED: [&str; 8] = ["PATH", "HOME", "TMPDIR", "LANG", "LC_*", "TZ", "RUST_BACKTRACE", "RUST_LOG"];

/// Why a worker was not started, and what it wrote.
pub(crate) struct StartFailure {
    pub(crate) why: String,
    pub(crate) stderr: String,
}

impl From<String> for StartFailure {
    fn from(why: String) -> Self {
        StartFailure { why, stderr: String::new() }
    }
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        let mut start = "; it wrote:\n";
        for line in self.stderr.trim().lines() {
            write!(f, "{start}{}", printable(line.as_bytes()))?;
            start = "\n";
        }
        Ok(())
    }
}

/// Starts a program on a thread of its own: until the program runs, `posix_spawn` blocks its caller, on a
/// busy machine for many milliseconds, which would delay the connections of a server.
///
/// The same thread moves the process into its cgroup; until then the process only waits for its token.
pub(super) async fn spawn(
    command: io::Result<Command>,
    admit: impl FnOnce(u32) -> Option<WorkerCgroup> + Send + 'static,
) -> io::Result<(process::Child, Option<WorkerCgroup>)> {
    let mut command = command?;
    let runtime = tokio::runtime::Handle::current();
    let (started, has_started) = oneshot::channel();
    std::thread::Builder::new().name("pool-spawn".to_owned()).spawn(move || {
        let _entered = runtime.enter();
        let spawned = command.spawn().map(|child| {
            let cgroup = child.id().and_then(admit);
            (child, cgroup)
        });
        // If the receiver is gone, dropping the value kills the program.
        let _ = started.send(spawned);
    })?;
    has_started.await.unwrap_or_else(|_| Err(io::Error::other("the thread that starts it has ended")))
}

/// Returns the command, with this descriptor as its standard input.
pub(super) fn command(config: &Config, invitation: &Invitation, stdin: BorrowedFd<'_>) -> io::Result<Command> {
    let mut command = Command::new(platform::own_executable()?);
    let mut own = env::args_os();
    let name = own.next().unwrap_or_else(|| OsString::from(&config.name));
    match platform::loader_arguments() {
        to_loader if to_loader.is_empty() => command.arg0(&name),
        to_loader => command.args(to_loader),
    };
    match &config.args {
        Some(args) => command.args(args),
        None => command.args(own),
    };
    // A worker without a sandbox could read the environment of this process anyway.
    if config.sandbox.is_wanted() {
        command.env_clear().envs(env::vars_os().filter(|(name, _)| is_passed(config, name)));
    }
    command.envs(config.env.iter().map(|(name, value)| (name, value))).env(VARIABLE, invitation.encode());
    // In its own group, the worker gets no signals from the terminal, and the whole group can be killed.
    command
        .stdin(stdin.try_clone_to_owned()?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0);
    Ok(command)
}

fn is_passed(config: &Config, name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    PASSED.iter().copied().chain(config.pass_env.iter().map(String::as_str)).any(matches)
}
