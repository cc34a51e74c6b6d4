//! The questions of `pixie new` on a terminal: a pseudo-terminal stands in for a person's.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};

use crate::support::World;

/// How long the program may be silent before the test fails.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

#[test]
fn each_question_of_the_app_template_is_asked_and_heard() {
    let world = World::new();
    let mut terminal = Terminal::run(world.pixie(&["new"]));
    terminal.answer("Name", "fn\r");
    terminal.answer("keyword of Rust", "\u{15}blog\r");
    terminal.answer("Template", "\u{1b}[B\r");
    terminal.answer("A Dockerfile?", "n");
    terminal.answer("A GitHub workflow?", "y");
    assert_eq!(terminal.end(), Some(0));
    assert!(!world.root.join("blog/Dockerfile").exists());
    assert!(world.root.join("blog/.github/workflows/ci.yml").exists());
}

#[test]
fn nothing_is_asked_after_yes() {
    let world = World::new();
    let terminal = Terminal::run(world.pixie(&["new", "blog", "--yes"]));
    assert_eq!(terminal.end(), Some(0));
    assert!(world.root.join("blog/Cargo.toml").exists());
}

#[test]
fn ctrl_c_at_a_question_ends_with_130_and_leaves_nothing() {
    let world = World::new();
    let mut terminal = Terminal::run(world.pixie(&["new", "blog"]));
    terminal.answer("Template", "\u{3}");
    assert_eq!(terminal.end(), Some(130));
    assert!(!world.root.join("blog").exists());
}

/// A program at a terminal of which this is the other side.
struct Terminal {
    side: File,
    child: Child,
    seen: String,
}

impl Terminal {
    fn run(mut command: Command) -> Self {
        let side = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&side).unwrap();
        unlockpt(&side).unwrap();
        let peer: OwnedFd = ioctl_tiocgptpeer(&side, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        // A question reads raw keys, but a key may come before it does: Ctrl-C would then go to a foreground that is none.
        let mut modes = tcgetattr(&peer).unwrap();
        modes.make_raw();
        tcsetattr(&peer, OptionalActions::Now, &modes).unwrap();
        let [input, output] = [peer.try_clone().unwrap(), peer].map(Stdio::from);
        let child = command.env("TERM", "xterm").stdin(input).stdout(Stdio::null()).stderr(output).spawn().unwrap();
        // The command would keep the program's side open, and so hide its end.
        drop(command);
        Self { side: File::from(side), child, seen: String::new() }
    }

    /// Waits for a question, then types.
    fn answer(&mut self, question: &str, keys: &str) {
        let mut bytes = [0; 4096];
        while !self.seen.contains(question) {
            let count = self.read(&mut bytes);
            assert!(count > 0, "it ended without asking `{question}`: {}", self.seen);
            self.seen += &String::from_utf8_lossy(&bytes[..count]);
        }
        self.seen.clear();
        self.side.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads to the end and returns the exit code.
    fn end(mut self) -> Option<i32> {
        let mut bytes = [0; 4096];
        while self.read(&mut bytes) > 0 {}
        self.child.wait().unwrap().code()
    }

    /// Reads what there is, and nothing at the end.
    fn read(&mut self, bytes: &mut [u8]) -> usize {
        let mut sides = [PollFd::new(&self.side, PollFlags::IN)];
        assert_eq!(poll(&mut sides, Some(&PATIENCE)), Ok(1), "it hangs after: {}", self.seen);
        // A terminal whose other side is closed fails instead of ending.
        self.side.read(bytes).unwrap_or(0)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
