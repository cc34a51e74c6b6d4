//! `pixie reload`, with a shell in place of the app and this test in place of its answers.

use std::{
    io::{BufRead, BufReader, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
    process::{Child, Command, Stdio},
};

use crate::support::World;

/// The name of the thread that reacts to SIGHUP in a server.
const THREAD: &str = "pixie-restart";

/// A shell that reacts to SIGHUP with a line, until its standard input ends.
struct Shell {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Shell {
    fn start(name: &str, trap: &str) -> Shell {
        // The kernel names the thread of a program after its file.
        let world = World::new();
        std::os::unix::fs::symlink("/bin/sh", world.root.join(name)).unwrap();
        let script = format!("{trap}; echo ready; while ! read end; do :; done");
        let mut command = Command::new("env");
        // A test that runs under `nohup` ignores SIGHUP.
        command.arg("--default-signal=HUP").arg(world.root.join(name)).args(["-c", &script]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut shell = Shell { lines: BufReader::new(process.stdout.take().unwrap()), process };
        assert_eq!(shell.line(), "ready");
        shell
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn pid(&self) -> String {
        self.process.id().to_string()
    }

    /// Runs `pixie reload`, and answers with these bytes when the signal has come.
    fn reload(&mut self, answer: &str) -> String {
        let world = World::new();
        let mut command = world.pixie(&["reload", &self.pid()]);
        let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        assert_eq!(self.line(), "hup");
        let address = SocketAddr::from_abstract_name(format!("pixie-reload-{}", self.pid())).unwrap();
        UnixStream::connect_addr(&address).unwrap().write_all(answer.as_bytes()).unwrap();
        world.shown(&running.wait_with_output().unwrap()).replace(&self.pid(), "[PID]")
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn reload_waits_until_another_process_has_taken_over() {
    let mut shell = Shell::start(THREAD, "trap 'echo hup' HUP");
    let shown = shell.reload("starting\nready 77\n");
    assert_eq!(shown, "code 0\n--- stdout\n--- stderr\n       Ready process 77 has taken over from process [PID]\n");
}

#[test]
fn reload_says_why_an_app_did_not_start_anew() {
    let mut shell = Shell::start(THREAD, "trap 'echo hup' HUP");
    let shown = shell.reload("starting\nfailed no database\n");
    assert!(shown.starts_with("code 1"), "{shown}");
    assert!(
        shown.contains("error: process [PID] did not start anew: no database\nhelp: the process continues"),
        "{shown}"
    );
    let shown = shell.reload("starting\n");
    assert!(shown.contains("error: process [PID] ended before another one had taken over"), "{shown}");
}

#[test]
fn reload_sends_no_signal_to_a_process_that_would_end_or_ignore_it() {
    let refused = |name: &str, trap: &str, why: &str| {
        let mut shell = Shell::start(name, trap);
        let shown = World::new().run(&["reload", &shell.pid()]);
        assert!(shown.starts_with("code 1") && shown.contains(why), "{shown}");
        assert!(shell.process.try_wait().unwrap().is_none(), "it still runs");
    };
    refused("other", "true", "is not the server of a pixie app");
    refused(THREAD, "trap '' HUP", "ignores SIGHUP\nhelp: `nohup` arranges that");
    assert!(World::new().run(&["reload", "4194304"]).contains("error: there is no process 4194304"));
    assert!(World::new().run(&["reload", "0"]).starts_with("code 2"));
}
