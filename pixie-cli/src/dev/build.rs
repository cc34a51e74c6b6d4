//! One run of cargo: started in a process group of its own, read message by message, and ended early when newer edits come.
//!
//! It decides nothing: it tells the session how the build ended. Compiler messages go to the terminal as they come.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Once, mpsc::Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use crate::{
    dev::{
        event::Event,
        guard::{Guard, Kind},
        process,
    },
    error::reason,
    project::Project,
};

/// The hint on other cargos is given once: they come back all day.
static HINT: Once = Once::new();

/// How much older a changed file has to be than the last build before its time is set. One that was saved as that build began is
/// not meant: its build is given up, and an editor would wonder who had changed the file.
const OLDER_BY: Duration = Duration::from_secs(1);

/// A build under way.
pub(crate) struct Build {
    number: u64,
    process: Option<u32>,
    thread: Option<JoinHandle<()>>,
}

/// How a build ended.
#[derive(Debug)]
pub(crate) struct Built {
    /// Which build.
    pub(crate) number: u64,
    /// The program, or what is wrong with it, in the terminal's colours.
    pub(crate) outcome: Result<PathBuf, String>,
    /// How long it took.
    pub(crate) time: Duration,
}

/// How much cargo says on the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Everything: the first build takes long.
    All,
    /// What the compiler says.
    Diagnostics,
}

impl Build {
    /// Starts cargo.
    pub(crate) fn start(project: &Project, number: u64, talk: Talk, guard: Guard, events: Sender<Event>) -> Build {
        let mut cargo = project.build();
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // Its output is a pipe, which cargo would take for a place without colours.
        cargo.env("CARGO_TERM_COLOR", if super::terminal::has_colors() { "always" } else { "never" });
        let start = Instant::now();
        let started = cargo.spawn();
        let process = started.as_ref().ok().map(Child::id);
        process.iter().for_each(|group| guard.watch(*group, Kind::Build));
        let program = project.program.clone();
        let thread = thread::spawn(move || {
            let outcome = match started {
                Ok(child) => follow(child, &program, talk),
                Err(error) => Err(format!("cargo does not start: {}", reason(&error))),
            };
            process.iter().for_each(|group| guard.forget(*group));
            // It fails when the session is over.
            let _ = events.send(Event::Built(Built { number, outcome, time: start.elapsed() }));
        });
        Build { number, process, thread: Some(thread) }
    }

    /// Returns which build it is.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// Ends cargo and the compilers that it has started, and waits for that: the next build needs its lock.
impl Drop for Build {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if let Some(process) = self.process.filter(|_| !thread.is_finished()) {
            process::kill_group(process);
        }
        // A reader that panicked has nothing more to say.
        let _ = thread.join();
    }
}

/// Cargo goes by time alone and would overlook another content with an older time: a copy that kept its time, or a file on a
/// machine whose clock is slow. The file of somebody else keeps its time, and then the build says that nothing has changed.
pub(crate) fn make_newer(path: &Path, than: SystemTime) {
    let time = fs::metadata(path).and_then(|found| found.modified());
    if time.is_ok_and(|time| than.duration_since(time).is_ok_and(|age| age > OLDER_BY)) {
        let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    }
}

fn follow(mut child: Child, program: &str, talk: Talk) -> Result<PathBuf, String> {
    let stderr = child.stderr.take().map(|pipe| thread::spawn(move || listen(pipe, talk)));
    let (mut executable, mut errors) = (None, String::new());
    let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(|pipe| pipe.lines().map_while(Result::ok));
    for message in lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()) {
        let diagnostic = &message["message"];
        if let Some(text) = diagnostic["rendered"].as_str() {
            anstream::eprint!("{text}");
            if diagnostic["level"].as_str().is_some_and(|level| level.starts_with("error")) {
                errors += text;
            }
        }
        if message["target"]["name"] == program
            && let Some(path) = message["executable"].as_str()
        {
            executable = Some(PathBuf::from(path));
        }
    }
    let said = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let is_done = child.wait().is_ok_and(|status| status.success());
    match executable.filter(|_| is_done) {
        Some(path) => Ok(path),
        None if errors.is_empty() => {
            // What is wrong was no compiler's message: a broken Cargo.toml, a linker, a build script.
            if talk == Talk::Diagnostics {
                anstream::eprint!("{said}");
            }
            Err(said)
        }
        None => Err(errors),
    }
}

/// Reads cargo's own words, passes them on where that is wanted, and returns them.
fn listen(pipe: impl Read, talk: Talk) -> String {
    let mut said = String::new();
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        let waits = line.contains("Blocking waiting for file lock");
        if talk == Talk::All || waits {
            anstream::eprintln!("{line}");
        }
        // The other lock is that of downloaded packages, which nobody holds for long.
        if waits && line.contains("directory") {
            HINT.call_once(|| {
                crate::output::help("another cargo builds in this folder; rust-analyzer gets one of its own by");
                anstream::eprintln!("      rust-analyzer.cargo.targetDir = true");
            });
        }
        said += &line;
        said.push('\n');
    }
    said
}
