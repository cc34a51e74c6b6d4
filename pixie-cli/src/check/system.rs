//! The findings about the operating system: the port, file watching, and what the sandbox of workers needs.
//!
//! Findings that exist only on Linux are read from `/proc` and `/sys`.

use std::{env, fs, io::ErrorKind, net::TcpListener};

use super::Finding;

/// Fewest watches without a warning. A large project needs fewer, and distributions set at least four times
/// as many.
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
        return Finding::problem("port", found, "apps do not start with it", "set it to a number from 0 to 65535");
    };
    let meaning = "the port on which an app listens by default";
    match TcpListener::bind(("localhost", port)) {
        Ok(_) => Finding::ok("port", format!("{port} is free"), meaning),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let fix = format!("stop the other program (`ss -ltnp 'sport = :{port}'` names it), or set PIXIE_PORT");
            Finding::warning("port", format!("{port} is in use"), meaning, fix)
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let fix = "set PIXIE_PORT to 1024 or higher";
            Finding::problem("port", format!("this user may not listen on {port}"), meaning, fix)
        }
        Err(error) => Finding::problem("port", format!("{port}: {error}"), meaning, "set PIXIE_HOST or PIXIE_PORT"),
    }
}

fn watches() -> Finding {
    let path = "/proc/sys/fs/inotify/max_user_watches";
    let limit = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    match limit {
        Some(limit) if limit >= WATCHES => {
            Finding::ok("inotify", format!("{limit} watches"), "`pixie dev` watches files without polling")
        }
        Some(limit) => Finding::warning(
            "inotify",
            format!("{limit} watches"),
            "`pixie dev` may miss changes in large projects",
            "sudo sysctl fs.inotify.max_user_watches=524288",
        ),
        None => {
            let fix = "use `pixie dev --poll`; a container may hide inotify";
            Finding::warning("inotify", "not available", "`pixie dev` can only poll files", fix)
        }
    }
}

fn landlock() -> Finding {
    let meaning = "lets the sandbox close files to workers that do not need them";
    let Ok(modules) = fs::read_to_string("/sys/kernel/security/lsm") else {
        let fix = "mount securityfs on /sys/kernel/security, and check again";
        return Finding::warning("landlock", "unknown: cannot read /sys/kernel/security/lsm", meaning, fix);
    };
    match modules.trim().split(',').any(|module| module == "landlock") {
        true => Finding::ok("landlock", "available", meaning),
        false => Finding::warning("landlock", "off", meaning, "boot with `lsm=landlock,…`, on Linux 5.13 or later"),
    }
}

fn seccomp() -> Finding {
    let meaning = "lets the sandbox forbid system calls that workers do not need";
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    match actions.contains("kill_process") || status.lines().any(|line| line.starts_with("Seccomp:")) {
        true => Finding::ok("seccomp", "available", meaning),
        false => Finding::warning("seccomp", "off", meaning, "use a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

fn cgroups() -> Finding {
    let meaning = "let the kernel enforce the memory limit of each worker, in a service with Delegate=yes";
    let Ok(controllers) = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers") else {
        return Finding::warning(
            PROCESSES,
            "version 2 is not mounted",
            meaning,
            "boot with systemd's unified hierarchy",
        );
    };
    // Only the service itself can find out whether a cgroup was delegated to it, so an app checks that at its
    // start.
    match controllers.split_whitespace().any(|name| name == "memory") {
        true => Finding::ok(PROCESSES, "version 2, with memory", meaning),
        false => {
            Finding::warning(PROCESSES, "version 2, without memory", meaning, "boot without `cgroup_disable=memory`")
        }
    }
}
