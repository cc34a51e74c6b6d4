//! The session: what happens when files change, builds end, programs come and go, and keys are typed.
//!
//! One thread, one event after the other. Must stay true: while a program serves, only a program that has said `READY=1`
//! takes its place; and while none serves, the substitute answers.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender},
    time::{Duration, Instant, SystemTime},
};

use serde_json::json;

use crate::{
    dev::{
        app::App,
        build::{Build, Built, Talk, make_newer},
        event::Event,
        guard::Guard,
        link::Meeting,
        opener,
        sources::Action,
        substitute::Substitute,
        terminal::{self, seconds},
        watch::{Change, Watch},
    },
    env_files::EnvFiles,
    output,
    project::Project,
};

/// How often clocks are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long a program may take to be ready before that is worth a word.
const START_SLOW: Duration = Duration::from_secs(10);
/// A program that has served for so long is started again when it dies; one that dies sooner would only die again.
const LIFE_SHORTEST: Duration = Duration::from_secs(2);
/// How long programs may take to end after Ctrl-C.
const QUIT_PATIENCE: Duration = Duration::from_secs(6);

/// What a session is made of.
pub(crate) struct Parts {
    pub(crate) project: Project,
    pub(crate) sockets: Vec<TcpListener>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) watch: Watch,
    pub(crate) meeting: Meeting,
    pub(crate) substitute: Substitute,
    pub(crate) guard: Guard,
    pub(crate) sender: Sender<Event>,
    pub(crate) opens: bool,
    pub(crate) hosts: Vec<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) args: Vec<String>,
}

/// A session under way.
pub(crate) struct Session {
    parts: Parts,
    /// Differs from session to session; pages need it to ask anything.
    token: String,
    /// Counts builds and starts.
    count: u64,
    build: Option<Build>,
    /// When the last build began.
    build_start: SystemTime,
    /// The program file that was built last, and how to tell it from the next.
    built: Option<(PathBuf, Stamp)>,
    /// That of the program started last.
    started: Option<Stamp>,
    /// Whether a manifest has changed since the project was looked at.
    is_outdated: bool,
    /// Whether the last build failed.
    is_broken: bool,
    /// What the pages are told of the build.
    state: String,
    serving: Option<App>,
    starting: Option<App>,
    leaving: Vec<App>,
    /// What the next program is for, and since when.
    cause: (String, Instant),
    is_announced: bool,
    is_slow_told: bool,
    start: Instant,
}

/// A program file as it was: cargo replaces it only when something has changed.
type Stamp = (Option<SystemTime>, u64);

enum Next {
    Go,
    End,
}

/// Whether the project still is what was built.
#[derive(PartialEq, Eq)]
enum Found {
    Same,
    Other,
}

impl Session {
    /// Starts with the first build.
    pub(crate) fn new(parts: Parts) -> Session {
        let now = Instant::now();
        Session {
            parts,
            token: token(),
            count: 0,
            build: None,
            build_start: SystemTime::now(),
            built: None,
            started: None,
            is_outdated: false,
            is_broken: false,
            state: "ok {}".into(),
            serving: None,
            starting: None,
            leaving: Vec::new(),
            cause: (String::new(), now),
            is_announced: false,
            is_slow_told: false,
            start: now,
        }
    }

    /// Runs until it is told to quit, and ends everything that it has started.
    pub(crate) fn run(mut self, events: &Receiver<Event>) {
        self.parts.substitute.answer("Building…", "");
        self.rebuild();
        loop {
            match events.recv_timeout(TICK) {
                Ok(event) => match self.react(event) {
                    Next::Go => {}
                    Next::End => break,
                },
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look_at_clock();
        }
        self.quit(events);
    }

    fn react(&mut self, event: Event) -> Next {
        match event {
            Event::Changed(changes) => self.changed(&changes),
            Event::Folder(folder) => {
                if let Err(error) = self.parts.watch.again(folder) {
                    output::error(&error);
                }
            }
            Event::Built(built) => self.built(built),
            Event::Joined(number, link) => {
                if let Some(app) = self.app(number) {
                    app.joined(link);
                }
            }
            Event::Said(number, word) => self.said(number, &word),
            Event::Ended(number, status) => self.ended(number, status),
            Event::Key(key) => return self.key(key),
            Event::Quit => return Next::End,
        }
        Next::Go
    }

    /// The most that any of the changes asks for is done.
    fn changed(&mut self, changes: &[Change]) {
        let Some(most) = changes.iter().map(|change| change.action).max() else { return };
        let what = terminal::changed(changes, &self.parts.project.root);
        self.is_outdated |= changes.iter().any(|change| change.path.ends_with("Cargo.toml"));
        let paths: Vec<_> = changes.iter().map(|change| change.path.to_string_lossy()).collect();
        match most {
            Action::Swap => {
                output::status("Swapped", what);
                self.tell(&format!("css {}", json!({ "paths": paths })));
            }
            Action::Reload => {
                output::status("Reloaded", what);
                self.tell("reload {}");
            }
            Action::Restart => {
                self.cause = (what, Instant::now());
                self.started = None;
                if self.build.is_none() {
                    // Only a build makes good what a build has told; a start that failed is over.
                    if !self.is_broken {
                        self.set_state("ok {}".into());
                    }
                    self.start_program();
                }
            }
            Action::Build => {
                self.cause = (what, Instant::now());
                changes.iter().for_each(|change| make_newer(&change.path, self.build_start));
                self.rebuild();
            }
        }
    }

    fn rebuild(&mut self) {
        // The one under way is of no use any more; this waits until it is gone.
        self.build = None;
        self.count += 1;
        self.build_start = SystemTime::now();
        self.set_state("building {}".into());
        let talk = if self.built.is_none() { Talk::All } else { Talk::Diagnostics };
        self.build = Some(Build::start(
            &self.parts.project,
            self.count,
            talk,
            self.parts.guard.clone(),
            self.parts.sender.clone(),
        ));
    }

    fn built(&mut self, built: Built) {
        if self.build.as_ref().is_none_or(|build| build.number() != built.number) {
            return;
        }
        self.build = None;
        if self.is_outdated && self.look_again() == Found::Other {
            return self.rebuild();
        }
        match built.outcome {
            Ok(program) => {
                self.is_broken = false;
                self.set_state("ok {}".into());
                if let Err(error) = self.parts.watch.note_inputs(&program) {
                    output::error(&error);
                }
                self.built = Some((program.clone(), stamp(&program)));
                self.start_program();
            }
            Err(text) => {
                self.is_broken = true;
                self.failed("the build failed", &text, built.time);
            }
        }
    }

    /// A manifest may name other local packages, which are watched from now on, or another program.
    fn look_again(&mut self) -> Found {
        // One that cannot be read was the build's to tell of.
        let Ok(project) = self.parts.project.again() else { return Found::Same };
        self.is_outdated = false;
        if let Err(error) = self.parts.watch.renew(&project) {
            output::error(&error);
        }
        let before = std::mem::replace(&mut self.parts.project, project);
        let is_same = (&before.package, &before.program) == (&self.parts.project.package, &self.parts.project.program);
        if is_same { Found::Same } else { Found::Other }
    }

    /// The old program goes on; terminal, page and substitute say why there is no new one.
    fn failed(&mut self, title: &str, text: &str, time: Duration) {
        let rest = if self.serving.is_some() { ", the program before it still serves" } else { "" };
        let after = if time.is_zero() { String::new() } else { format!(" after {}", seconds(time)) };
        output::warning(format_args!("{title}{after}{rest}"));
        self.set_state(format!("failed {}", json!({ "title": title, "text": text })));
        if self.serving.is_none() {
            self.parts.substitute.answer(title, text);
        }
    }

    /// Starts what was built last, unless that runs already.
    fn start_program(&mut self) {
        let Some((program, stamp)) = self.built.clone() else { return };
        if self.started == Some(stamp) {
            if self.serving.is_some() || self.starting.is_some() {
                output::status("Unchanged", &self.cause.0);
            }
            return;
        }
        let variables = match EnvFiles::read(&self.parts.project.root) {
            Ok(variables) => variables,
            Err(error) => {
                // As for a program that crashes at its start: the next edit tries again.
                self.started = None;
                output::error(&error);
                return self.failed(error.message(), &error.details(), Duration::ZERO);
            }
        };
        if let Some(overtaken) = self.starting.take() {
            overtaken.kill();
            self.leaving.push(overtaken);
        }
        self.count += 1;
        let Parts { project, meeting, hosts, workers, args, sockets, guard, sender, .. } = &self.parts;
        let mut command = App::command(&program, &project.root, args, &variables);
        command.env("PIXIE_DEV_SOCKET", meeting.path()).env("PIXIE_DEV_TOKEN", &self.token);
        command.env("PIXIE_DEV_HOSTS", hosts.join(","));
        if let Some(workers) = workers {
            command.env("PIXIE_WORKERS", workers.to_string());
        }
        match App::start(command, self.count, sockets, guard.clone(), sender.clone()) {
            Ok(app) => {
                self.starting = Some(app);
                self.started = Some(stamp);
                self.is_slow_told = false;
            }
            Err(error) => self.failed("the program does not start", &error.to_string(), Duration::ZERO),
        }
    }

    fn said(&mut self, number: u64, word: &str) {
        if let Some(place) = word.strip_prefix("OPEN=") {
            return opener::edit(place, &self.parts.project);
        }
        if word == "READY=1" && self.starting.as_ref().is_some_and(|app| app.number == number) {
            self.ready();
        }
    }

    /// The new program takes over.
    fn ready(&mut self) {
        let Some(mut app) = self.starting.take() else { return };
        self.parts.substitute.rest();
        app.tell(&self.state);
        if let Some(mut old) = self.serving.replace(app) {
            old.stop();
            self.leaving.push(old);
        }
        if self.is_announced {
            let (what, since) = &self.cause;
            return output::status("Ready", format_args!("in {} ({what})", seconds(since.elapsed())));
        }
        self.is_announced = true;
        terminal::banner(&self.parts.addresses, self.start.elapsed());
        if self.parts.opens {
            opener::browse(&terminal::local(&self.parts.addresses));
        }
    }

    fn ended(&mut self, number: u64, status: Option<ExitStatus>) {
        let how = status.map_or("for an unknown reason".into(), |status| status.to_string());
        if let Some(app) = self.starting.take_if(|app| app.number == number) {
            // The next build has another stamp; so has the same one, if it is asked for.
            self.started = None;
            let title = format!("the program ended before it was ready ({how})");
            self.failed(&title, &app.last_words(), app.start.elapsed());
        } else if let Some(app) = self.serving.take_if(|app| app.number == number) {
            self.died(&app, &how);
        } else {
            self.leaving.retain(|app| app.number != number);
        }
    }

    fn died(&mut self, app: &App, how: &str) {
        self.started = None;
        let title = format!("the program ended ({how})");
        self.failed(&title, &app.last_words(), app.start.elapsed());
        if app.start.elapsed() >= LIFE_SHORTEST && self.build.is_none() && self.starting.is_none() {
            self.cause = (title, Instant::now());
            self.set_state("ok {}".into());
            self.start_program();
        }
    }

    fn key(&mut self, key: char) -> Next {
        match key {
            'r' => {
                self.cause = ("asked for".into(), Instant::now());
                self.started = None;
                self.rebuild();
            }
            'o' => opener::browse(&terminal::local(&self.parts.addresses)),
            'c' => terminal::clear(),
            'p' => self.tell("pools"),
            'q' => return Next::End,
            _ => output::help("r rebuild, o open, c clear, p pools, q quit"),
        }
        Next::Go
    }

    fn look_at_clock(&mut self) {
        let now = Instant::now();
        self.leaving.iter().for_each(|app| app.kill_if_late(now));
        let is_slow = |app: &App| now.duration_since(app.start) > START_SLOW;
        if !self.is_slow_told && self.starting.as_ref().is_some_and(is_slow) {
            self.is_slow_told = true;
            output::warning("the program has not said that it is ready: does it call `pixie_web::run()`?");
        }
    }

    /// Ends everything; a second Ctrl-C does not wait.
    fn quit(mut self, events: &Receiver<Event>) {
        self.build = None;
        let mut apps: Vec<_> = self.leaving.drain(..).chain(self.starting.take()).chain(self.serving.take()).collect();
        apps.iter_mut().for_each(App::stop);
        let end = Instant::now() + QUIT_PATIENCE;
        while !apps.is_empty() && Instant::now() < end {
            match events.recv_timeout(TICK) {
                Ok(Event::Ended(number, _)) => apps.retain(|app| app.number != number),
                Ok(Event::Quit) => break,
                _ => {}
            }
            apps.iter().for_each(|app| app.kill_if_late(Instant::now()));
        }
        apps.iter().for_each(App::kill);
    }

    fn app(&mut self, number: u64) -> Option<&mut App> {
        let apps = self.serving.iter_mut().chain(&mut self.starting).chain(&mut self.leaving);
        apps.into_iter().find(|app| app.number == number)
    }

    fn set_state(&mut self, state: String) {
        self.tell(&state);
        self.state = state;
    }

    fn tell(&mut self, line: &str) {
        if let Some(app) = &mut self.serving {
            app.tell(line);
        }
    }
}

fn stamp(program: &Path) -> Stamp {
    let found = std::fs::metadata(program).ok();
    (found.as_ref().and_then(|found| found.modified().ok()), found.map_or(0, |found| found.len()))
}

/// 128 bits from the system's source of randomness, by way of the standard library's keys for hash maps.
fn token() -> String {
    use std::hash::{BuildHasher, RandomState};
    (0..2).map(|part| format!("{:016x}", RandomState::new().hash_one(part))).collect()
}
