//! One program under development: started with the listening sockets, asked to stop, and killed if it does
//! not.
//!
//! The program has its own process group, so that Ctrl-C reaches only `pixie dev`, which then ends all
//! processes.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::TcpListener,
    os::unix::{net::UnixStream, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
    thread,
    time::{Duration, Instant},
};

use command_fds::{CommandFdExt, FdMapping};

use crate::{
    dev::{
        event::Event,
        guard::{self, Guard},
    },
    env_files::EnvFiles,
};

/// The first descriptor of the sockets, as systemd numbers them.
const FD_FIRST: i32 = 3;
/// Limits how much of the end of a program's standard error is kept, in bytes. Enough for the message of a
/// panic, which stands before a long backtrace.
const STDERR_BYTES_MAX: usize = 64 * 1024;
/// Limits how long the end of standard error is awaited after the program's end, if another process keeps the
/// pipe open.
const STDERR_PATIENCE: Duration = Duration::from_secs(1);
/// Limits how long a stopping program may finish its requests.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) struct App {
    /// The number of the start; pages get it as their build ID.
    pub(crate) number: u64,
    pub(crate) start: Instant,
    process: u32,
    link: Option<UnixStream>,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    kill_at: Option<Instant>,
}

impl App {
    pub(crate) fn start(
        mut command: Command,
        number: u64,
        sockets: &[TcpListener],
        guard: Guard,
        events: Sender<Event>,
    ) -> io::Result<App> {
        let mut mappings = Vec::new();
        for (socket, child_fd) in sockets.iter().zip(FD_FIRST..) {
            mappings.push(FdMapping { parent_fd: socket.try_clone()?.into(), child_fd });
        }
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        command.env("LISTEN_FDS", sockets.len().to_string());
        for name in ["LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_FDS_FIRST_FD"] {
            command.env_remove(name);
        }
        command.env("PIXIE_BUILD_ID", number.to_string());
        command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let listener = child.stderr.take().map(|pipe| {
            let stderr = stderr.clone();
            thread::spawn(move || pass_on(pipe, &stderr))
        });
        let (process, start) = (child.id(), Instant::now());
        guard.watch(process);
        thread::spawn(move || {
            let status = child.wait().ok();
            guard.forget(process);
            // Wait for the end of its output before reporting its end, unless another process keeps the pipe
            // open.
            let late = Instant::now() + STDERR_PATIENCE;
            while listener.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < late {
                thread::sleep(Duration::from_millis(1));
            }
            let _ = events.send(Event::Ended(number, status));
        });
        Ok(App { number, start, process, link: None, stderr, kill_at: None })
    }

    /// Returns the command of a program, without the variables that differ at each start. Variables that
    /// `pixie dev` sets override those of the project's files.
    pub(crate) fn command(program: &Path, folder: &Path, args: &[String], variables: &EnvFiles) -> Command {
        let mut command = Command::new(program);
        variables.give(&mut command);
        command.args(args).current_dir(folder).env("CARGO_MANIFEST_DIR", folder).env("PIXIE_DEV", "1");
        match super::terminal::has_colors() {
            true => command.env("CLICOLOR_FORCE", "1"),
            false => command.env("NO_COLOR", "1"),
        };
        command
    }

    pub(crate) fn joined(&mut self, link: UnixStream) {
        self.link = Some(link);
    }

    /// Sends a line to the program. After a failure, the connection is closed.
    pub(crate) fn tell(&mut self, line: &str) {
        if let Some(link) = &mut self.link
            && link.write_all(format!("{line}\n").as_bytes()).is_err()
        {
            self.link = None;
        }
    }

    pub(crate) fn stop(&mut self) {
        self.kill_at.get_or_insert(Instant::now() + GRACE);
        guard::terminate(self.process);
    }

    /// Kills the program and all processes that it has started.
    pub(crate) fn kill(&self) {
        guard::kill_group(self.process);
    }

    /// Kills the program if the grace after `stop` has passed.
    pub(crate) fn kill_if_late(&self, now: Instant) {
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill();
        }
    }

    pub(crate) fn stderr_end(&self) -> String {
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&stderr.iter().copied().collect::<Vec<_>>()).into_owned()
    }
}

/// Prints the program's standard error, and keeps its end.
fn pass_on(mut pipe: impl Read, kept: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        // It fails if the terminal is closed; the end is still kept.
        let _ = io::stderr().write_all(&buffer[..count]);
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&buffer[..count]);
        let excess = kept.len().saturating_sub(STDERR_BYTES_MAX);
        kept.drain(..excess);
    }
}
