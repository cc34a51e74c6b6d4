//! The message and the location of each thread's last panic.
//!
//! Owns the panic hook that records them. Invariant: the hook that was installed before still runs.

use std::{
    any::Any,
    cell::RefCell,
    panic::{self, PanicHookInfo},
    sync::Once,
};

use crate::error::{Failure, FailureKind};

static HOOK: Once = Once::new();

thread_local! {
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Starts to record panics.
pub(crate) fn remember() {
    HOOK.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            LAST.with(|last| *last.borrow_mut() = Some(note(info)));
            earlier(info);
        }));
    });
}

/// Removes and returns the last panic of this thread.
pub(crate) fn take() -> Failure {
    let unknown =
        || Failure { kind: FailureKind::Panic, message: "a panic without a message".to_owned(), location: None };
    LAST.with(|last| last.borrow_mut().take()).unwrap_or_else(unknown)
}

fn note(info: &PanicHookInfo<'_>) -> Failure {
    let location = info.location().map(|l| format!("{}:{}:{}", l.file(), l.line(), l.column()));
    Failure { kind: FailureKind::Panic, message: message(info.payload()), location }
}

fn message(payload: &dyn Any) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    payload.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic without a message".to_owned())
}
