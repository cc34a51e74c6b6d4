//! `pixie check`: checks what an app needs on this machine, and prints for each point its meaning and the
//! fix.
//!
//! Findings that exist only on Linux are read from `/proc` and `/sys`.

use std::{cmp::Ordering, env, fs, io::ErrorKind, net::TcpListener, path::Path, process::ExitCode};

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde::Serialize;
use toml_edit::Item;

use crate::{
    error::Error,
    interrupt::quiet,
    output,
    project::{cargo, wrapper},
};

/// Fewest watches without a warning. A large project needs fewer, and distributions set at least four times
/// as many.
const WATCHES_MIN: u64 = 16_384;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Write the findings to stdout as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It works, but could work better.
    Warning,
    /// It will fail.
    Problem,
}

/// One point of the check.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    found: String,
    /// The purpose, or the consequence.
    meaning: &'static str,
    fix: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, found: impl Into<String>, meaning: &'static str) -> Self {
        Self { name, state: State::Ok, found: found.into(), meaning, fix: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, meaning: &'static str, fix: impl Into<String>) -> Self {
        Self { name, state: State::Warning, found: found.into(), meaning, fix: Some(fix.into()) }
    }

    fn problem(name: &'static str, found: impl Into<String>, meaning: &'static str, fix: impl Into<String>) -> Self {
        Self { state: State::Problem, ..Self::warning(name, found, meaning, fix) }
    }
}

/// Prints all findings; the exit code is 1 if one of them is a problem.
pub(crate) fn check(args: CheckArgs) -> Result<ExitCode, Error> {
    let mut findings = vec![compiler(), flags(), linker(), versions(), git(), port()];
    if cfg!(target_os = "linux") {
        findings.extend([watches(), landlock(), seccomp(), cgroups()]);
    }
    match args.json {
        true => output::json(&findings)?,
        false => output::print(&findings.iter().map(shown).collect::<String>())?,
    }
    let is_bad = findings.iter().any(|finding| finding.state == State::Problem);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn shown(finding: &Finding) -> String {
    let (word, color) = match finding.state {
        State::Ok => ("ok", AnsiColor::Green),
        State::Warning => ("warning", AnsiColor::Yellow),
        State::Problem => ("problem", AnsiColor::BrightRed),
    };
    let style: Style = color.on_default().bold();
    let Finding { name, found, meaning, .. } = finding;
    let mut text = format!("{style}{word:>9}{style:#} {name}: {found}\n{:>10}{meaning}\n", "");
    if let Some(fix) = &finding.fix {
        text += &format!("{:>10}{HELP}fix{HELP:#}: {fix}\n", "", HELP = output::HELP);
    }
    text
}

/// Returns the output of a program, or `None` if it is missing or fails.
fn output_of(program: &str, args: &[&str]) -> Option<String> {
    let output = quiet(program).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn compiler() -> Finding {
    let meaning = "compiles the app";
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let version = output_of("rustc", &["--version"]);
    let Some(release) = version.as_deref().and_then(|version| version.split_whitespace().nth(1)) else {
        return Finding::problem("rustc", "not found", meaning, "install Rust: https://rustup.rs");
    };
    match minor(release) < minor(wanted) {
        true => {
            let found = format!("{release}, older than {wanted}");
            Finding::problem("rustc", found, "pixie does not compile with it", "rustup update stable")
        }
        false => Finding::ok("rustc", release, meaning),
    }
}

/// Compiles nothing with the wrapper and the flags of the environment, as cargo does before a build.
fn flags() -> Finding {
    let (name, meaning) = ("environment", "RUSTC_WRAPPER and RUSTFLAGS change how cargo compiles");
    let wrapper = wrapper();
    if let Some((variable, program)) = &wrapper
        && quiet(program).args(["rustc", "--version"]).output().is_err()
    {
        let fix = format!("install `{program}`, or unset {variable}");
        return Finding::problem(name, format!("{variable} names `{program}`, which does not start"), meaning, fix);
    }
    let given = env::var("RUSTFLAGS").unwrap_or_default();
    let flags: Vec<_> = given.split_whitespace().collect();
    // A question that needs no source file.
    let is_accepted = flags.is_empty() || output_of("rustc", &[&flags[..], &["--print", "cfg"]].concat()).is_some();
    match is_accepted {
        true if wrapper.is_none() && flags.is_empty() => Finding::ok(name, "nothing is set", meaning),
        true => Finding::ok(name, "usable", meaning),
        false => {
            Finding::problem(name, format!("rustc refuses RUSTFLAGS: `{given}`"), meaning, "correct or unset RUSTFLAGS")
        }
    }
}

/// Returns the major and minor number of a version.
fn minor(version: &str) -> (u64, u64) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

fn linker() -> Finding {
    let meaning = "rustc links with it at the end of each build";
    match cfg!(windows) || output_of("cc", &["--version"]).is_some() {
        true => Finding::ok("linker", "available", meaning),
        false => {
            let fix = "install a C compiler: `apt install gcc`, `dnf install gcc` or `xcode-select --install`";
            Finding::problem("linker", "`cc` not found", meaning, fix)
        }
    }
}

/// Compares the versions of this command and of pixie-web, which are released together.
fn versions() -> Finding {
    let (name, ours) = ("pixie", env!("CARGO_PKG_VERSION"));
    let meaning = "command and pixie-web must have the same minor version";
    let Some(version) = locked_version() else {
        return Finding::ok(name, format!("command {ours}; pixie-web is not in a Cargo.lock here"), meaning);
    };
    let found = format!("command {ours}, pixie-web {version}");
    match minor(&version).cmp(&minor(ours)) {
        Ordering::Equal => Finding::ok(name, found, meaning),
        Ordering::Less => Finding::warning(name, found, meaning, "update pixie-web in Cargo.toml"),
        Ordering::Greater => Finding::warning(name, found, meaning, "cargo install --locked pixie-cli"),
    }
}

/// Returns the version in Cargo.lock. `cargo metadata` would need the crates of all platforms on this
/// machine.
fn locked_version() -> Option<String> {
    let cargo = cargo();
    let question = ["locate-project", "--workspace", "--message-format", "plain"];
    let manifest = output_of(&cargo.get_program().to_string_lossy(), &question)?;
    let lock = fs::read_to_string(Path::new(manifest.trim()).with_file_name("Cargo.lock")).ok()?;
    let lock: toml_edit::DocumentMut = lock.parse().ok()?;
    let mut packages = lock.get("package")?.as_array_of_tables()?.iter();
    let web = packages.find(|package| package.get("name").and_then(Item::as_str) == Some("pixie-web"))?;
    web.get("version")?.as_str().map(str::to_owned)
}

fn git() -> Finding {
    let meaning = "`pixie new` uses git to create a repository and to fetch templates";
    match output_of("git", &["--version"]) {
        Some(version) => Finding::ok("git", version.trim().trim_start_matches("git version "), meaning),
        None => Finding::warning("git", "not found", meaning, "install git, or use `--vcs none`"),
    }
}

fn port() -> Finding {
    let set = env::var_os("PIXIE_PORT").map(|text| text.to_string_lossy().into_owned());
    // 8000 is the default of `App::port`.
    let Some(port) = set.as_ref().map_or(Some(8000), |text| text.trim().parse().ok()) else {
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
    let meaning = "`pixie dev` watches files without polling";
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_watches");
    match limit.ok().and_then(|text| text.trim().parse::<u64>().ok()) {
        Some(limit) if limit >= WATCHES_MIN => Finding::ok("inotify", format!("{limit} watches"), meaning),
        Some(limit) => {
            let fix = "sudo sysctl fs.inotify.max_user_watches=524288";
            Finding::warning("inotify", format!("{limit} watches are few for a large project"), meaning, fix)
        }
        None => {
            let fix = "use `pixie dev --poll`; a container may hide inotify";
            Finding::warning("inotify", "not available", meaning, fix)
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
    let name = "cgroups";
    let meaning = "let the kernel enforce the memory limit of each worker, in a service with Delegate=yes";
    let Ok(controllers) = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers") else {
        let fix = "boot with systemd's unified hierarchy";
        return Finding::warning(name, "version 2 is not mounted", meaning, fix);
    };
    // Only the service itself can find out whether a cgroup was delegated to it, so an app checks that at its
    // start.
    match controllers.split_whitespace().any(|name| name == "memory") {
        true => Finding::ok(name, "version 2, with memory", meaning),
        false => Finding::warning(name, "version 2, without memory", meaning, "boot without `cgroup_disable=memory`"),
    }
}
