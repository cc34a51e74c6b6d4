//! Catches panics of handlers and turns them into errors that know their place in the code.
//!
//! Only the panic hook knows the place of a panic, so it stores the place for the thread that panics. The
//! hook is installed once. It calls the previous hook for panics outside handlers.
use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::{self, AssertUnwindSafe},
    sync::Once,
    task::Poll,
};

use http::StatusCode;
use pixie_core::{Error, LentFuture};

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a handler. A panic becomes a 500 with its message and place.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Error> {
    note_places();
    let was_guarded = IS_GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    IS_GUARDED.set(was_guarded);
    outcome.map_err(|payload| error(message(payload.as_ref()), PLACE.take()))
}

/// Runs the future of an async handler or hook. A panic becomes a 500, as in [`caught`], converted by
/// `failed`.
pub(crate) fn caught_async<T>(mut future: LentFuture<'_, T>, failed: fn(Error) -> T) -> impl Future<Output = T> {
    poll_fn(move |cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(poll) => poll,
        Err(error) => Poll::Ready(failed(error)),
    })
}

/// Returns the error of a panic that was caught here or in a worker.
pub(crate) fn error(message: String, place: Option<String>) -> Error {
    Error::new(StatusCode::INTERNAL_SERVER_ERROR).with_chain(vec![format!("panicked: {message}")]).with_place(place)
}

fn note_places() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| match IS_GUARDED.get() {
            true => PLACE.set(info.location().map(ToString::to_string)),
            false => previous(info),
        }));
    });
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "of unknown type".into())
}
