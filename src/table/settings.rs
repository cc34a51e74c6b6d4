//! `Settings`: the numbers and switches of an app, and the variables of the environment that override them.
use std::{env, ffi::OsString, path::PathBuf, time::Duration};

use http::HeaderMap;
use pixie_core::{ByteSize, FormLimits, Response};

use crate::error::StartError;

/// Blocking threads beyond those of thread routes. They read files and write uploads, which must not wait for
/// handlers. With the default of `threads` there are 512 threads, as many as tokio has by default.
pub(crate) const SPARE_THREADS: usize = 256;

/// The settings of an app. `App` has a method for each, with its default.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `localhost`, as in the Python framework that pixie is modeled on: other machines cannot connect to an
    /// app that was just started.
    pub(crate) host: String,
    /// 8000, as in that framework.
    pub(crate) port: u16,
    pub(crate) workers: Workers,
    /// Limits the private memory of a worker. Unlimited by default, because the needs of a handler are
    /// unknown.
    pub(crate) worker_memory: Option<ByteSize>,
    /// Limits the time from the dispatch of a pool route to the head of its response. 15 s is long for a page
    /// and short for an endless loop.
    pub(crate) deadline: Duration,
    /// Time without a response after which a request of a pool is logged as slow.
    pub(crate) slow_after: Option<Duration>,
    /// Limits the body that is buffered. 2 MiB because that holds any form, and a thousand of them fit into
    /// memory.
    pub(crate) body_limit: ByteSize,
    pub(crate) form_limits: FormLimits,
    /// The folder that contains the folder for large uploads. `None` means the system's folder for temporary
    /// files.
    pub(crate) upload_dir: Option<PathBuf>,
    /// Whether clients use HTTPS, so that all cookies are `Secure`.
    pub(crate) https: bool,
    /// Limits the handlers of thread routes that run at the same time. Each thread costs a stack.
    pub(crate) threads: usize,
    /// Limits the time that a request waits for a blocking thread or a worker. Clients give up after about 10
    /// s.
    pub(crate) queue_timeout: Duration,
    /// Time that running jobs have after the last connection has closed. Short, because their clients are
    /// gone.
    pub(crate) shutdown_grace: Duration,
    /// Whether error pages show causes and places.
    pub(crate) development: bool,
    /// Whether cross-site requests are refused.
    pub(crate) csrf: bool,
    /// Whether responses get security headers.
    pub(crate) security_headers: bool,
    pub(crate) server: pixie_server::Config,
    /// Whether responses without an `ETag` get one from their bytes.
    pub(crate) etags: bool,
    /// Compresses a response for a request with these headers.
    pub(crate) compress: Option<fn(&HeaderMap, &mut Response)>,
    /// Whether the requests of all routes have ids.
    pub(crate) request_ids: bool,
    /// Installs the recorder of the metrics that a route shows.
    pub(crate) install_metrics: Option<fn() -> Result<(), StartError>>,
    /// Whether the banner is printed at the start.
    pub(crate) banner: bool,
    /// The arguments of workers, if they differ from those of this process, as under a test harness.
    pub(crate) worker_args: Option<Vec<OsString>>,
}

/// The number of worker processes of a pool, and who has set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    OnePerCore,
    /// From `App::workers`, for pools that do not set their size.
    OfApp(usize),
    /// From `PIXIE_WORKERS`, for all pools without a size in their own variable.
    OfEnvironment(usize),
    /// From a test, for all pools.
    OfTest(usize),
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            host: "localhost".into(),
            port: 8000,
            workers: Workers::OnePerCore,
            worker_memory: None,
            deadline: Duration::from_secs(15),
            slow_after: pixie_pool::Config::default().slow_after,
            body_limit: "2MiB".into(),
            form_limits: FormLimits::default(),
            upload_dir: None,
            https: false,
            threads: 256,
            queue_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(1),
            development: cfg!(debug_assertions),
            csrf: true,
            security_headers: true,
            server: pixie_server::Config::default(),
            etags: false,
            compress: None,
            request_ids: false,
            install_metrics: None,
            banner: true,
            worker_args: None,
        }
    }
}

/// A variable of the environment: its name, what it may hold, and how it is stored. `None` means that the
/// text is invalid.
type Variable = (&'static str, &'static str, fn(&mut Settings, &str) -> Option<()>);

/// The variables that override a setting of an app. `PIXIE_POOL_…` (crate `pixie-pool`) overrides those of one
/// pool.
const VARIABLES: [Variable; 4] = [
    ("PIXIE_HOST", "a host name or an address", |settings, text| {
        settings.host = text.to_owned();
        Some(())
    }),
    ("PIXIE_PORT", "a port from 0 to 65535", |settings, text| {
        settings.port = text.parse().ok()?;
        Some(())
    }),
    ("PIXIE_WORKERS", "the number of worker processes, or 0 for threads", |settings, text| {
        let workers = text.parse().ok()?;
        if !matches!(settings.workers, Workers::OfTest(_)) {
            settings.workers = Workers::OfEnvironment(workers);
        }
        Some(())
    }),
    ("PIXIE_DEV", "1 (on) or 0 (off)", |settings, text| {
        settings.development = match text {
            "1" | "true" => true,
            "0" | "false" => false,
            _ => return None,
        };
        Some(())
    }),
];

impl Settings {
    /// Overrides settings by the variables of the environment.
    pub(crate) fn override_by_environment(&mut self) -> Result<(), StartError> {
        self.override_by(|name| env::var(name).ok())
    }

    fn override_by(&mut self, variable: impl Fn(&str) -> Option<String>) -> Result<(), StartError> {
        for (name, wanted, store) in VARIABLES {
            if let Some(text) = variable(name) {
                let wrong = || StartError::new(format!("invalid value \"{text}\" for {name}: use {wanted}"));
                store(self, text.trim()).ok_or_else(wrong)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
