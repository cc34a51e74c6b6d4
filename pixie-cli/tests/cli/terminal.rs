//! A pseudo-terminal of which the test is the other side: it reads what a person would see, and types.
//!
//! What a program writes is read by a thread, so that it never waits for the test.
#![allow(dead_code, reason = "each test program uses a part of this file")]

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize},
};

/// Longer than every wait, also for the first build of an app on a slow machine while other tests run.
const PATIENCE: Duration = Duration::from_secs(900);

/// A terminal with 24 rows and 80 columns.
pub(crate) struct Terminal {
    side: File,
    peer: OwnedFd,
    seen: Arc<Mutex<String>>,
    /// How much of that was waited for.
    noted: Mutex<usize>,
}

impl Terminal {
    pub(crate) fn open() -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let side = openpt(flags).expect("a pseudo-terminal");
        grantpt(&side).expect("it may be used");
        unlockpt(&side).expect("it can be unlocked");
        let peer = ioctl_tiocgptpeer(&side, flags).expect("the other side");
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&peer, size).expect("a size can be set");
        let (side, seen) = (File::from(side), Arc::new(Mutex::new(String::new())));
        let (screen, all) = (side.try_clone().expect("it can be shared"), seen.clone());
        thread::spawn(move || read(screen, &all));
        Terminal { side, peer, seen, noted: Mutex::default() }
    }

    /// Runs a program that gets every key as it is, Ctrl-C as a byte.
    pub(crate) fn run_raw(&self, mut command: Command) -> Child {
        // A key may come before the program has switched to raw keys. Ctrl-C would then become a signal, and
        // there is no foreground process that could get it.
        let mut modes = tcgetattr(&self.peer).expect("the modes can be read");
        modes.make_raw();
        tcsetattr(&self.peer, OptionalActions::Now, &modes).expect("the modes can be set");
        self.connect(&mut command).stdout(Stdio::null()).spawn().expect("the program starts")
    }

    /// Runs a program as a shell does: the terminal takes lines, and turns Ctrl-C into a signal for the
    /// program.
    pub(crate) fn run(&self, command: &Command) -> Child {
        // `setsid` gives the terminal to the program and becomes it, so the number of the process stays.
        let mut inside = Command::new("setsid");
        inside.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        self.connect(&mut inside).spawn().expect("the program starts")
    }

    fn connect<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let end = || Stdio::from(self.peer.try_clone().expect("it can be shared"));
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end())
    }

    /// Returns everything that was shown.
    pub(crate) fn seen(&self) -> Arc<Mutex<String>> {
        self.seen.clone()
    }

    /// Waits until a text is shown after what was waited for before, and returns what is new up to its end.
    pub(crate) fn sees(&self, text: &str) -> String {
        let (start, mut noted) = (Instant::now(), self.noted.lock().expect("no panic"));
        loop {
            let seen = self.seen.lock().expect("no panic");
            let new = &seen[*noted..];
            if let Some(at) = new.find(text) {
                let end = at + text.len();
                *noted += end;
                return new[..end].to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "it never shows `{text}`, but: {new}");
            drop(seen);
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Types.
    pub(crate) fn types(&self, keys: &str) {
        (&self.side).write_all(keys.as_bytes()).expect("one can type");
    }

    /// Writes down how the terminal treats keys and output.
    pub(crate) fn modes(&self) -> String {
        format!("{:?}", tcgetattr(&self.peer).expect("the modes can be read"))
    }
}

fn read(mut screen: File, all: &Mutex<String>) {
    let (mut bytes, mut rest) = ([0; 4096], Vec::new());
    // A terminal whose other sides are closed fails instead of ending.
    while let Ok(count @ 1..) = screen.read(&mut bytes) {
        rest.extend_from_slice(&bytes[..count]);
        // A character may come in two pieces.
        let whole = rest.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
        let text: Vec<_> = rest.drain(..whole).collect();
        *all.lock().expect("no panic") += &String::from_utf8_lossy(&text);
    }
}
