//! What an app does besides answering requests: at its start, at its stop, at times, and after responses. As
//! plain data; `run/lifecycle.rs` runs it, in the main process only.
//!
//! Invariant: the number of pieces of background work has a limit, and a stop can wait for all of them.
use std::{collections::BTreeSet, fmt, panic::Location, pin::Pin, sync::Arc, time::Duration};

use pixie_core::{BoxFuture, Error, Result, StateMap};
use pixie_grammar::parse_duration;
use pixie_pool::Share;
use pixie_server::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error::StartError,
    table::{panics, refusal},
};

/// Limits the background work that runs or waits at the same time. Each takes some memory; 1024 requests with
/// an email each are more than an app sends in a second.
const BACKGROUND_MAX: u32 = 1024;

type StepFuture = Pin<Box<dyn Future<Output = Result<()>>>>;

/// The running app, for code that is not a handler: [`App::on_start`](crate::App::on_start),
/// [`App::on_stop`](crate::App::on_stop) and [`App::every`](crate::App::every).
#[derive(Clone)]
pub struct AppHandle {
    state: Arc<StateMap>,
    shutdown: Shutdown,
    is_development: bool,
}

impl AppHandle {
    pub(crate) fn new(state: &Arc<StateMap>, shutdown: &Shutdown, is_development: bool) -> AppHandle {
        AppHandle { state: state.clone(), shutdown: shutdown.clone(), is_development }
    }

    /// Returns a value that [`App::state`](crate::App::state) or [`App::state_with`](crate::App::state_with) has
    /// put in. The app's [`Store`](crate::Store), [`Urls`](crate::Urls) and [`Pools`](crate::Pools) are there too.
    ///
    /// # Errors
    ///
    /// Fails if there is no value of this type, or if its `state_with` has not run yet.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<Arc<T>> {
        let missing = || Error::internal(format!("the app has no state of the type {}", std::any::type_name::<T>()));
        self.state.get().ok_or_else(missing)
    }

    /// Returns the handle that stops the app.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Returns whether the app is in development: see [`App::development`](crate::App::development). A start can
    /// refuse a default then that is not safe in production, such as a secret that everyone knows.
    pub fn is_development(&self) -> bool {
        self.is_development
    }

    pub(crate) fn fill<T: Send + Sync + 'static>(&self, value: T) {
        self.state.fill(value);
    }
}

impl fmt::Debug for AppHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppHandle").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Code that runs once.
pub(crate) struct Step {
    /// The call in the program and its place.
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnOnce(AppHandle) -> StepFuture + Send>,
}

/// Code that runs again and again.
pub(crate) struct Periodic {
    pub(crate) name: String,
    /// The period, or what is wrong with its text.
    pub(crate) period: Result<Duration, String>,
    pub(crate) run: Box<dyn Fn(AppHandle) -> BoxFuture<Result<()>> + Send + Sync>,
}

/// What an app does besides answering requests.
#[derive(Default)]
pub(crate) struct Lifecycle {
    /// What the app shares with its workers, by name.
    pub(crate) shares: Vec<(String, Share)>,
    pub(crate) starts: Vec<Step>,
    pub(crate) periodic: Vec<Periodic>,
    pub(crate) stops: Vec<Step>,
}

impl Lifecycle {
    /// Returns whether the app runs nothing of its own at its start, at its stop, or at times.
    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty() && self.periodic.is_empty() && self.stops.is_empty()
    }

    /// Refuses periods that are none, and a name that is shared twice.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let mut names = BTreeSet::new();
        if let Some((name, _)) = self.shares.iter().find(|(name, _)| !names.insert(name)) {
            return Err(StartError::new(format!("`App::share` declares `{name}` twice: keep one of them")));
        }
        let wrong = |work: &Periodic| Some(format!("{}: {}", work.name, work.period.as_ref().err()?));
        self.periodic.iter().find_map(wrong).map_or(Ok(()), |why| Err(StartError::new(why)))
    }
}

impl Step {
    #[track_caller]
    pub(crate) fn new<F>(call: &str, run: F) -> Step
    where
        F: AsyncFnOnce(AppHandle) -> Result<()> + Send + 'static,
    {
        Step { name: named(call), run: Box::new(|app| Box::pin(async move { run(app).await })) }
    }
}

impl Periodic {
    #[track_caller]
    pub(crate) fn new(period: &str, run: Box<dyn Fn(AppHandle) -> BoxFuture<Result<()>> + Send + Sync>) -> Periodic {
        let parsed = match parse_duration(period) {
            Ok(Duration::ZERO) => Err("the period must be longer than 0".to_owned()),
            parsed => parsed,
        };
        Periodic { name: named(&format!("App::every(\"{period}\")")), period: parsed, run }
    }
}

#[track_caller]
fn named(call: &str) -> String {
    let place = Location::caller();
    format!("`{call}` ({}:{})", place.file(), place.line())
}

/// Counts the background work of an app.
#[derive(Clone, Debug)]
pub(crate) struct Background(Arc<Semaphore>);

impl Background {
    pub(crate) fn new() -> Background {
        Background(Arc::new(Semaphore::new(BACKGROUND_MAX as usize)))
    }

    /// Returns the place of a piece of work, which holds it until its end.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit> {
        let full = |_| refusal::overloaded("too much work waits in the background", Duration::from_secs(1));
        self.0.clone().try_acquire_owned().map_err(full)
    }

    /// Waits until no work is left.
    pub(crate) async fn idle(&self) {
        // Fails if the semaphore is closed, which it never is.
        let _ = self.0.acquire_many(BACKGROUND_MAX).await;
    }
}

/// Runs work in its place, and logs its failure or its panic.
pub(crate) async fn run_logged(name: &str, place: OwnedSemaphorePermit, work: BoxFuture<Result<()>>) {
    if let Err(error) = panics::caught_async(work, Err).await {
        tracing::error!(place = error.place(), "{name} failed: {error}");
    }
    drop(place);
}
