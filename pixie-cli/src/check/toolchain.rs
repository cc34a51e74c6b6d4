//! The findings about compiler, linker, git and the version of pixie-web in the project.

use std::{cmp::Ordering, fs, path::Path, process::Command};

use toml_edit::Item;

use super::Finding;
use crate::project::cargo;

/// The first release whose default linker on x86-64 Linux is lld.
const LLD_BY_DEFAULT: (u64, u64) = (1, 90);
const LINKS: &str = "links the program at the end of each build";

pub(super) fn findings() -> Vec<Finding> {
    let about = run(Command::new("rustc").arg("-vV"));
    let field = |name: &str| {
        let about = about.as_deref()?;
        about.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned)
    };
    let release = field("release:");
    let mut findings = vec![compiler(release.as_deref())];
    findings.push(linker(release.as_deref(), field("host:").as_deref()));
    findings.push(versions());
    findings.push(git());
    findings
}

fn run(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn compiler(release: Option<&str>) -> Finding {
    let meaning = "compiles the app";
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    let Some(release) = release else {
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

/// Returns the major and minor number of a version.
fn minor(version: &str) -> (u64, u64) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

fn linker(release: Option<&str>, host: Option<&str>) -> Finding {
    let windows = host.is_some_and(|host| host.ends_with("msvc"));
    if !windows && run(Command::new("cc").arg("--version")).is_none() {
        let fix = "install a C compiler: `apt install gcc`, `dnf install gcc` or `xcode-select --install`";
        return Finding::problem("linker", "`cc` not found", "rustc links with `cc`, so builds fail", fix);
    }
    let is_linux = host.is_some_and(|host| host.contains("linux"));
    if !is_linux {
        return Finding::ok("linker", "the system's", LINKS);
    }
    let has_default_lld = host == Some("x86_64-unknown-linux-gnu") && release.map(minor) >= Some(LLD_BY_DEFAULT);
    if has_default_lld {
        return Finding::ok("linker", "rust-lld, part of the compiler", "links in less than half the time of GNU ld");
    }
    let fast = ["mold", "ld.lld"].into_iter().find(|name| run(Command::new(name).arg("--version")).is_some());
    match fast {
        Some(name) => Finding::warning(
            "linker",
            format!("GNU ld, although {name} is installed"),
            "slow: each build waits for it",
            format!("RUSTFLAGS=\"-Clink-arg=-fuse-ld={}\"", name.trim_start_matches("ld.")),
        ),
        None => Finding::warning("linker", "GNU ld", "slow: each build waits for it", "install lld or mold"),
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
    let manifest = run(cargo().args(["locate-project", "--workspace", "--message-format", "plain"]))?;
    let lock = fs::read_to_string(Path::new(manifest.trim()).with_file_name("Cargo.lock")).ok()?;
    let lock: toml_edit::DocumentMut = lock.parse().ok()?;
    let mut packages = lock.get("package")?.as_array_of_tables()?.iter();
    let web = packages.find(|package| package.get("name").and_then(Item::as_str) == Some("pixie-web"))?;
    web.get("version")?.as_str().map(str::to_owned)
}

fn git() -> Finding {
    let meaning = "`pixie new` uses git to create a repository and to fetch templates";
    match run(Command::new("git").arg("--version")) {
        Some(version) => Finding::ok("git", version.trim().trim_start_matches("git version "), meaning),
        None => Finding::warning("git", "not found", meaning, "install git, or use `--vcs none`"),
    }
}
