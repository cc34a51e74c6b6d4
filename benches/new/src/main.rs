//! Makes an app from each template and serves its first page, and compares with cargo alone. Crates are
//! cached, build results are not.
//!
//! Each round uses new folders, so every build is a first build. Crates are downloaded before.
#![forbid(unsafe_code)]
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use pixie_dev_bench::{
    args::{Args, workspace},
    dev::Dev,
    table::{Times, cell},
};

/// Each template, and a text of its first page.
const TEMPLATES: [(&str, &str); 2] = [("minimal", "It works!"), ("app", "There are no notes yet.")];

fn main() -> ExitCode {
    let args = match Args::parse(env::args().skip(1), 3) {
        Ok(args) => args,
        Err(text) => {
            eprintln!("error: {text}");
            return ExitCode::from(2);
        }
    };
    // Outside of any workspace and repository, as a new app usually is.
    let work = env::temp_dir().join(format!("pixie-new-bench-{}", process::id()));
    println!("Medians of {} rounds (shortest … longest), crates cached, nothing built:\n", args.rounds);
    println!("| template | `pixie new` | `pixie dev`: the first page | `cargo build` alone | from `new` to the page |");
    println!("|---|--:|--:|--:|--:|");
    for (template, word) in TEMPLATES {
        let mut rows = Rows::default();
        for round in 1..=args.rounds {
            eprintln!("{template}, round {round} of {}", args.rounds);
            // Removes the files of an earlier run.
            let _ = fs::remove_dir_all(&work);
            rows.measure(&args, &work, template, word, round);
        }
        rows.print(template);
    }
    let _ = fs::remove_dir_all(&work);
    ExitCode::SUCCESS
}

#[derive(Default)]
struct Rows {
    new: Times,
    page: Times,
    cargo: Times,
    all: Times,
}

impl Rows {
    /// Every second round runs in reverse order.
    fn measure(&mut self, args: &Args, work: &Path, template: &str, word: &str, round: usize) {
        let (first, new) = make(args, work, "first", template);
        let (second, _) = make(args, work, "second", template);
        let page = || {
            let start = Instant::now();
            let dev = Dev::start(&args.pixie, &first, &work.join("first-target"));
            dev.until_page("/", word);
            start.elapsed()
        };
        let cargo = || {
            let start = Instant::now();
            cargo(&second, &["build", "--quiet", "--offline"], &work.join("second-target"));
            start.elapsed()
        };
        let (page, cargo) = match round % 2 {
            0 => {
                let cargo = cargo();
                (page(), cargo)
            }
            _ => (page(), cargo()),
        };
        self.new.add(new);
        self.page.add(page);
        self.cargo.add(cargo);
        self.all.add(new + page);
    }

    fn print(&self, template: &str) {
        let [new, page, cargo, all] = [&self.new, &self.page, &self.cargo, &self.all].map(cell);
        println!("| {template} | {new} | {page} | {cargo} | {all} |");
    }
}

/// Makes an app. Returns its folder, and how long `pixie new` took.
fn make(args: &Args, work: &Path, name: &str, template: &str) -> (PathBuf, Duration) {
    fs::create_dir_all(work).expect("a folder");
    let mut command = Command::new(&args.pixie);
    command.args(["new", name, "--template", template, "--yes", "--quiet"]).current_dir(work);
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let time = start.elapsed();
    assert!(status.is_ok_and(|status| status.success()), "pixie new {name}");
    let app = work.join(name);
    // The versions that the workspace uses are on this machine.
    fs::copy(workspace().join("Cargo.lock"), app.join("Cargo.lock")).expect("the lock file");
    (app, time)
}

fn cargo(app: &Path, arguments: &[&str], target: &Path) {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(app).env("CARGO_TARGET_DIR", target).stdin(Stdio::null());
    assert!(cargo.status().is_ok_and(|status| status.success()), "cargo {arguments:?}");
}
