//! `run()`: from `main` to a server, and from a server to its end.
//!
//! The order matters. A worker process becomes a worker before it has threads, sockets or a runtime. The
//! server opens its port before it starts workers, so that a second server on the port starts none. Workers
//! stop last, after all requests.
mod overview;
mod log;
mod notify;
pub(crate) mod proc_env;

use std::{
    io::{self, Write},
    sync::Arc,
};

use pixie_core::Result;
use pixie_server::{Listener, Server, Shutdown};
use tokio::runtime::{Builder, Runtime};

use crate::{
    app::{App, compose},
    dev::Dev,
    error::StartError,
    jobs::{submit::start_pools, worker},
    request::service::{AppService, LayerFn},
    table::{Composed, settings::SPARE_THREADS},
};

/// Runs an app with all routes of the program that attributes define. The same as `App::collect().run()`.
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
    /// A service manager can pass the listening sockets (`LISTEN_FDS`, systemd's socket activation), and is
    /// told when the app is ready and when it stops (`NOTIFY_SOCKET`, systemd's `Type=notify`). With
    /// `PIXIE_DUMP=routes` the app prints its table of routes as JSON and returns. Under `pixie dev` it
    /// reloads itself and its pages. The guide's page [`deploy`](crate::guide::deploy) shows how a service
    /// manager restarts an app without losing a request.
    ///
    /// The app owns the async runtime, so call `run` from a plain `main`. If this process was started as a
    /// worker, the call does not return. Code before the call runs in every worker too.
    pub fn run(self) -> Result<()> {
        let (app, mut layers) = composed(self)?;
        if let Some(answer) = overview::asked(&app)? {
            return Ok(writeln!(io::stdout(), "{answer}")?);
        }
        log::start();
        install_metrics(&app)?;
        let dev = Dev::from_environment(&app)?;
        if let Some(dev) = &dev {
            dev.wrap(&app, &mut layers);
        }
        app.spool.sweep();
        let listener = match Listener::adopted().map_err(refused)? {
            Some(passed_on) => passed_on,
            None => Listener::bind(&app.settings.host, app.settings.port).map_err(refused)?,
        };
        let runtime = runtime(app.settings.threads).map_err(refused)?;
        let served = runtime.block_on(serve(AppService::layered(app, layers), listener, dev));
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
        let (app, layers) = composed(self)?;
        install_metrics(&app)?;
        app.spool.sweep();
        Ok(AppService::layered(app, layers))
    }
}

/// Composes an app. In a process that was started as a worker this does not return.
fn composed(app: App) -> Result<(Arc<Composed>, Vec<LayerFn>), StartError> {
    let (app, layers) = compose::compose(app)?;
    match pixie_pool::worker() {
        None => Ok((app, layers)),
        Some(worker) => {
            log::start_in_worker();
            worker::serve(worker, &app)
        }
    }
}

fn install_metrics(app: &Composed) -> Result<(), StartError> {
    app.settings.install_metrics.map_or(Ok(()), |install| install())
}

/// Makes the runtime of an app whose thread routes use up to this number of threads.
fn runtime(threads: usize) -> io::Result<Runtime> {
    let blocking = threads.saturating_add(SPARE_THREADS);
    Builder::new_multi_thread().enable_all().max_blocking_threads(blocking).build()
}

async fn serve(service: AppService, listener: Listener, dev: Option<Arc<Dev>>) -> Result<(), StartError> {
    let app = service.app().clone();
    app.shutdown.on_signals().map_err(refused)?;
    start_pools(&app).await?;
    // `pixie dev` prints its own banner.
    if app.settings.banner && dev.is_none() {
        // Continues if standard output is closed.
        let _ = writeln!(io::stdout(), "{}", overview::banner(&app, &listener.local_addrs()));
    }
    if let Some(dev) = &dev {
        tokio::spawn(dev.clone().say_farewell(app.shutdown.clone()));
    }
    notify::tell(dev.as_deref(), "READY=1");
    tokio::spawn(report_stop(app.shutdown.clone(), dev));
    let server = Server::new(app.settings.server.clone()).until(&app.shutdown);
    let stopped = server.serve(listener, |connection| service.for_peer(connection.peer)).await.map_err(refused)?;
    if stopped.cut > 0 {
        tracing::warn!(connections = stopped.cut, "closed connections that were still busy after the grace period");
    }
    for pool in app.pools.values().filter_map(|slot| slot.running()) {
        pool.stop(app.settings.shutdown_grace).await;
    }
    // A handler that never ends keeps the app in memory, but must not keep uploaded files.
    app.spool.remove();
    Ok(())
}

async fn report_stop(shutdown: Shutdown, dev: Option<Arc<Dev>>) {
    shutdown.wait().await;
    notify::tell(dev.as_deref(), "STOPPING=1");
}

fn refused(error: impl std::fmt::Display) -> StartError {
    StartError::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, time::Duration};

    use tokio::time::timeout;

    use super::*;

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
