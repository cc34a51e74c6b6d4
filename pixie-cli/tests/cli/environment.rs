//! The environment of the programs that tests start: the developer's, without the variables that would change
//! how the programs behave.
//!
//! Variables about the machine stay, such as `PATH`, `TMPDIR`, cargo's folders and the compiler's flags.

use std::{env, process::Command};

/// Variables that are taken away, by the beginnings of their names.
///
/// cargo tells tests about their package. A cargo that they start would build crates again whose build
/// scripts read this, such as ring, and all that depends on them.
const STEERING: [&str; 9] =
    ["PIXIE_", "CLICOLOR", "GIT_", "LISTEN_", "NOTIFY_", "INSTA_", "CARGO_TERM_", "CARGO_PKG_", "CARGO_MANIFEST_"];
/// And by their names.
const NAMES: [&str; 10] = [
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CI",
    "NO_COLOR",
    "NOTES_FILE",
    "OUT_DIR",
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
