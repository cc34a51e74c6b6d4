//! What an app reports about itself for a deployment: the answer to `PIXIE_DUMP=deploy`.
//!
//! Times are in seconds, sizes in bytes. Routes are sorted by precedence.

use std::path::Path;

use serde::Deserialize;

use crate::{error::Error, program};

/// The role of all routes that run in no pool, or in a pool without a role of its own.
pub(super) const WEB: &str = "web";

/// Limits a job without a deadline: the default of `ServerConfig::request_timeout`, in seconds.
const REQUEST_TIMEOUT: f64 = 3600.0;

/// The memory that a process needs beside its workers: the program, connections, buffers and uploads.
const BASE_MEMORY: u64 = 256 << 20;

#[derive(Debug, Deserialize)]
pub(super) struct App {
    pub(super) app: String,
    pub(super) roles: Vec<String>,
    pub(super) pools: Vec<Pool>,
    pub(super) routes: Vec<Route>,
    pub(super) health: Option<String>,
    pub(super) ready: Option<String>,
    /// `None` if the app has no fixed port.
    pub(super) port: Option<u16>,
    /// Where the app answers HAProxy's agent checks.
    pub(super) agent: Option<String>,
    pub(super) tls: bool,
    pub(super) http2: bool,
    /// Whether the app expects a header of the PROXY protocol.
    #[serde(default)]
    pub(super) proxy_protocol: bool,
    web_deadline: f64,
    /// These three follow one another at a stop.
    ready_delay: f64,
    server_grace: Option<f64>,
    shutdown_grace: f64,
    pub(super) uses_store: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) slots: u64,
    /// Otherwise `slots` is the number of cores of the machine that was asked.
    #[serde(default)]
    pub(super) slots_are_set: bool,
    pub(super) queue: u64,
    pub(super) queue_timeout: f64,
    deadline: Option<f64>,
    /// How long a stream may be silent.
    #[serde(default)]
    stream_idle_timeout: f64,
    /// Limits one worker.
    pub(super) memory: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Route {
    pub(super) methods: Vec<String>,
    pub(super) path: String,
    pub(super) role: String,
    /// Whether a request may be sent again after a failure. `None` means: if its method is idempotent.
    pub(super) retry: Option<bool>,
    deadline: Option<f64>,
}

impl App {
    /// Asks a program.
    pub(super) fn by(program: &Path, folder: &Path) -> Result<App, Error> {
        let app: App = program::ask(program, folder, "deploy", "deployment")?;
        match app.unusable() {
            Some(name) => {
                let error = Error::new(format_args!("`{}` cannot stand in a configuration", name.escape_debug()));
                Err(error.help("name the app, pools and probes with letters, digits, `-`, `_` and `.`"))
            }
            None => Ok(app),
        }
    }

    /// Returns a name or the path of a probe that would need quotes in one of the generated files.
    fn unusable(&self) -> Option<&str> {
        let are_all =
            |text: &str, more: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter));
        let is_name = |name: &str| name.starts_with(|first: char| first.is_ascii_alphabetic()) && are_all(name, "-_.");
        let mut names = self.roles.iter().chain([&self.app]).filter(|name| !is_name(name));
        let mut paths = [&self.health, &self.ready].into_iter().flatten().filter(|path| !are_all(path, "-_.~/"));
        names.next().or_else(|| paths.next()).map(String::as_str)
    }

    /// Returns the pools of a role; `web` may have several.
    pub(super) fn pools_of(&self, role: &str) -> impl Iterator<Item = &Pool> {
        self.pools.iter().filter(move |pool| pool.role == role)
    }

    /// Returns how long a request may take to the head of its response, in the queue of the app and in the
    /// handler.
    pub(super) fn longest(&self, role: &str) -> f64 {
        let of_routes = self.routes.iter().filter(|route| route.role == role).filter_map(|route| route.deadline);
        let of_pools = self.pools_of(role).map(|pool| pool.deadline.unwrap_or(REQUEST_TIMEOUT));
        let of_web = (role == WEB).then_some(self.web_deadline);
        let waits = self.pools_of(role).map(|pool| pool.queue_timeout);
        of_routes.chain(of_pools).chain(of_web).fold(0.0, f64::max) + waits.fold(0.0, f64::max)
    }

    /// Returns how long a stream may be silent.
    pub(super) fn silence(&self, role: &str) -> f64 {
        self.pools_of(role).map(|pool| pool.stream_idle_timeout).fold(0.0, f64::max)
    }

    /// Returns how long a stop may take, in whole seconds, with time for workers to exit.
    pub(super) fn stop_seconds(&self) -> u64 {
        (self.ready_delay + self.server_grace.unwrap_or_default() + self.shutdown_grace).ceil() as u64 + 5
    }

    /// Returns the largest memory of a process with these roles, or `None` if a pool has no limit.
    pub(super) fn memory(&self, roles: &[String]) -> Option<u64> {
        let pools = roles.iter().flat_map(|role| self.pools_of(role));
        let of_pools = pools.map(|pool| pool.memory.map(|memory| memory.saturating_mul(pool.slots)));
        of_pools.sum::<Option<u64>>().map(|sum| sum.saturating_add(BASE_MEMORY))
    }
}
