//! How a session ends: nothing that it has started is left, however that came.

use std::{fs, path::Path};

use crate::site::{self, Site, command, page, until};

/// A build script that writes its process id and waits forever, if the program's source asks for it.
pub(crate) const WAITING: &str = r#"
fn main() {
    println!("cargo:rerun-if-changed=src/main.rs");
    if std::fs::read_to_string("src/main.rs").unwrap().contains("// wait") {
        std::fs::write("ignored-new", std::process::id().to_string()).unwrap();
        std::fs::rename("ignored-new", "ignored").unwrap();
        loop {
            std::thread::park();
        }
    }
}
"#;

/// Waits until the build script waits, and returns its process.
pub(crate) fn waiting(folder: &Path) -> u32 {
    until("the build waits", || fs::read_to_string(folder.join("ignored")).ok()?.parse().ok())
}

#[test]
fn a_killed_command_leaves_no_process_and_no_socket() {
    let site = Site::start("orphaned", &page("x"));
    let (processes, folder) = (site.descendants(), site.socket_folder());
    assert!(processes.len() >= 3, "a guard, the program and its worker: {processes:?}");
    assert!(folder.exists());
    site.signal("KILL");
    site.wait();
    until("its processes are gone", || site::living(&processes).is_empty().then_some(()));
    assert!(!folder.exists());
}

#[test]
fn a_signal_ends_everything_and_is_no_failure() {
    for signal in ["INT", "TERM", "HUP"] {
        let site = Site::start("stopped", &page("x"));
        let (processes, folder) = (site.descendants(), site.socket_folder());
        site.signal(signal);
        assert_eq!(site.wait(), Some(0), "{signal}");
        until("its processes are gone", || site::living(&processes).is_empty().then_some(()));
        assert!(!folder.exists());
    }
}

#[test]
fn in_the_middle_of_a_build_nothing_is_left_either() {
    for signal in ["INT", "KILL"] {
        let folder = Site::project("half-built", &format!("// wait\n{}", page("x")));
        fs::write(folder.join("build.rs"), WAITING).expect("a file");
        let site = Site::launch_as(command(&folder, &[]));
        let script = waiting(&folder);
        let processes = site.descendants();
        assert!(processes.contains(&script), "{processes:?} without {script}");
        site.signal(signal);
        site.wait();
        until("its processes are gone", || site::living(&processes).is_empty().then_some(()));
    }
}

#[test]
fn a_program_that_never_gets_ready_is_no_orphan() {
    let hangs = "fn main() { std::fs::write(\"ignored\", std::process::id().to_string()).unwrap(); loop { std::thread::park() } }";
    let site = Site::launch("never-ready", hangs);
    let program = waiting(&site.folder);
    site.signal("KILL");
    site.wait();
    until("the program is gone", || site::living(&[program]).is_empty().then_some(()));
}
