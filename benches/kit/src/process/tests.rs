//! Programs that succeed, fail, and do not exit.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::run;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_output_of_a_program_is_returned() {
    assert_eq!(run(Command::new("echo").arg("hello"), LONG).unwrap(), "hello\n");
}

#[test]
fn a_program_that_fails_is_an_error() {
    assert!(run(&mut Command::new("false"), LONG).is_err());
    assert!(run(&mut Command::new("no-such-program"), LONG).is_err());
}

#[test]
fn a_program_that_takes_too_long_is_killed() {
    let start = Instant::now();
    let error = run(Command::new("tail").args(["-f", "/dev/null"]), Duration::from_millis(50)).unwrap_err();
    assert!(error.to_string().ends_with("it took too long and was killed"), "{error}");
    assert!(start.elapsed() < LONG);
}
