//! Edits an app under `pixie dev` and an identical one under `cargo build` in turn, and prints the
//! difference.
//!
//! Both build into one folder. Every second round runs in reverse order, the first round does not count, and
//! differences are computed within a round, so that a temporary disturbance affects both.
#![forbid(unsafe_code)]
use std::{
    env,
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use pixie_dev_bench::{
    app::App,
    args::Args,
    dev::Dev,
    table::{Times, cell},
};

/// Limits the time that `pixie dev` may add to cargo's own time, in milliseconds.
const TARGET_MS: f64 = 50.0;
/// After a switch the old program exits and workers start. The next measurement waits for that.
const SETTLE: Duration = Duration::from_millis(700);

fn main() -> ExitCode {
    let args = match Args::parse(env::args().skip(1), 15) {
        Ok(args) => args,
        Err(text) => {
            eprintln!("error: {text}");
            return ExitCode::from(2);
        }
    };
    let work = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/apps");
    let bench = Bench::start(&args, &work);
    let [mut handler, mut template] = [Edits::default(), Edits::default()];
    let mut style = Times::default();
    for round in 0..=args.rounds {
        eprintln!("round {round} of {}{}", args.rounds, if round == 0 { ", not counted" } else { "" });
        let word = format!("handler-{round}");
        let measured = bench.edit("/h/7", &word, round, |app| app.set_handler(7, &word));
        let word = format!("template-{round}");
        let other = bench.edit("/t/3", &word, round, |app| app.set_template(3, &word));
        let swapped = bench.style(round);
        if round > 0 {
            handler.add(measured);
            template.add(other);
            style.add(swapped);
        }
    }
    println!("Medians of {} rounds (shortest … longest), from the save on:\n", args.rounds);
    println!("| edit | `pixie dev`: the new page | `cargo build` alone | added | at most {TARGET_MS} ms |");
    println!("|---|--:|--:|--:|---|");
    let is_met = handler.print("handler") & template.print("template");
    println!("| style sheet | {}, to the event in the page | no build | | |", cell(&style));
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Both apps.
struct Bench {
    live: App,
    twin: App,
    dev: Dev,
}

impl Bench {
    fn start(args: &Args, work: &Path) -> Bench {
        let (live, twin) = (App::write(work, "live"), App::write(work, "twin"));
        build(&twin);
        let dev = Dev::start(&args.pixie, &live.folder, &target(&live));
        dev.until_page("/h/7", "first");
        Bench { live, twin, dev }
    }

    /// Makes an edit in both apps, and returns the times of the page and of cargo.
    fn edit(&self, path: &str, word: &str, round: usize, edit: impl Fn(&App)) -> (Duration, Duration) {
        let page = || {
            thread::sleep(SETTLE);
            let start = Instant::now();
            edit(&self.live);
            self.dev.until_page(path, word);
            start.elapsed()
        };
        let cargo = || {
            thread::sleep(SETTLE);
            let start = Instant::now();
            edit(&self.twin);
            build(&self.twin);
            start.elapsed()
        };
        if round.is_multiple_of(2) {
            let page = page();
            return (page, cargo());
        }
        let cargo = cargo();
        (page(), cargo)
    }

    /// Changes the style sheet and returns the time until the event.
    fn style(&self, round: usize) -> Duration {
        thread::sleep(SETTLE);
        let mut events = self.dev.events("/t/1");
        let start = Instant::now();
        self.live.set_style(round + 1);
        events.until("css");
        start.elapsed()
    }
}

/// The times of one kind of edit.
#[derive(Default)]
struct Edits {
    page: Times,
    cargo: Times,
}

impl Edits {
    fn add(&mut self, (page, cargo): (Duration, Duration)) {
        self.page.add(page);
        self.cargo.add(cargo);
    }

    /// Prints the row, and returns whether the target is met.
    fn print(&self, name: &str) -> bool {
        let added = self.page.beyond(&self.cargo);
        let is_met = added.median().0 <= TARGET_MS;
        let verdict = if is_met { "**met**" } else { "**missed**" };
        println!("| {name} | {} | {} | {} | {verdict} |", cell(&self.page), cell(&self.cargo), cell(&added));
        is_met
    }
}

fn build(app: &App) {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet"]).current_dir(&app.folder).env("CARGO_TARGET_DIR", target(app)).stdin(Stdio::null());
    assert!(cargo.status().is_ok_and(|status| status.success()), "the twin builds");
}

fn target(app: &App) -> std::path::PathBuf {
    app.folder.with_file_name("target")
}
