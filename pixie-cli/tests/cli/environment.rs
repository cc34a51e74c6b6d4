//! The environment of the programs that tests start: the developer's, without the variables that would change
//! how the programs behave.
//!
//! Variables about the machine stay, such as `PATH`, `TMPDIR`, cargo's folders and the compiler's flags.

use std::{env, process::Command};

/// Variables that are taken away, by the beginnings of their names.
const STEERING: [&str; 7] = ["PIXIE_", "CLICOLOR", "GIT_", "LISTEN_", "NOTIFY_", "INSTA_", "CARGO_TERM_"];
/// And by their names.
const NAMES: [&str; 9] = [
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CI",
    "NO_COLOR",
    "NOTES_FILE",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "RUST_LOG",
];

/// Takes away what would steer a program, and keeps git from the developer's configuration.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if STEERING.iter().any(|start| text.starts_with(start)) || NAMES.iter().any(|known| text == *known) {
            command.env_remove(&name);
        }
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1")
}
