//! The programs of a session: the one that starts, the one that serves, and those that are stopping.
//!
//! Invariant: while a program serves, it is replaced only by a program that has sent `READY=1`. While no
//! program serves, the substitute answers.

use std::{
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::mpsc::{Receiver, Sender},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    dev::{
        app::App,
        build::Stamp,
        event::Event,
        guard::Guard,
        link::Meeting,
        progress::Progress,
        substitute::{Notice, Substitute},
    },
    env_files::EnvFiles,
    output,
};

/// Time after which a program that is not ready causes a warning. Longer than the start of a usual app.
const START_SLOW: Duration = Duration::from_secs(10);
/// A program that ends by itself is started again if it has run for this time. Earlier, it would most likely
/// fail in the same way again.
const LIFE_SHORTEST: Duration = Duration::from_secs(2);
/// Limits how long programs may take to end after Ctrl-C.
const QUIT_PATIENCE: Duration = Duration::from_secs(6);
/// How often late programs are killed while the session ends.
const QUIT_TICK: Duration = Duration::from_millis(250);

pub(crate) struct Launch {
    pub(crate) sockets: Vec<TcpListener>,
    /// The file of the certificate and its key for HTTPS.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) meeting: Meeting,
    pub(crate) guard: Guard,
    pub(crate) sender: Sender<Event>,
    pub(crate) hosts: Vec<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) args: Vec<String>,
}

pub(crate) struct Apps {
    launch: Launch,
    substitute: Substitute,
    /// A secret of this session. Pages must know it to send requests to `pixie dev`.
    token: String,
    count: u64,
    /// The state of the build, as the pages get it.
    state: String,
    /// The file of the program that was started last.
    started: Option<Stamp>,
    starting: Option<App>,
    serving: Option<App>,
    stopping: Vec<App>,
    is_slow_told: bool,
}

impl Apps {
    /// Returns a session's programs, without any yet: the substitute answers.
    pub(crate) fn new(launch: Launch, substitute: Substitute) -> Apps {
        substitute.answer(&Notice::Building(None));
        Apps {
            launch,
            substitute,
            token: token(),
            count: 0,
            state: "ok {}".into(),
            started: None,
            starting: None,
            serving: None,
            stopping: Vec::new(),
            is_slow_told: false,
        }
    }

    /// Starts a program, which replaces a program that is still starting. Returns false if the same file is
    /// running already.
    pub(crate) fn start(&mut self, program: &Path, stamp: Stamp, root: &Path) -> bool {
        if self.started == Some(stamp) {
            return self.serving.is_none() && self.starting.is_none();
        }
        let variables = match EnvFiles::read(root) {
            Ok(variables) => variables,
            Err(error) => {
                // Cleared, so that the next edit tries again.
                self.started = None;
                output::error(&error);
                self.failed(&error.message, &error.details(), Duration::ZERO);
                return true;
            }
        };
        if let Some(replaced) = self.starting.take() {
            replaced.kill();
            self.stopping.push(replaced);
        }
        self.count += 1;
        let Launch { sockets, certificate, meeting, guard, sender, hosts, workers, args } = &self.launch;
        let mut command = App::command(program, root, args, &variables);
        command.env("PIXIE_DEV_SOCKET", &meeting.path).env("PIXIE_DEV_TOKEN", &self.token);
        command.env("PIXIE_DEV_HOSTS", hosts.join(","));
        if self.serving.is_some() || !self.stopping.is_empty() {
            command.env("PIXIE_DEV_REPLACES", "1");
        }
        if let Some(file) = certificate {
            command.env("PIXIE_DEV_CERTIFICATE", file);
        }
        if let Some(workers) = workers {
            command.env("PIXIE_WORKERS", workers.to_string());
        }
        match App::start(command, self.count, sockets, guard.clone(), sender.clone()) {
            Ok(app) => {
                self.starting = Some(app);
                self.started = Some(stamp);
                self.is_slow_told = false;
            }
            Err(error) => self.failed("could not start the program", &error.to_string(), Duration::ZERO),
        }
        true
    }

    /// Shows how far the first build is, in the page that answers until there is a program.
    pub(crate) fn show_progress(&self, progress: Progress) {
        if self.serving.is_none() && self.starting.is_none() {
            self.substitute.answer(&Notice::Building(Some(progress)));
        }
    }

    /// Lets the next start happen even if the file is the same.
    pub(crate) fn forget_started(&mut self) {
        self.started = None;
    }

    pub(crate) fn joined(&mut self, number: u64, link: UnixStream) {
        let apps = self.serving.iter_mut().chain(&mut self.starting).chain(&mut self.stopping);
        if let Some(app) = apps.into_iter().find(|app| app.number == number) {
            app.joined(link);
        }
    }

    /// Lets a program that is ready replace the old one; returns whether it was the program that is starting.
    pub(crate) fn ready(&mut self, number: u64) -> bool {
        let Some(mut app) = self.starting.take_if(|app| app.number == number) else { return false };
        self.substitute.rest();
        app.tell(&self.state);
        if let Some(mut old) = self.serving.replace(app) {
            old.stop();
            self.stopping.push(old);
        }
        true
    }

    /// Removes a program that has ended. Returns the reason if the program served and should be started
    /// again.
    pub(crate) fn ended(&mut self, number: u64, status: Option<ExitStatus>) -> Option<String> {
        let how = status.map_or("for an unknown reason".into(), |status| status.to_string());
        if let Some(app) = self.starting.take_if(|app| app.number == number) {
            // Cleared, so that the same file can be started again on request.
            self.started = None;
            let title = format!("the program ended before it was ready ({how})");
            self.failed(&title, &app.stderr_end(), app.start.elapsed());
        } else if let Some(app) = self.serving.take_if(|app| app.number == number) {
            self.started = None;
            let title = format!("the program ended ({how})");
            self.failed(&title, &app.stderr_end(), app.start.elapsed());
            return (app.start.elapsed() >= LIFE_SHORTEST && self.starting.is_none()).then_some(title);
        } else {
            self.stopping.retain(|app| app.number != number);
        }
        None
    }

    /// Shows why there is no new program, in the terminal and in the page. An old program continues to serve.
    pub(crate) fn failed(&mut self, title: &str, text: &str, time: Duration) {
        let rest = if self.serving.is_some() { "; the program before it still serves" } else { "" };
        let after = if time.is_zero() { String::new() } else { format!(" after {}", output::time(time)) };
        output::warning(format_args!("{title}{after}{rest}"));
        self.set_state(format!("failed {}", json!({ "title": title, "text": text })));
        if self.serving.is_none() {
            self.substitute.answer(&Notice::Failed { title, text });
        }
    }

    /// Sends the state of the build to the pages, now and when a new program is ready.
    pub(crate) fn set_state(&mut self, state: String) {
        self.tell(&state);
        self.state = state;
    }

    pub(crate) fn tell(&mut self, line: &str) {
        if let Some(app) = &mut self.serving {
            app.tell(line);
        }
    }

    /// Kills programs that stop too slowly, and warns once about a program that starts too slowly.
    pub(crate) fn check_time(&mut self) {
        let now = Instant::now();
        self.stopping.iter().for_each(|app| app.kill_if_late(now));
        let is_slow = |app: &App| now.duration_since(app.start) > START_SLOW;
        if !self.is_slow_told && self.starting.as_ref().is_some_and(is_slow) {
            self.is_slow_told = true;
            output::warning("the program is not ready after 10 s: does it call `pixie_web::run()`?");
        }
    }

    /// Ends all programs. A second Ctrl-C kills them at once.
    pub(crate) fn quit(mut self, events: &Receiver<Event>) {
        let mut apps: Vec<_> = self.stopping.drain(..).chain(self.starting.take()).chain(self.serving.take()).collect();
        apps.iter_mut().for_each(App::stop);
        let end = Instant::now() + QUIT_PATIENCE;
        while !apps.is_empty() && Instant::now() < end {
            match events.recv_timeout(QUIT_TICK) {
                Ok(Event::Ended(number, _)) => apps.retain(|app| app.number != number),
                Ok(Event::Quit) => break,
                _ => {}
            }
            apps.iter().for_each(|app| app.kill_if_late(Instant::now()));
        }
        apps.iter().for_each(App::kill);
    }
}

/// Returns 128 random bits. Their source is the system's, through the keys that std makes for hash maps.
fn token() -> String {
    use std::hash::{BuildHasher, RandomState};
    (0..2).map(|part| format!("{:016x}", RandomState::new().hash_one(part))).collect()
}
