//! The findings about the operating system: the port, file watching, and what confines workers.
//!
//! What only Linux has is read from `/proc` and `/sys`; elsewhere those lines are left out.

use std::{env, fs, io::ErrorKind, net::TcpListener};

use super::Finding;

/// Watches that a project with a large `target` beside it may need, and a quarter of what distributions set today.
const WATCHES: u64 = 16_384;
/// The default of `App::port`.
const PORT: u16 = 8000;
const PROCESSES: &str = "cgroups";

pub(super) fn findings() -> Vec<Finding> {
    let mut findings = vec![port()];
    if env::consts::OS == "linux" {
        findings.extend([watches(), landlock(), seccomp(), cgroups()]);
    }
    findings
}

fn port() -> Finding {
    let set = env::var("PIXIE_PORT").ok();
    let Some(port) = set.as_ref().map_or(Some(PORT), |text| text.trim().parse().ok()) else {
        let found = format!("PIXIE_PORT is `{}`", set.unwrap_or_default());
        return Finding::problem("port", found, "no app starts with it", "set it to a number from 0 to 65535");
    };
    let meaning = "where an app listens unless it says otherwise";
    match TcpListener::bind(("localhost", port)) {
        Ok(_) => Finding::ok("port", format!("{port} is free"), meaning),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let fix = format!("stop the other program (`ss -ltnp 'sport = :{port}'` names it), or set PIXIE_PORT");
            Finding::warning("port", format!("{port} is in use"), meaning, fix)
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let fix = "choose one from 1024 up with PIXIE_PORT";
            Finding::problem("port", format!("{port} is not for you"), meaning, fix)
        }
        Err(error) => Finding::problem("port", format!("{port}: {error}"), meaning, "set PIXIE_HOST or PIXIE_PORT"),
    }
}

fn watches() -> Finding {
    let path = "/proc/sys/fs/inotify/max_user_watches";
    let limit = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    match limit {
        Some(limit) if limit >= WATCHES => {
            Finding::ok("inotify", format!("{limit} watches"), "files are watched without polling")
        }
        Some(limit) => Finding::warning(
            "inotify",
            format!("{limit} watches"),
            "changes in large projects may be missed",
            "sudo sysctl fs.inotify.max_user_watches=524288",
        ),
        None => {
            let fix = "none, if this is a container that hides it";
            Finding::warning("inotify", "not there", "changes of files can only be polled", fix)
        }
    }
}

fn landlock() -> Finding {
    let meaning = "can keep workers away from files they do not need";
    let Ok(modules) = fs::read_to_string("/sys/kernel/security/lsm") else {
        let fix = "mount securityfs on /sys/kernel/security to know";
        return Finding::warning("landlock", "unknown: the kernel's list cannot be read", meaning, fix);
    };
    match modules.trim().split(',').any(|module| module == "landlock") {
        true => Finding::ok("landlock", "available", meaning),
        false => Finding::warning("landlock", "off", meaning, "boot with `lsm=landlock,…`, on Linux 5.13 or later"),
    }
}

fn seccomp() -> Finding {
    let meaning = "can keep workers from system calls they do not need";
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    match actions.contains("kill_process") || status.lines().any(|line| line.starts_with("Seccomp:")) {
        true => Finding::ok("seccomp", "available", meaning),
        false => Finding::warning("seccomp", "off", meaning, "use a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

fn cgroups() -> Finding {
    let meaning = "a service with Delegate=yes holds each worker to its memory with them; elsewhere that limit does not see all of it";
    let Ok(controllers) = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers") else {
        return Finding::warning(
            PROCESSES,
            "version 2 is not mounted",
            meaning,
            "boot with systemd's unified hierarchy",
        );
    };
    // Whether one was delegated is no question for a terminal: an app asks it where it runs.
    match controllers.split_whitespace().any(|name| name == "memory") {
        true => Finding::ok(PROCESSES, "version 2, with memory", meaning),
        false => {
            Finding::warning(PROCESSES, "version 2, without memory", meaning, "boot without `cgroup_disable=memory`")
        }
    }
}
