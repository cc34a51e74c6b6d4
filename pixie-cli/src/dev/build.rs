//! The builds of a session: each is a run of cargo in its own process group, and a newer one ends the one
//! before.
//!
//! A build sends its result to the session, which decides what happens next. Messages of the compiler are
//! printed as they arrive.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, IsTerminal, Read, stderr},
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
        event::{Built, Event},
        guard::{self, Guard},
        progress::{self, Progress},
        template_mistake::TemplateMistakes,
    },
    error::reason,
    project::Project,
};

/// The hint on another cargo is printed once, because the lock may be taken many times a day.
static HINT: Once = Once::new();

/// A changed file gets the present time if it is at least this much older than the start of the last build. A
/// file that was saved just before that start keeps its time: that build is replaced anyway, and editors warn
/// about such changes.
const OLDER_BY: Duration = Duration::from_secs(1);

/// The identity of a program file: time and length. cargo replaces the file only if something has changed.
pub(crate) type Stamp = (Option<SystemTime>, u64);

/// The builds of a session; at most one is under way.
pub(crate) struct Builds {
    guard: Guard,
    events: Sender<Event>,
    count: u64,
    current: Option<Build>,
    pub(crate) last_start: SystemTime,
    /// The program file of the last successful build.
    pub(crate) program: Option<(PathBuf, Stamp)>,
    pub(crate) is_broken: bool,
}

impl Builds {
    /// Returns a session's builds, before the first.
    pub(crate) fn new(guard: Guard, events: Sender<Event>) -> Builds {
        let last_start = SystemTime::now();
        Builds { guard, events, count: 0, current: None, last_start, program: None, is_broken: false }
    }

    /// Starts a build; the one before must have been stopped.
    pub(crate) fn start(&mut self, project: &Project) {
        self.count += 1;
        self.last_start = SystemTime::now();
        let talk = if self.program.is_none() { Talk::All } else { Talk::Diagnostics };
        let (guard, events) = (self.guard.clone(), self.events.clone());
        self.current = Some(Build::start(project, self.count, talk, guard, events));
    }

    /// Stops the build under way and waits for its end.
    pub(crate) fn stop(&mut self) {
        self.current = None;
    }

    /// Marks a build as ended; returns false if that build was stopped before.
    pub(crate) fn end(&mut self, number: u64) -> bool {
        self.current.take_if(|build| build.number == number).is_some()
    }

    /// Stores the result of a build, and returns it.
    pub(crate) fn note(&mut self, outcome: Result<PathBuf, String>) -> Result<PathBuf, String> {
        self.is_broken = outcome.is_err();
        let program = outcome?;
        self.program = Some((program.clone(), stamp(&program)));
        Ok(program)
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }
}

fn stamp(program: &Path) -> Stamp {
    let found = fs::metadata(program).ok();
    (found.as_ref().and_then(|found| found.modified().ok()), found.map_or(0, |found| found.len()))
}

struct Build {
    number: u64,
    process: Option<u32>,
    thread: Option<JoinHandle<()>>,
}

/// Which of cargo's messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    /// All of them, because the first build takes long.
    All,
    /// Only those of the compiler.
    Diagnostics,
}

impl Build {
    fn start(project: &Project, number: u64, talk: Talk, guard: Guard, events: Sender<Event>) -> Build {
        let mut cargo = project.build();
        cargo.arg("--message-format=json-diagnostic-rendered-ansi");
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // cargo prints to a pipe, and so would not use colors without this.
        cargo.env("CARGO_TERM_COLOR", if super::terminal::has_colors() { "always" } else { "never" });
        if talk == Talk::All {
            Progress::ask(&mut cargo);
        }
        let start = Instant::now();
        let started = cargo.spawn();
        let process = started.as_ref().ok().map(Child::id);
        process.iter().for_each(|group| guard.watch(*group));
        let (program, workspace) = (project.program.clone(), project.workspace.clone());
        let thread = thread::spawn(move || {
            let outcome = match started {
                Ok(child) => follow(child, &program, &workspace, talk, &events),
                Err(error) => Err(format!("could not start cargo: {}", reason(&error))),
            };
            process.iter().for_each(|group| guard.forget(*group));
            // It fails if the session has ended.
            let _ = events.send(Event::Built(Built { number, outcome, time: start.elapsed() }));
        });
        Build { number, process, thread: Some(thread) }
    }
}

/// Kills cargo and the compilers that it has started, and waits for their end, because the next build needs
/// the lock.
impl Drop for Build {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if let Some(process) = self.process.filter(|_| !thread.is_finished()) {
            guard::kill_group(process);
        }
        // It fails only if the thread panicked.
        let _ = thread.join();
    }
}

/// Sets the time of a changed file to now if the file is older than the build that began at `than`.
///
/// cargo compares only times, so it would not see a change with an older time: a copy that kept its time, or
/// a file from a machine whose clock is slow. This fails silently for a file of another user; cargo then sees
/// no change.
pub(crate) fn make_newer(path: &Path, than: SystemTime) {
    let time = fs::metadata(path).and_then(|found| found.modified());
    if time.is_ok_and(|time| than.duration_since(time).is_ok_and(|age| age > OLDER_BY)) {
        let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    }
}

fn follow(
    mut child: Child,
    program: &str,
    workspace: &Path,
    talk: Talk,
    events: &Sender<Event>,
) -> Result<PathBuf, String> {
    let progress = events.clone();
    let stderr = child.stderr.take().map(|pipe| thread::spawn(move || listen(pipe, talk, &progress)));
    let (mut executable, mut errors, mut mistakes) = (None, String::new(), TemplateMistakes::default());
    let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(|pipe| pipe.lines().map_while(Result::ok));
    for message in lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()) {
        let diagnostic = &message["message"];
        if let Some(text) = diagnostic["rendered"].as_str().filter(|_| !mistakes.take(diagnostic, workspace)) {
            Progress::clear();
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
    let mistaken = mistakes.rendered(workspace);
    anstream::eprint!("{mistaken}");
    errors.insert_str(0, &mistaken);
    let said = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let is_done = child.wait().is_ok_and(|status| status.success());
    match executable.filter(|_| is_done) {
        Some(path) => Ok(path),
        None if errors.is_empty() => {
            // The error is not a message of the compiler: an invalid Cargo.toml, the linker, a build script.
            if talk == Talk::Diagnostics {
                anstream::eprint!("{said}");
            }
            Err(said)
        }
        None => Err(errors),
    }
}

/// Reads cargo's own messages, prints them if `talk` says so, and returns them. In a terminal, one line with the
/// progress stands for the lines of all crates.
fn listen(pipe: impl Read, talk: Talk, events: &Sender<Event>) -> String {
    let (mut said, mut shown, is_terminal) = (String::new(), None, stderr().is_terminal());
    for line in progress::lines(pipe) {
        if let Some(progress) = Progress::parse(&line) {
            if shown.replace(progress) != Some(progress) {
                progress.show();
                // It fails if the session has ended.
                let _ = events.send(Event::Progress(progress));
            }
            continue;
        }
        let waits = line.contains("Blocking waiting for file lock");
        let is_step = is_terminal && ["Compiling", "Checking", "Downloaded"].iter().any(|verb| is_of(&line, verb));
        if (talk == Talk::All && !is_step) || waits {
            Progress::clear();
            anstream::eprintln!("{line}");
        }
        // cargo has another lock, for downloaded packages, but that one is never held for long.
        if waits && line.contains("directory") {
            HINT.call_once(|| {
                crate::output::help("another cargo builds in this folder; give rust-analyzer its own folder with");
                anstream::eprintln!("      rust-analyzer.cargo.targetDir = true");
            });
        }
        said += &line;
        said.push('\n');
    }
    said
}

/// Returns whether a line of cargo, with or without colors, begins with this verb.
fn is_of(line: &str, verb: &str) -> bool {
    anstream::adapter::strip_str(line).to_string().trim_start().starts_with(verb)
}
