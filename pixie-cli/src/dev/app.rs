//! One program under development: started with the listening sockets, asked to stop, and ended if it does not.
//!
//! It is in a process group of its own, so that the terminal's Ctrl-C reaches `pixie dev` only, which then ends everything.

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
        guard::{Guard, Kind},
        process,
    },
    env_files::EnvFiles,
};

/// The first descriptor that is passed on, as systemd does.
const FD_FIRST: i32 = 3;
/// How much of a program's last words is kept: the message of a panic comes before its backtrace, which is long.
const WORDS_BYTES_MAX: usize = 64 * 1024;
/// How long last words are waited for after the end, where another process still holds the pipe.
const WORDS_LATE: Duration = Duration::from_secs(1);
/// How long a stopping program may finish its requests.
const GRACE: Duration = Duration::from_secs(5);

/// A program that was started.
pub(crate) struct App {
    /// Which start it is; pages know it as their build.
    pub(crate) number: u64,
    /// When it was started.
    pub(crate) start: Instant,
    process: u32,
    link: Option<UnixStream>,
    words: Arc<Mutex<VecDeque<u8>>>,
    kill_at: Option<Instant>,
}

impl App {
    /// Starts a program.
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
        command.env("LISTEN_FDS", sockets.len().to_string()).env_remove("LISTEN_PID").env_remove("LISTEN_FDNAMES");
        command.env("PIXIE_BUILD_ID", number.to_string());
        command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let words = Arc::new(Mutex::new(VecDeque::new()));
        let listener = child.stderr.take().map(|pipe| {
            let words = words.clone();
            thread::spawn(move || pass_on(pipe, &words))
        });
        let (process, start) = (child.id(), Instant::now());
        guard.watch(process, Kind::Program);
        thread::spawn(move || {
            let status = child.wait().ok();
            guard.forget(process);
            // Its last words come before the news of its end, unless somebody else still holds the pipe.
            let late = Instant::now() + WORDS_LATE;
            while listener.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < late {
                thread::sleep(Duration::from_millis(1));
            }
            let _ = events.send(Event::Ended(number, status));
        });
        Ok(App { number, start, process, link: None, words, kill_at: None })
    }

    /// Returns the command that starts a program, without what differs from start to start. What `pixie dev` sets, no file
    /// changes.
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

    /// Notes the connection of the program.
    pub(crate) fn joined(&mut self, link: UnixStream) {
        self.link = Some(link);
    }

    /// Tells the program something; one that does not listen is told nothing more.
    pub(crate) fn tell(&mut self, line: &str) {
        if let Some(link) = &mut self.link
            && link.write_all(format!("{line}\n").as_bytes()).is_err()
        {
            self.link = None;
        }
    }

    /// Asks it to finish its requests and end.
    pub(crate) fn stop(&mut self) {
        self.kill_at.get_or_insert(Instant::now() + GRACE);
        process::terminate(self.process);
    }

    /// Ends it and whatever it has started.
    pub(crate) fn kill(&self) {
        process::kill_group(self.process);
    }

    /// Ends it if it was asked to stop too long ago.
    pub(crate) fn kill_if_late(&self, now: Instant) {
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill();
        }
    }

    /// Returns the end of what it wrote to standard error.
    pub(crate) fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&words.iter().copied().collect::<Vec<_>>()).into_owned()
    }
}

/// Shows what the program writes to standard error, and keeps the end of it.
fn pass_on(mut pipe: impl Read, words: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        // A closed terminal is no reason to lose the program's words.
        let _ = io::stderr().write_all(&buffer[..count]);
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend(&buffer[..count]);
        let excess = words.len().saturating_sub(WORDS_BYTES_MAX);
        words.drain(..excess);
    }
}
