//! `pixie reload PID`: asks a running app to start anew from its path on disk, and waits for the outcome.
//!
//! On Linux this listens on an abstract socket with the app's process id in its name, and sends SIGHUP. The
//! app connects and sends lines: `starting`, then `ready PID` or `failed REASON`. Other systems have no such
//! sockets: there the app's log has the outcome.

use std::io;

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::{error::Error, output};

#[derive(Debug, Args)]
pub(crate) struct ReloadArgs {
    /// The process ID of the app's server, such as systemd's `$MAINPID`
    #[arg(value_name = "PID", value_parser = pid)]
    pid: Pid,
}

fn pid(text: &str) -> Result<Pid, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.and_then(Pid::from_raw).ok_or_else(|| "a process ID is a number above 0".to_owned())
}

/// Returns after the new process is ready.
pub(crate) fn reload(args: ReloadArgs) -> Result<(), Error> {
    let pid = args.pid;
    match outcome(pid)? {
        Some(new) => output::status("Ready", format_args!("process {new} has taken over from process {pid}")),
        None => output::status("Asked", format_args!("process {pid} to start anew; the outcome is in its log")),
    }
    Ok(())
}

fn hang_up(pid: Pid) -> Result<(), Error> {
    kill_process(pid, Signal::HUP).map_err(|error| {
        let error = Error::new(format_args!("could not signal process {pid}: {}", io::Error::from(error)));
        error.help("run this command as the user of the app, or as root")
    })
}

#[cfg(not(target_os = "linux"))]
fn outcome(pid: Pid) -> Result<Option<String>, Error> {
    hang_up(pid).map(|()| None)
}

#[cfg(target_os = "linux")]
use linux::outcome;

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs,
        io::{self, BufRead, BufReader},
        os::{
            linux::net::SocketAddrExt,
            unix::net::{SocketAddr, UnixListener, UnixStream},
        },
        path::PathBuf,
        time::Duration,
    };

    use rustix::{
        net::sockopt::{Timeout, set_socket_timeout, socket_peercred},
        process::Pid,
    };

    use super::hang_up;
    use crate::error::Error;

    /// The name of the thread that reacts to SIGHUP in a server.
    const THREAD: &str = "pixie-restart";
    /// Limits how long the app may take to react. It reacts on a thread of its own, so a busy app does not
    /// need longer. The app itself limits the time of the new process.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Returns the process ID of the new process.
    pub(super) fn outcome(pid: Pid) -> Result<Option<String>, Error> {
        let user = user_of(pid)?;
        let listener = listen(pid)?;
        hang_up(pid)?;
        for line in BufReader::new(accept(&listener, pid, user)?).lines().map_while(Result::ok) {
            if let Some(new) = line.strip_prefix("ready ") {
                return Ok(Some(new.to_owned()));
            }
            if let Some(why) = line.strip_prefix("failed ") {
                let error = Error::new(format_args!("process {pid} did not start anew: {why}"));
                return Err(error.help("the process continues to serve"));
            }
        }
        Err(Error::new(format_args!("process {pid} ended before another one had taken over")))
    }

    /// Returns the user of a server. Refuses other processes, because SIGHUP would end most of them.
    fn user_of(pid: Pid) -> Result<u32, Error> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let status = fs::read_to_string(folder.join("status"));
        let status = status.map_err(|_| Error::new(format_args!("there is no process {pid}")))?;
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        if u64::from_str_radix(field("SigIgn:"), 16).is_ok_and(|signals| signals & 1 == 1) {
            let error = Error::new(format_args!("process {pid} ignores SIGHUP"));
            return Err(error.help("`nohup` arranges that: start the app with `setsid` instead"));
        }
        let mut threads = fs::read_dir(folder.join("task")).into_iter().flatten().flatten();
        let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if !threads.any(|thread| name(thread).trim() == THREAD) {
            let error = Error::new(format_args!("process {pid} is not the server of a pixie app, or not ready yet"));
            return Err(error.help("give the process ID of the server, not of `pixie`, a shell or a worker"));
        }
        let user = field("Uid:").split_whitespace().nth(1).and_then(|user| user.parse().ok());
        user.ok_or_else(|| Error::new(format_args!("could not find the user of process {pid}")))
    }

    fn listen(pid: Pid) -> Result<UnixListener, Error> {
        let address = SocketAddr::from_abstract_name(format!("pixie-reload-{pid}"));
        let listener =
            address.and_then(|address| UnixListener::bind_addr(&address)).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => Error::new(format_args!("another `pixie reload {pid}` is running")),
                _ => Error::new(format_args!("could not open a socket: {error}")),
            })?;
        let limited = set_socket_timeout(&listener, Timeout::Recv, Some(PATIENCE));
        limited.map_err(|error| Error::new(format_args!("could not limit a wait: {}", io::Error::from(error))))?;
        Ok(listener)
    }

    /// Waits for the connection of the app. Connections of other users are closed.
    fn accept(listener: &UnixListener, pid: Pid, user: u32) -> Result<UnixStream, Error> {
        let is_app = |stream: &UnixStream| socket_peercred(stream).is_ok_and(|peer| peer.uid.as_raw() == user);
        let mut streams = listener.incoming().map_while(Result::ok);
        streams.find(is_app).ok_or_else(|| {
            Error::new(format_args!("process {pid} did not react within {PATIENCE:?}")).help("see its log")
        })
    }
}
