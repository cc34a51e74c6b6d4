//! Messages to a service manager, and the program's description of itself.
use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Child, Command, Stdio},
};

use crate::support::{self, PATIENCE, Program, until};

#[test]
fn a_service_manager_learns_that_a_program_is_ready_and_that_it_stops() {
    let path = env::temp_dir().join(format!("notify-{}", std::process::id()));
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut program = Program::start_with("route_kinds", &[("NOTIFY_SOCKET", path.to_str().expect("a path"))]);
    assert_eq!(word(&socket), "READY=1");
    program.signal("TERM");
    assert_eq!(word(&socket), "STOPPING=1");
    assert_eq!(program.wait(), Some(0));
    let _ = fs::remove_file(path);
}

#[test]
fn an_app_makes_its_values_before_it_is_ready_and_ends_its_work_before_it_stops() {
    let mut program = Program::start_with("background", &[("PIXIE_WORKERS", "1"), ("PIXIE_DEV", "0")]);
    let start = program.output_to("waiting: 0");
    let at = |line: &str| start.find(line).unwrap_or_else(|| panic!("no `{line}` in {start}"));
    assert!(at("connected") < at("started") && at("started") < at("listening on"), "{start}");
    assert!(!start.contains("connected\nconnected"), "workers do not do it: {start}");
    let answer = program.ask("POST /mails HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("9")), "{answer:?}");
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    let end = program.output_to("stopped with");
    assert!(end.contains("sent") && end.contains("stopped with 0 waiting"), "{end}");
}

#[test]
fn a_main_that_starts_threads_in_every_worker_is_named_in_development() {
    for (variables, is_named) in [(&[("EARLY_THREAD", "1")][..], true), (&[], false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let log = fs::File::create(&path).expect("a file");
        let all = [variables, &[("PIXIE_WORKERS", "1"), ("PIXIE_DEV", "1")]].concat();
        let program = Program::start_to("background", &all, log.into());
        assert_eq!(program.get("/").status, 200);
        let log = until("the request is in the log", || {
            fs::read_to_string(&path).ok().filter(|log| log.contains("path=/ ") || log.contains("kind=pool"))
        });
        assert_eq!(log.contains(" WARN `main` starts threads or a runtime before `run()`"), is_named, "{log}");
    }
}

#[test]
fn a_socket_that_the_service_manager_keeps_refuses_nobody_during_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let notes = UnixDatagram::bind(&path).expect("a socket");
    notes.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = socket.local_addr().expect("an address");
    // The shell passes its standard input as descriptor 3, where systemd passes a socket.
    let start = || {
        let passed = OwnedFd::from(socket.try_clone().expect("it can be shared"));
        let mut program = Command::new("sh");
        program.args(["-c", r#"exec 3<&0 0</dev/null; exec "$0""#]).arg(support::example("route_kinds"));
        program.env("LISTEN_FDS", "1").env_remove("LISTEN_PID").env("NOTIFY_SOCKET", &path);
        program.stdin(Stdio::from(passed)).stdout(Stdio::null()).spawn().expect("it starts")
    };
    let stop = |mut program: Child| {
        let status = Command::new("kill").arg(program.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()));
        assert_eq!(word(&notes), "STOPPING=1");
        until("the program ends", || program.try_wait().expect("it can be waited for")).code()
    };
    let ask = || {
        let mut stream = TcpStream::connect(address).expect("nobody is refused");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it is sent");
        stream
    };
    let answer = |mut stream: TcpStream| {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the answer can be read");
        text.lines().next().unwrap_or_default().to_owned()
    };
    let first = start();
    assert_eq!(word(&notes), "READY=1");
    assert_eq!(answer(ask()), "HTTP/1.1 200 OK");
    assert_eq!(stop(first), Some(0));
    let waiting = ask();
    let second = start();
    assert_eq!(answer(waiting), "HTTP/1.1 200 OK");
    assert_eq!(word(&notes), "READY=1");
    assert_eq!(stop(second), Some(0));
}

fn word(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 64];
    let count = socket.recv(&mut buffer).expect("a word comes");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[test]
fn a_program_tells_its_routes_and_ends_without_listening() {
    let dump = |question: &str| {
        let output =
            Command::new(support::example("route_kinds")).env("PIXIE_DUMP", question).output().expect("it runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_done, text) = dump("routes");
    assert!(is_done);
    let table: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(table["routes"].as_array().map(Vec::len), Some(7));
    let pool = table["routes"].as_array().into_iter().flatten().find(|route| route["path"] == "/pool");
    assert_eq!(pool.map(|route| (&route["kind"], &route["pool"])), Some((&"pool".into(), &"default".into())));
    assert!(dump("match POST /pool").1.contains("405"));
    assert!(dump("match GET /none").1.contains("404"));
    assert!(!dump("all").0);
}

#[cfg(target_os = "linux")]
#[test]
fn systemd_understands_the_units_of_the_guide() {
    let guide = include_str!("../../src/guide/how-to/systemd.md");
    let folder = tempfile::tempdir().expect("a folder");
    let mut paths = Vec::new();
    for unit in guide.split("```text\n# /etc/systemd/system/").skip(1) {
        let (name, text) = unit.split_once('\n').expect("a name");
        // Programs of units must exist.
        let text = text.split("```").next().unwrap_or_default().replace("/srv/blog/blog", "/bin/true");
        paths.push(folder.path().join(name));
        fs::write(folder.path().join(name), text.replace("/srv/blog", "/tmp")).expect("a unit");
    }
    assert_eq!(paths.len(), 2, "a socket and a service");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(paths).output();
    let output = output.expect("`systemd-analyze` of Debian's package systemd");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("blog"), "{said}");
}
