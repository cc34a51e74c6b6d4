//! `Settings`: where an app listens and how much it takes on, with the environment's word over the program's.
use std::{env, ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use http::HeaderMap;
use pixie_core::{ByteSize, Error, FormLimits, Response, Result};

/// Blocking threads beyond those of thread routes: for files that are read and uploads that are written, which must not wait for
/// handlers. With the default of `threads` they make the 512 that are tokio's own.
pub(crate) const SPARE_THREADS: usize = 256;

/// The numbers of an app.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `localhost`, as the original: nobody outside this machine reaches an app that was just started.
    pub(crate) host: String,
    /// 8000, as the original; 0 lets the system choose.
    pub(crate) port: u16,
    /// Worker processes of the pools that the program does not declare; nothing means one per CPU, 0 runs pool routes on threads.
    pub(crate) workers: Option<usize>,
    /// Worker processes of all pools, whatever the program says: from the environment.
    pub(crate) workers_everywhere: Option<usize>,
    /// Worker processes of all pools in a test, whatever the environment says.
    pub(crate) workers_in_test: Option<usize>,
    /// Private memory of a worker. No limit by default: what a handler needs is not known here.
    pub(crate) worker_memory: Option<ByteSize>,
    /// From dispatch to the head of a pool route's answer. 15 s, as the original: long for a page, short for a loop.
    pub(crate) deadline: Duration,
    /// After which a request of a pool is reported as slow: see `pixie_pool::Config`.
    pub(crate) slow_after: Option<Duration>,
    /// Limits the body that is buffered. 2 MiB because that holds any form, and a thousand of them fit into memory.
    pub(crate) body_limit: ByteSize,
    /// What a form may hold, each with its reason in `pixie-core`.
    pub(crate) form_limits: FormLimits,
    /// Where the folder for large uploads is made; nothing means the system's folder for temporary files.
    pub(crate) upload_dir: Option<PathBuf>,
    /// Whether clients reach the app over HTTPS, so that its cookies are `Secure`.
    pub(crate) https: bool,
    /// Blocking threads at once. Each costs a stack; more than this is a queue that nobody sees.
    pub(crate) threads: usize,
    /// How long a request waits for a blocking thread or a worker. A client has given up by then.
    pub(crate) queue_timeout: Duration,
    /// How long running jobs may take to end after the last connection has: nobody waits for them any more.
    pub(crate) shutdown_grace: Duration,
    /// Whether error pages show causes and places.
    pub(crate) development: bool,
    /// Whether requests that another site made a browser send are refused.
    pub(crate) csrf: bool,
    /// Whether responses get the headers that make browsers careful.
    pub(crate) security_headers: bool,
    /// Time-outs and limits of connections, each with its reason in `pixie-server`.
    pub(crate) server: pixie_server::Config,
    /// Whether answers without a tag get one of their bytes.
    pub(crate) etags: bool,
    /// Puts an answer into the coding that the client likes best.
    pub(crate) compress: Option<fn(&HeaderMap, &mut Response)>,
    /// Whether requests have ids whatever their route.
    pub(crate) request_ids: bool,
    /// Whether a route shows metrics, for which they have to be kept.
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "nobody can ask for them"))]
    pub(crate) shows_metrics: bool,
    /// Whether the start is announced.
    pub(crate) banner: bool,
    /// The worker's command line, where it is not that of this process: under a test harness.
    pub(crate) worker_args: Option<Vec<OsString>>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            host: "localhost".into(),
            port: 8000,
            workers: None,
            workers_everywhere: None,
            workers_in_test: None,
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
            shows_metrics: false,
            banner: true,
            worker_args: None,
        }
    }
}

impl Settings {
    /// Lets `PIXIE_HOST`, `PIXIE_PORT`, `PIXIE_WORKERS` and `PIXIE_DEV` override what the program says.
    pub(crate) fn override_by_environment(&mut self) -> Result<()> {
        self.override_by(|name| env::var(name).ok())
    }

    /// The same for any source of variables.
    pub(crate) fn override_by(&mut self, variable: impl Fn(&str) -> Option<String>) -> Result<()> {
        if let Some(host) = variable("PIXIE_HOST") {
            self.host = host;
        }
        if let Some(port) = number(&variable, "PIXIE_PORT", "a port from 0 to 65535")? {
            self.port = port;
        }
        if let Some(workers) = number(&variable, "PIXIE_WORKERS", "how many worker processes, 0 for threads instead")? {
            self.workers_everywhere = Some(workers);
        }
        if let Some(development) = variable("PIXIE_DEV") {
            self.development = switch("PIXIE_DEV", &development)?;
        }
        Ok(())
    }
}

fn switch(name: &str, text: &str) -> Result<bool> {
    match text.trim() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Error::internal(format!("{name} is `{text}`, but should be 1 (on) or 0 (off)"))),
    }
}

fn number<T: FromStr>(variable: impl Fn(&str) -> Option<String>, name: &str, wanted: &str) -> Result<Option<T>> {
    let Some(text) = variable(name) else { return Ok(None) };
    let wrong = |_| Error::internal(format!("{name} is `{text}`, but should be {wanted}"));
    text.trim().parse().map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests;
