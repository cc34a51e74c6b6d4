//! Asks each route where it ran.
use std::process::{Command, Stdio};

use support::Program;

#[path = "../../../tests/programs/support.rs"]
mod support;

#[test]
fn hello_says_where_each_route_ran() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hello"));
    command.stderr(Stdio::null());
    let hello = Program::spawn(command);
    assert_eq!(hello.get("/").body, "Hello world from process type main");
    assert_eq!(hello.get("/async").body, "Hello world (async) from process type main");
    assert_eq!(hello.get("/cpu").body, "Hello world (CPU-bound) from process type pool");
}
