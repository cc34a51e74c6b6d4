//! SIGHUP: a program is replaced by the file at its path, without losing a request.
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{self, Answer, PATIENCE, Program, ask_agent, free_address, until};

/// A folder with the program `app`, a copy of the example `faults`, and its log.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().expect("a folder") };
        run(Command::new("cp").arg(support::example("faults")).arg(place.path("real")));
        fs::hard_link(place.path("real"), place.path("app")).expect("a link");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program by this relative path, with one worker.
    fn start(&self, path: &str, variables: &[(&str, &str)]) -> Program {
        let mut command = self.command(path);
        command.envs(variables.iter().copied());
        Program::spawn(command)
    }

    fn command(&self, path: &str) -> Command {
        // A test that runs under `nohup` ignores SIGHUP.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", &format!("./{path}")]).current_dir(self.folder.path());
        command.env("PIXIE_WORKERS", "1").env_remove("PWD");
        command.stdin(Stdio::null()).stderr(fs::File::create(self.path("log")).expect("a log"));
        command
    }

    /// Replaces the program by a script, as a deployment does: the old file continues to exist without a
    /// name.
    fn deploy(&self, script: &str) {
        let text = format!("#!/bin/sh\n{script}\n");
        let steps = r#"printf %s "$0" >next && chmod +x next && mv next app"#;
        run(Command::new("sh").args(["-c", steps, &text]).current_dir(self.folder.path()));
    }

    /// Waits until the log contains this text.
    fn logs(&self, text: &str) {
        until(&format!("the log has {text:?}: {}", self.log()), || self.log().contains(text).then_some(()));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// Runs a program that writes programs: a file that this process writes cannot be run while another thread is
/// starting a process, which has inherited the open file.
fn run(command: &mut Command) {
    assert!(command.status().is_ok_and(|status| status.success()), "{command:?}");
}

/// A process that another program has started. Dropping the value stops it.
struct Successor(u32);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0.to_string()]).status();
    }
}

/// Returns the process that answers and its release.
fn release(program: &Program) -> (u32, String) {
    let answer = program.get("/release");
    assert_eq!(answer.status, 200, "{answer:?}");
    let (pid, release) = answer.body.split_once(' ').expect("two words");
    (pid.parse().expect("a pid"), release.to_owned())
}

/// Waits until the program has ended in order, and returns the process that answers instead.
fn successor(program: &mut Program) -> (Successor, String) {
    assert_eq!(program.wait(), Some(0));
    let (pid, release) = release(program);
    (Successor(pid), release)
}

#[test]
fn a_program_starts_anew_from_its_path_with_the_same_socket_and_arguments() {
    let place = Place::new();
    let mut program = place.start("app", &[]);
    assert_eq!(release(&program), (program.pid(), String::new()));
    place.deploy(r#"RELEASE="2 $0 $PWD" exec ./real"#);
    program.signal("HUP");
    // The second signal does not start another one.
    program.signal("HUP");
    let (new, release) = successor(&mut program);
    assert_ne!(new.0, program.pid());
    let folder = place.folder.path().canonicalize().expect("a folder");
    assert_eq!(release, format!("2 {} {}", folder.join("app").display(), folder.display()));
    assert_eq!(program.get("/ok?id=x").status, 200, "its pool works");
    assert!(!place.log().contains("could not"), "{}", place.log());
}

#[test]
fn the_next_process_answers_the_agent_checks_of_load_balancers() {
    let (place, agent) = (Place::new(), free_address());
    let mut program = place.start("app", &[("PIXIE_AGENT", &agent)]);
    assert_eq!(ask_agent(&agent, "web\n"), "up ready\n");
    program.signal("HUP");
    let (_new, _) = successor(&mut program);
    until("the agent answers again", || TcpStream::connect(&agent).ok());
    assert_eq!(ask_agent(&agent, "web\n"), "up ready\n");
}

#[test]
fn a_deployment_that_switches_a_link_starts_the_next_release() {
    let place = Place::new();
    for release in ["1", "2"] {
        fs::create_dir(place.path(release)).expect("a folder");
    }
    fs::hard_link(place.path("real"), place.path("1/app")).expect("a link");
    place.deploy("RELEASE=2 exec ./real");
    fs::rename(place.path("app"), place.path("2/app")).expect("a move");
    let switch = |release: &str| {
        std::os::unix::fs::symlink(release, place.path("next")).expect("a link");
        fs::rename(place.path("next"), place.path("current")).expect("a switch");
    };
    switch("1");
    let mut program = place.start("current/app", &[]);
    assert_eq!(release(&program).1, "");
    switch("2");
    program.signal("HUP");
    let (_new, release) = successor(&mut program);
    assert_eq!(release, "2");
}

#[test]
fn a_program_that_cannot_start_leaves_the_old_one_serving_and_the_log_says_why() {
    let place = Place::new();
    let program = place.start("app", &[("PIXIE_FAULTS_HASTE", "1")]);
    let failures = [
        ("echo no database >&2; exit 3", "ended before it was ready (exit status: 3)"),
        ("kill -SEGV $$", "ended before it was ready (signal: 11"),
        ("PIXIE_WORKERS=x exec ./real", "PIXIE_WORKERS: cannot set `app.workers` to \"x\""),
        ("PIXIE_FAULTS_FLAG=/ exec ./real", "failed: starting the pool failed: worker"),
        ("exec sleep 600", "was not ready within 1s, and was killed"),
    ];
    for (script, why) in failures {
        place.deploy(script);
        program.signal("HUP");
        place.logs(why);
        assert_eq!(release(&program).0, program.pid());
    }
    assert!(place.log().contains("no database"), "what it wrote is in the log");
    fs::set_permissions(place.path("app"), fs::Permissions::from_mode(0o644)).expect("a mode");
    program.signal("HUP");
    place.logs("app: Permission denied");
    fs::remove_file(place.path("app")).expect("it was there");
    program.signal("HUP");
    place.logs("app: No such file");
    assert_eq!(program.get("/ok?id=x").status, 200);
    let workers = program.workers().len();
    assert!(workers >= 1 && support::states(&program.workers()).iter().all(|state| *state != 'Z'), "nothing is left");
    place.deploy("PIXIE_FAULTS_HASTE= RELEASE=3 exec ./real");
    program.signal("HUP");
    until("another one serves", || {
        // On a busy machine one second may be too short.
        let is_late = place.log().matches("was not ready").count() > 1;
        (is_late || release(&program).0 != program.pid()).then_some(())
    });
}

#[test]
fn requests_that_run_during_a_restart_are_finished_by_the_old_process() {
    let place = Place::new();
    let mut program = place.start("app", &[]);
    let mut slow = program.connect();
    slow.write_all(b"GET /sleep/2000 HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is sent");
    let mut stream = program.connect();
    stream.write_all(b"GET /lines/2000?id=x HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is sent");
    let mut first = [0; 1000];
    stream.read_exact(&mut first).expect("the beginning");
    program.signal("HUP");
    place.logs("another process has taken over");
    let mut rest = Vec::from(first);
    stream.read_to_end(&mut rest).expect("the rest");
    assert!(rest.ends_with(b"0\r\n\r\n"), "the stream is whole");
    let slow = Answer::read(&mut slow);
    assert_eq!((slow.status, slow.header("connection")), (200, Some("close")));
    let (new, _) = successor(&mut program);
    assert_ne!(new.0, program.pid());
}

#[test]
fn a_stop_during_a_restart_ends_both_processes() {
    let place = Place::new();
    let mut program = place.start("app", &[]);
    place.deploy("echo $$ > pid; exec sleep 600");
    program.signal("HUP");
    let pid = until("it has started", || fs::read_to_string(place.path("pid")).ok()?.trim().parse::<u32>().ok());
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    assert!(support::states(&[pid]).is_empty(), "it is gone");
    place.logs("this process is stopping");
}

#[test]
fn a_pool_goes_on_with_the_same_program_after_its_file_was_replaced_or_removed() {
    let place = Place::new();
    let program = place.start("app", &[]);
    let killed_and_answered = || {
        let before = program.workers();
        for worker in &before {
            run(Command::new("kill").args(["-KILL", &worker.to_string()]));
        }
        until("they have ended", || program.workers().iter().all(|worker| !before.contains(worker)).then_some(()));
        assert_eq!(program.get("/ok?id=x").status, 200);
        assert_eq!(program.get("/sandboxed/ok?id=x").status, 200);
    };
    place.deploy("exit 3");
    fs::remove_file(place.path("real")).expect("it was there");
    killed_and_answered();
    fs::remove_file(place.path("app")).expect("it was there");
    killed_and_answered();
}

#[test]
fn a_service_manager_learns_which_process_is_the_main_one() {
    let place = Place::new();
    let path = place.path("notify");
    let notes = UnixDatagram::bind(&path).expect("a socket");
    notes.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let word = || {
        let mut buffer = [0; 256];
        let count = notes.recv(&mut buffer).expect("a word comes");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let mut program = place.start("app", &[("NOTIFY_SOCKET", path.to_str().expect("a path"))]);
    assert_eq!(word(), "READY=1");
    place.deploy("exit 3");
    program.signal("HUP");
    assert!(word().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(word(), "READY=1\nSTATUS=could not start anew, see the log");
    place.deploy("exec ./real");
    program.signal("HUP");
    assert!(word().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    let main = word();
    let (new, _) = successor(&mut program);
    assert_eq!(main, format!("READY=1\nMAINPID={}\nSTATUS=", new.0));
    run(Command::new("kill").arg(new.0.to_string()));
    assert_eq!(word(), "STOPPING=1", "from the new one: the old one has not said it");
}

#[test]
fn a_program_ends_with_its_terminal() {
    let place = Place::new();
    // `script` starts the program in a terminal of its own, which ends with `script`.
    let mut terminal = Command::new("script");
    terminal.args(["-qfc", "echo $$ > pid; exec env --default-signal=HUP ./app 2>log", "/dev/null"]);
    terminal.current_dir(place.folder.path()).env("PIXIE_WORKERS", "1").env("SHELL", "/bin/sh").stdin(Stdio::null());
    let program = Program::spawn(terminal);
    let pid = fs::read_to_string(place.path("pid")).expect("it has started").trim().parse::<u32>().expect("a pid");
    assert_eq!(release(&program).0, pid);
    program.signal("KILL");
    until("it has ended", || support::states(&[pid]).is_empty().then_some(()));
    assert!(place.log().contains("the terminal was closed: stopping"), "{}", place.log());
}

#[test]
fn a_program_that_must_ignore_sighup_ignores_it() {
    let place = Place::new();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec ./app"]).current_dir(place.folder.path()).env("PIXIE_WORKERS", "1");
    let program = Program::spawn(command);
    program.signal("HUP");
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).expect("it runs");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("Linux says it");
    assert_eq!(u64::from_str_radix(ignored.trim(), 16).expect("hexadecimal") & 1, 1);
    assert_eq!(release(&program).0, program.pid());
}

#[test]
fn the_first_process_of_a_container_says_that_it_cannot_be_replaced() {
    let place = Place::new();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "env", "--default-signal=HUP", "./app"]);
    command.current_dir(place.folder.path()).env("PIXIE_WORKERS", "1");
    command.stdin(Stdio::null()).stderr(fs::File::create(place.path("log")).expect("a log"));
    let program = Program::spawn(command);
    let [first] = program.workers()[..] else { panic!("`unshare` has one child") };
    run(Command::new("kill").args(["-HUP", &first.to_string()]));
    place.logs("ignored SIGHUP: this program is the first process of its container");
    assert_eq!(release(&program).0, 1);
}
