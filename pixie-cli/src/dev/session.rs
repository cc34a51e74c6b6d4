//! A session of `pixie dev`: reacts to each event, and decides what is built and started.
//!
//! It runs in one thread and handles one event after the other. `build.rs` runs the builds, `apps.rs` the
//! programs.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    dev::{
        apps::Apps,
        build::{Builds, make_newer},
        event::{Built, Change, Event},
        sources::Action,
        terminal::{self, Urls},
        watch::Watch,
    },
    output,
    project::Project,
};

/// How often the session checks its timeouts.
const TICK: Duration = Duration::from_millis(250);

pub(crate) struct Session {
    pub(crate) project: Project,
    pub(crate) urls: Urls,
    pub(crate) watch: Watch,
    pub(crate) builds: Builds,
    pub(crate) apps: Apps,
    /// Whether to open the page in the browser when the first program is ready.
    pub(crate) opens: bool,
    /// Why the next program is started, and when that was decided.
    pub(crate) cause: (String, Instant),
    /// Whether a manifest has changed since the project was read.
    pub(crate) is_outdated: bool,
    pub(crate) is_announced: bool,
}

impl Session {
    /// Begins with a build, runs until the user quits, and ends every process that the session has started.
    pub(crate) fn run(mut self, events: &Receiver<Event>) {
        self.rebuild();
        loop {
            match events.recv_timeout(TICK) {
                Ok(Event::Quit | Event::Key('q')) => break,
                Ok(event) => self.react(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.apps.check_time();
        }
        self.builds.stop();
        self.apps.quit(events);
    }

    fn react(&mut self, event: Event) {
        match event {
            Event::Changed(changes) => self.changed(&changes),
            Event::Folder(folder) => {
                if let Err(error) = self.watch.again(folder) {
                    output::error(&error);
                }
            }
            Event::Built(built) => self.built(built),
            Event::Progress(progress) => self.apps.show_progress(progress),
            Event::Joined(number, link) => self.apps.joined(number, link),
            Event::Said(number, line) => self.said(number, &line),
            Event::Ended(number, status) => {
                if let Some(title) = self.apps.ended(number, status)
                    && !self.builds.is_under_way()
                {
                    self.cause = (title, Instant::now());
                    self.apps.set_state("ok {}".into());
                    self.start_app();
                }
            }
            Event::Key(key) => self.key(key),
            Event::Quit => {}
        }
    }

    /// Does the largest of the actions that the changes need.
    fn changed(&mut self, changes: &[Change]) {
        let Some(most) = changes.iter().map(|change| change.action).max() else { return };
        let what = terminal::changed(changes, &self.project.root);
        self.is_outdated |= changes.iter().any(|change| change.path.ends_with("Cargo.toml"));
        let paths: Vec<_> = changes.iter().map(|change| change.path.to_string_lossy()).collect();
        match most {
            Action::Swap => {
                output::status("Swapped", what);
                self.apps.tell(&format!("css {}", json!({ "paths": paths })));
            }
            Action::Reload => {
                output::status("Reloaded", what);
                self.apps.tell("reload {}");
            }
            Action::Restart => {
                self.cause = (what, Instant::now());
                self.apps.forget_started();
                if !self.builds.is_under_way() {
                    // The message of a failed build stays until a build succeeds; that of a failed start goes
                    // now.
                    if !self.builds.is_broken {
                        self.apps.set_state("ok {}".into());
                    }
                    self.start_app();
                }
            }
            Action::Build => {
                self.cause = (what, Instant::now());
                changes.iter().for_each(|change| make_newer(&change.path, self.builds.last_start));
                self.rebuild();
            }
        }
    }

    fn rebuild(&mut self) {
        self.builds.stop();
        self.apps.set_state("building {}".into());
        self.builds.start(&self.project);
    }

    fn built(&mut self, built: Built) {
        if !self.builds.end(built.number) {
            return;
        }
        if self.is_outdated && self.is_another_project() {
            return self.rebuild();
        }
        match self.builds.note(built.outcome) {
            Ok(program) => {
                self.apps.set_state("ok {}".into());
                if let Err(error) = self.watch.note_inputs(&program) {
                    output::error(&error);
                }
                self.start_app();
            }
            Err(text) => self.apps.failed("the build failed", &text, built.time),
        }
    }

    /// Reads the project again, because its manifest may name other local packages to watch. Returns whether
    /// it names another program to build.
    fn is_another_project(&mut self) -> bool {
        // If the manifest is invalid, the build has reported that.
        let Ok(project) = self.project.again() else { return false };
        self.is_outdated = false;
        if let Err(error) = self.watch.renew(&project) {
            output::error(&error);
        }
        let before = std::mem::replace(&mut self.project, project);
        (&before.package, &before.program) != (&self.project.package, &self.project.program)
    }

    /// Starts the program that was built last, unless it is running already.
    fn start_app(&mut self) {
        let Some((program, stamp)) = &self.builds.program else { return };
        if !self.apps.start(program, *stamp, &self.project.root) {
            output::status("Unchanged", &self.cause.0);
        }
    }

    fn said(&mut self, number: u64, line: &str) {
        if line != "READY=1" || !self.apps.ready(number) {
            return;
        }
        if self.is_announced {
            let (what, since) = &self.cause;
            return output::status("Ready", format_args!("in {} ({what})", output::time(since.elapsed())));
        }
        self.is_announced = true;
        terminal::banner(&self.urls, self.cause.1.elapsed());
        if self.opens {
            drop(output::browse(&self.urls.local()));
        }
    }

    fn key(&mut self, key: char) {
        match key {
            'r' => {
                self.cause = ("asked for".into(), Instant::now());
                self.apps.forget_started();
                self.rebuild();
            }
            'o' => drop(output::browse(&self.urls.local())),
            'c' => terminal::clear(),
            'p' => self.apps.tell("pools"),
            _ => output::help("r rebuild, o open, c clear, p pools, q quit"),
        }
    }
}
