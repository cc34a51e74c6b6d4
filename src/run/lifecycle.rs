//! Runs what an app does besides answering requests, in the main process: its start, its background work, its
//! stop.
use std::{fmt, mem, sync::PoisonError, time::Duration};

use tokio::time::{sleep, timeout};

use crate::{
    error::StartError,
    table::{
        Composed,
        lifecycle::{AppHandle, Background, Lifecycle, Periodic, Step, run_logged},
    },
};

/// Limits the background work that still runs after the last request, and each step of the stop. Half of the
/// time that a container has for its stop by default.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What is left to do for a started app.
pub(crate) struct Started {
    app: AppHandle,
    stops: Vec<Step>,
}

/// Shares what the app declares, before anything reads it.
pub(crate) fn share(app: &Composed) -> Result<(), StartError> {
    let shares = mem::take(&mut app.lifecycle.lock().unwrap_or_else(PoisonError::into_inner).shares);
    shares
        .into_iter()
        .try_for_each(|(name, share)| pixie_pool::share(&name, share).map(drop).map_err(StartError::of_system))
}

/// Runs the steps of the start. Returns `None` if the app was stopped meanwhile.
pub(crate) async fn start(app: &Composed) -> Result<Option<Started>, StartError> {
    let lifecycle = mem::take(&mut *app.lifecycle.lock().unwrap_or_else(PoisonError::into_inner));
    let Lifecycle { starts, periodic, stops, .. } = lifecycle;
    let handle = AppHandle::new(&app.state, &app.shutdown, app.settings.development);
    for Step { name, run } in starts {
        tokio::select! {
            done = run(handle.clone()) => done.map_err(|error| StartError::new(format!("{name} failed: {error}")))?,
            () = app.shutdown.wait() => return Ok(None),
        }
    }
    // In a test nothing happens on its own.
    for work in periodic.into_iter().filter(|_| !app.settings.is_test) {
        tokio::spawn(repeat(work, handle.clone(), app.background.clone()));
    }
    Ok(Some(Started { app: handle, stops }))
}

/// Runs code at each period, until the app stops.
async fn repeat(work: Periodic, app: AppHandle, background: Background) {
    let Periodic { name, period: Ok(period), run } = work else { return };
    loop {
        tokio::select! {
            () = sleep(period) => {}
            () = app.shutdown().wait() => return,
        }
        match background.place() {
            Ok(place) => run_logged(&name, place, run(app.clone())).await,
            Err(error) => tracing::error!("{name} did not run: {error}"),
        }
    }
}

/// Waits for the background work, for a limited time.
pub(crate) async fn finish_background(app: &Composed) {
    let is_over = tokio::select! {
        ended = timeout(STOP_MAX, app.background.idle()) => ended.is_ok(),
        () = app.shutdown.wait_at_once() => false,
    };
    if !is_over {
        tracing::warn!("ended background work that had not ended in time");
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("app", &self.app).finish_non_exhaustive()
    }
}

impl Started {
    pub(crate) fn has_stops(&self) -> bool {
        !self.stops.is_empty()
    }

    /// Runs the steps of the stop, the last one first.
    pub(crate) async fn stop(self) {
        for Step { name, run } in self.stops.into_iter().rev() {
            match timeout(STOP_MAX, run(self.app.clone())).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("{name} failed: {error}"),
                Err(_) => tracing::error!("{name} took longer than {STOP_MAX:?}"),
            }
        }
    }
}
