//! `run()`: from `main` to a server, and from a server to its end.
//!
//! The order is the point: a worker turns into one before any thread, socket or runtime exists; the port is taken before
//! workers are started, so that two servers never fight; the workers go last, when no request is left.
mod banner;
pub(crate) mod dump;
pub(crate) mod log;
mod notify;
pub(crate) mod proc_env;

use std::{
    io::{self, Write},
    sync::Arc,
};

use pixie_core::{Error, Result};
use pixie_server::{Listener, Server, Shutdown};
use tokio::runtime::{Builder, Runtime};

use crate::{
    app::{App, compose},
    dev::Dev,
    jobs::worker,
    request::service::AppService,
    table::{meter, settings::SPARE_THREADS},
};

/// Runs an app with every route that an attribute in this program wrote. The same as `App::collect().run()`.
pub fn run() -> Result<()> {
    App::collect().run()
}

impl App {
    /// Listens and serves until SIGINT, SIGTERM or the app's [`Shutdown`](crate::Shutdown) handle ends it.
    ///
    /// A service manager may hand it the listening sockets (`LISTEN_FDS`, systemd's socket activation) and is told when it
    /// is ready and when it stops (`NOTIFY_SOCKET`, systemd's `Type=notify`). With `PIXIE_DUMP=routes` it prints its table
    /// of routes as JSON and returns. It reloads itself and its pages under `pixie dev`. The guide's page
    /// [`deploy`](crate::guide::deploy) shows how a service manager restarts it without losing a request.
    ///
    /// It owns the async runtime, so call it from a plain `main`. Where this process was started as a worker, it becomes
    /// that worker instead and does not return: what stands before this call runs in every worker too.
    pub fn run(self) -> Result<()> {
        let (app, mut layers) = compose::compose(self)?;
        if let Some(worker) = pixie_pool::worker() {
            log::start_in_worker();
            worker::serve(worker, &app);
        }
        if let Some(answer) = dump::asked(&app)? {
            return Ok(writeln!(io::stdout(), "{answer}")?);
        }
        log::start();
        meter::install(&app)?;
        let dev = Dev::from_environment(&app)?;
        if let Some(dev) = &dev {
            dev.wrap(&app, &mut layers);
        }
        app.spool.sweep();
        let listener = match Listener::adopted().map_err(refused)? {
            Some(passed_on) => passed_on,
            None => Listener::bind(&app.settings.host, app.settings.port).map_err(refused)?,
        };
        let runtime = runtime(app.settings.threads)?;
        let served = runtime.block_on(serve(AppService::layered(app, layers), listener, dev));
        // A blocking thread whose handler never ends must not keep the process alive.
        runtime.shutdown_background();
        served
    }
}

/// Makes the runtime of an app whose thread routes may take so many threads at once.
fn runtime(threads: usize) -> io::Result<Runtime> {
    let blocking = threads.saturating_add(SPARE_THREADS);
    Builder::new_multi_thread().enable_all().max_blocking_threads(blocking).build()
}

async fn serve(service: AppService, listener: Listener, dev: Option<Arc<Dev>>) -> Result<()> {
    let app = service.app().clone();
    app.shutdown.on_signals().map_err(refused)?;
    for pool in app.pools.values() {
        pool.started(&app).await?;
    }
    // `pixie dev` has a banner of its own.
    if app.settings.banner && dev.is_none() {
        // A closed standard output is no reason to stop.
        let _ = writeln!(io::stdout(), "{}", banner::banner(&app, &listener.local_addrs()));
    }
    if let Some(dev) = &dev {
        tokio::spawn(dev.clone().say_farewell(app.shutdown.clone()));
    }
    notify::tell(dev.as_deref(), "READY=1");
    tokio::spawn(say_stopping(app.shutdown.clone(), dev));
    let server = Server::new(app.settings.server.clone()).until(&app.shutdown);
    let stopped = server.serve(listener, |connection| service.for_peer(connection.peer)).await.map_err(refused)?;
    if stopped.cut > 0 {
        tracing::warn!(connections = stopped.cut, "cut connections that were still busy after the grace");
    }
    for pool in app.pools.values().filter_map(|slot| slot.running()) {
        pool.stop(app.settings.shutdown_grace).await;
    }
    // A handler that never ends may hold the app for ever, but not the files of those who uploaded.
    app.spool.remove();
    Ok(())
}

async fn say_stopping(shutdown: Shutdown, dev: Option<Arc<Dev>>) {
    shutdown.wait().await;
    notify::tell(dev.as_deref(), "STOPPING=1");
}

/// A reason not to start, in the words of the crate that found it.
fn refused(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
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
