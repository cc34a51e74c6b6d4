//! What a service manager is told, and what a program tells of itself.
#![cfg(unix)]
mod support;

use std::{env, fs, os::unix::net::UnixDatagram, process::Command};

use support::{PATIENCE, Program};

#[test]
fn a_service_manager_learns_that_a_program_is_ready_and_that_it_stops() {
    let path = env::temp_dir().join(format!("notify-{}", std::process::id()));
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut program = Program::start_with("hello", &[("NOTIFY_SOCKET", path.to_str().expect("a path"))]);
    fn word(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let count = socket.recv(&mut buffer).expect("a word comes");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }
    assert_eq!(word(&socket), "READY=1");
    program.signal("TERM");
    assert_eq!(word(&socket), "STOPPING=1");
    assert_eq!(program.wait(), Some(0));
    let _ = fs::remove_file(path);
}

#[test]
fn a_program_tells_its_routes_and_ends_without_listening() {
    let dump = |question: &str| {
        let output = Command::new(support::example("hello")).env("PIXIE_DUMP", question).output().expect("it runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_done, text) = dump("routes");
    assert!(is_done);
    let table: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(table["routes"].as_array().map(Vec::len), Some(3));
    assert_eq!(table["routes"][2]["kind"], "pool");
    assert_eq!(table["routes"][2]["pool"], "default");
    assert!(dump("match POST /cpu").1.contains("405"));
    assert!(dump("match GET /none").1.contains("404"));
    assert!(!dump("all").0);
}
