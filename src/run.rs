//! `run()`: from `main` to a server, and from a server to its end.
//!
//! The order matters. A worker process becomes a worker before it has threads, sockets or a runtime. The
//! server opens its port before it starts workers, so that a second server on the port does not start any.
//! Workers stop last, after all requests.
mod overview;
mod deployment;
mod agent;
mod log;
mod notify;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
mod secured;
#[cfg(not(any(feature = "tls", feature = "tls-ring")))]
#[path = "run/unsecured.rs"]
mod secured;
pub(crate) mod proc_env;
mod restart;
pub(crate) mod lifecycle;

use std::{
    fs,
    io::{self, ErrorKind, Write},
    sync::Arc,
    time::Duration,
};

use pixie_core::Result;
use pixie_server::{Error as ServerError, Listen, Listener, Server, Shutdown, raise_open_files_limit};
use tokio::runtime::{Builder, Handle, Runtime};

use self::restart::Restarts;
use crate::{
    app::{App, compose},
    dev::Dev,
    error::StartError,
    jobs::{submit::start_pools, worker},
    request::service::{AppService, LayerFn},
    table::{
        Composed, Intake,
        probes::Probes,
        settings::{SPARE_THREADS, Settings},
        store,
    },
};

/// Runs an app with all routes of the program that attributes define. The same as `App::collect().run()`.
#[doc(alias("serve", "main", "server"))]
pub fn run() -> Result<()> {
    App::collect().run()
}

/// # Running
///
/// A mistake in the configuration is an [`Error`](crate::Error) that prints without a status. Its cause is a
/// [`StartError`](crate::StartError).
impl App {
    /// Listens and serves until SIGINT, SIGTERM or the app's [`Shutdown`](crate::Shutdown) handle stops it.
    ///
    /// SIGHUP starts the program anew from its path, with the same sockets: the guide's page
    /// [`deploy`](crate::guide::deploy) explains it. A service manager can pass the listening sockets
    /// (`LISTEN_FDS`, systemd's socket activation), and is told when the app is ready, starts anew or stops
    /// (`NOTIFY_SOCKET`, systemd's `Type=notify`). With `PIXIE_DUMP=routes` the app prints its table of
    /// routes as JSON and returns; with `PIXIE_PRINT_CONFIG=1` it prints its settings
    /// ([`configuration`](crate::guide::configuration)). Under `pixie dev` it reloads itself and its pages.
    ///
    /// The app owns the async runtime, so call `run` from a plain `main`. If this process was started as a
    /// worker, the call does not return. Code before the call runs in every worker too.
    pub fn run(self) -> Result<()> {
        self.serve_to_end().inspect_err(notify::tell_failure)
    }

    fn serve_to_end(self) -> Result<()> {
        if Handle::try_current().is_ok() {
            let fix = "write `fn main()` without `async` and without `#[tokio::main]`";
            return Err(StartError::new(format!(
                "`run` starts the async runtime of the app, but one runs already: {fix}"
            ))
            .into());
        }
        let (app, mut layers) = composed(self)?;
        if let Some(answer) = overview::asked(&app)? {
            return print(&answer);
        }
        let _log = log::start(&app.settings)?;
        app.given.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        // Before the workers start, so that all of them have the same limit.
        raise_open_files_limit();
        install_metrics(&app)?;
        let dev = Dev::from_environment(&app)?;
        if let Some(dev) = &dev {
            dev.wrap(&app, &mut layers);
        }
        app.spool.sweep();
        if app.endpoints.iter().any(|endpoint| endpoint.intake == Intake::Form) {
            app.spool.check();
        }
        let listener = open(&app.settings, dev.is_some())?;
        lifecycle::share(&app)?;
        let mut restarts = Restarts::prepare(dev.is_some()).map_err(StartError::of_system)?;
        let runtime = runtime(app.settings.threads).map_err(StartError::of_system)?;
        // `pixie dev` shows its own lines of requests.
        let is_logged = dev.is_none() && log::wants_requests(app.settings.access_log);
        let service = AppService::layered(app, layers).logging(is_logged);
        let served = runtime.block_on(serve(service, listener, dev, &mut restarts));
        // A blocking thread whose handler never ends must not keep the process alive.
        runtime.shutdown_background();
        Ok(served?)
    }

    /// Returns the app as a `tower::Service`, for axum, hyper or another server.
    ///
    /// A pool starts with the first request that needs it. In a worker process this call does not return, so
    /// call it early in `main`.
    ///
    /// ```
    /// use pixie_web::{App, Route};
    ///
    /// # fn main() -> pixie_web::Result<()> {
    /// let service = App::new().route(Route::get("/").sync(|_| "Hello")).into_service()?;
    /// # fn serve_with(_: impl tower_service::Service<http::Request<pixie_web::Body>>) {}
    /// serve_with(service); // such as `axum::Router::fallback_service`
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_service(self) -> Result<AppService> {
        if !self.lifecycle.is_empty() {
            let why =
                "`App::into_service` has no runtime of its own for `state_with`, `on_start`, `on_stop` and `every`";
            return Err(StartError::new(format!("{why}: do that before and after the other server runs")).into());
        }
        Ok(self.service()?)
    }

    /// Returns the app as a service, without its start.
    pub(crate) fn service(self) -> Result<AppService, StartError> {
        let (app, layers) = composed(self)?;
        app.given.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        if app.settings.agent.is_some() {
            tracing::warn!("the agent check is not served, because another server serves this app");
        }
        install_metrics(&app)?;
        app.spool.sweep();
        lifecycle::share(&app)?;
        Ok(AppService::layered(app, layers))
    }
}

/// Prints an answer. A closed pipe is not an error, because a reader such as `head` may stop early.
fn print(answer: &str) -> Result<()> {
    match writeln!(io::stdout(), "{answer}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Composes an app. In a process that was started as a worker this does not return.
fn composed(app: App) -> Result<(Arc<Composed>, Vec<LayerFn>), StartError> {
    let (app, layers) = compose::compose(app)?;
    match pixie_pool::worker() {
        None => Ok((app, layers)),
        Some(worker) => {
            log::start_in_worker();
            if app.settings.development {
                warn_of_threads();
            }
            worker::serve(worker, &app)
        }
    }
}

/// Warns if `main` has started threads, which every worker then has, too. One of the workers says it.
fn warn_of_threads() {
    // Elsewhere than on Linux, the number of threads is not known.
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if proc_env::proc_env().worker == 1 && (threads > 1 || Handle::try_current().is_ok()) {
        let fix = "do that in `App::state_with` or `App::on_start`, which run in the main process only";
        tracing::warn!(
            threads,
            "`main` starts threads or a runtime before `run()`, and does so in every worker: {fix}"
        );
    }
}

fn install_metrics(app: &Composed) -> Result<(), StartError> {
    app.settings.install_metrics.map_or(Ok(()), |install| install())
}

/// Opens the sockets, or takes those that the parent process has passed.
fn open(settings: &Settings, is_dev: bool) -> Result<Listener, StartError> {
    let passed = Listener::adopted().map_err(StartError::of_system)?;
    let main = [Listen::tcp(&settings.host, settings.port)];
    match passed {
        Some(passed) if is_dev => secured::under_dev(passed),
        Some(passed) if settings.listens.is_empty() => Ok(passed),
        passed => {
            let listens = if settings.listens.is_empty() { main.to_vec() } else { settings.listens.clone() };
            Listener::open_beside(listens, passed).map_err(|error| refused(&error, settings))
        }
    }
}

/// Returns the error of addresses that cannot be opened. If another port is the fix, it names the place where
/// ports are chosen.
fn refused(error: &ServerError, settings: &Settings) -> StartError {
    let free = match error {
        ServerError::PortTaken { free, .. } => *free,
        ServerError::PortForbidden { .. } => Some(8000),
        _ => return StartError::of_system(error),
    };
    let fix = match free {
        _ if !settings.listens.is_empty() => "change its `App::listen`".to_owned(),
        Some(free) => format!("set PIXIE_PORT={free}"),
        None => "set PIXIE_PORT".to_owned(),
    };
    StartError::new(format!("{error}: {fix}"))
}

/// The stack of each thread, in bytes: as large as that of handlers in workers. It takes memory when it is
/// used.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Makes the runtime of an app whose thread routes use up to this number of threads.
fn runtime(threads: usize) -> io::Result<Runtime> {
    let blocking = threads.saturating_add(SPARE_THREADS);
    Builder::new_multi_thread().enable_all().max_blocking_threads(blocking).thread_stack_size(STACK_BYTES).build()
}

/// Takes `restarts` if the app starts; they must not be dropped inside the runtime.
async fn serve(
    service: AppService,
    listener: Listener,
    dev: Option<Arc<Dev>>,
    restarts: &mut Option<Restarts>,
) -> Result<(), StartError> {
    let app = service.app().clone();
    app.shutdown.on_signals().map_err(StartError::of_system)?;
    // Before the workers start, because their state may need what this makes, such as tables of a database.
    let Some(started) = lifecycle::start(&app).await? else { return Ok(()) };
    start_pools(&app).await?;
    if dev.is_none() {
        agent::start(&app).await?;
    }
    app.store.iter().for_each(store::attach);
    // `pixie dev` prints its own banner.
    if app.settings.banner && dev.is_none() {
        // Continues if standard output is closed.
        let _ = writeln!(io::stdout(), "{}", overview::banner(&app, &listener.urls()));
    }
    if let Some(dev) = &dev {
        tokio::spawn(dev.clone().say_farewell(app.shutdown.clone()));
    }
    let dev_is_on = dev.is_some();
    let watching = Restarts::watch(restarts, &listener, &app).map_err(StartError::of_system)?;
    if !app.roles.is_whole() {
        tracing::info!(role = %app.roles, "serving the routes of this role");
    }
    notify::tell_ready(dev.as_deref());
    tokio::spawn(report_stop(app.shutdown.clone(), dev));
    let config = app.settings.server.clone();
    let config = match close_delay(&app, dev_is_on) {
        Some(delay) => config.close_delay(delay),
        None => config,
    };
    let server = Server::new(config).until(&app.shutdown).counting(&app.counters);
    let stopped = server
        .serve(listener, move |connection| service.for_connection(connection))
        .await
        .map_err(StartError::of_system)?;
    if stopped.cut > 0 {
        tracing::warn!(connections = stopped.cut, "closed connections that were still busy after the grace period");
    }
    lifecycle::finish_background(&app).await;
    for pool in app.pools.values().filter_map(|slot| slot.running()) {
        pool.stop(app.settings.shutdown_grace).await;
    }
    started.stop().await;
    if let Some(watching) = watching {
        // A panic was reported by the hook.
        let _ = watching.join();
    }
    // A handler that never ends keeps the app in memory, but must not keep uploaded files.
    app.spool.remove();
    Ok(())
}

/// Time from the beginning of a stop to the end of the listening sockets, if the app asks to be probed. Most
/// balancers probe every one to five seconds.
const READY_DELAY: Duration = Duration::from_secs(5);

/// Returns how long a stopping app still accepts connections. `None` leaves the time that the server has.
fn close_delay(app: &Composed, is_dev: bool) -> Option<Duration> {
    match app.settings.ready_delay {
        _ if is_dev => Some(Duration::ZERO),
        None if app.settings.development => None,
        _ => ready_delay(app),
    }
}

/// Returns the same in production.
fn ready_delay(app: &Composed) -> Option<Duration> {
    let is_asked = app.settings.agent.is_some() || app.probes.as_ref().is_some_and(Probes::tells_readiness);
    app.settings.ready_delay.or(is_asked.then_some(READY_DELAY))
}

async fn report_stop(shutdown: Shutdown, dev: Option<Arc<Dev>>) {
    shutdown.wait().await;
    if shutdown.is_handed_over() {
        return;
    }
    notify::tell(dev.as_deref(), "STOPPING=1");
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_main_with_a_runtime_of_its_own_gets_one_sentence() {
        let error = App::new().run().expect_err("the app cannot start here");
        let said = error.to_string();
        assert!(said.contains("`fn main()` without `async`") && !said.contains('\n'), "{said}");
    }

    #[test]
    fn thread_routes_have_all_their_threads_and_leave_some_to_files() {
        const THREADS: usize = 600;
        let runtime = runtime(THREADS).expect("it can be made");
        // Passed only if all handlers run at once, and a file is read beside them.
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let all = async {
            let waiting = || {
                let barrier = barrier.clone();
                tokio::task::spawn_blocking(move || barrier.wait())
            };
            let jobs: Vec<_> = (0..=THREADS).map(|_| waiting()).collect();
            for job in jobs {
                job.await.expect("it does not panic");
            }
        };
        let passed = runtime.block_on(async { timeout(Duration::from_secs(30), all).await });
        runtime.shutdown_background();
        assert!(passed.is_ok(), "they wait for each other");
    }
}
