//! Catches panics of handlers and turns them into errors that know their place in the code.
//!
//! Only the panic hook knows the place of a panic, so it stores the place for the thread that panics. The
//! hook is installed once, and calls the hook that the program had before.
use std::{
    any::Any,
    cell::RefCell,
    future::poll_fn,
    panic::{self, AssertUnwindSafe},
    sync::Once,
    task::Poll,
};

use http::StatusCode;
use pixie_core::{Error, LentFuture};

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a handler. A panic becomes a 500 with its message and place.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Error> {
    note_places();
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let error = error(message(payload.as_ref()), PLACE.take());
        pixie_pool::discard(payload);
        error
    })
}

/// Runs the future of an async handler or hook. A panic becomes a 500, as in [`caught`], converted by
/// `failed`.
pub(crate) fn caught_async<T>(future: LentFuture<'_, T>, failed: fn(Error) -> T) -> impl Future<Output = T> {
    let mut guarded = Guarded(Some(future));
    poll_fn(move |cx| {
        let poll = guarded.0.as_mut().map(|future| caught(|| future.as_mut().poll(cx)));
        match poll.expect("the future is there until it is dropped") {
            Ok(poll) => poll,
            Err(error) => Poll::Ready(failed(error)),
        }
    })
}

/// A value of the program. A panic of its `Drop`, such as that of a future at its deadline, ends here.
struct Guarded<T>(Option<T>);

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        let _ = caught(|| drop(self.0.take()));
    }
}

/// Returns the error of a panic that was caught here or in a worker.
pub(crate) fn error(message: String, place: Option<String>) -> Error {
    Error::new(StatusCode::INTERNAL_SERVER_ERROR).with_chain(vec![format!("panicked: {message}")]).with_place(place)
}

fn note_places() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            set_place(info.location().map(ToString::to_string));
            previous(info);
        }));
    });
}

fn set_place(place: Option<String>) {
    // Fails while a thread ends. A panic inside of the hook would end the process.
    let _ = PLACE.try_with(|known| known.replace(place));
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "of unknown type".into())
}
