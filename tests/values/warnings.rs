//! What a developer is warned of, with the fix: a sync route that blocks the thread of its connection, and an
//! error page that asks for a cause which stayed in a worker.
use std::{
    fmt, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use pixie_web::{App, Error, ErrorView, Response, Result, Route};
use tracing::{Event, Metadata, Subscriber, field, span};

/// Collects the fields of log events.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<String>>);

impl Subscriber for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut kept = self.0.lock().expect("nobody panicked with it");
        event.record(&mut |field: &field::Field, value: &dyn fmt::Debug| *kept += &format!("{field}={value:?} "));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Returns the log of a request for `/`.
fn log_of(route: Route, development: bool) -> String {
    let app = App::new().route(route).error_pages(page).development(development);
    let client = app.test().expect("the app fits together");
    let kept = Kept::default();
    tracing::subscriber::with_default(kept.clone(), || drop(client.get("/").send()));
    kept.0.lock().expect("nobody panicked with it").clone()
}

/// An error page that looks for a cause.
fn page(error: &Error, view: &ErrorView<'_>) -> Response {
    match error.downcast_ref::<io::Error>() {
        Some(_) => Response::new("the disk"),
        None => error.render(view),
    }
}

#[test]
fn a_slow_sync_route_is_named_in_development() {
    let held = |_: &mut pixie_web::Request| std::thread::park_timeout(Duration::from_millis(80));
    let route = || Route::get("/").name("sleepy").sync(held);
    let log = log_of(route(), true);
    assert!(log.contains("sleepy") && log.contains("make it a thread, async or pool route"), "{log}");
    assert_eq!(log_of(route(), false), "");
}

#[test]
fn a_cause_that_stayed_in_a_worker_is_named_in_development() {
    let fails = |_: &mut pixie_web::Request| -> Result<()> { Err(io::Error::other("no disk").into()) };
    let other = |_: &mut pixie_web::Request| -> Result<()> { Err(fmt::Error.into()) };
    let is_warned = |route: Route, development| {
        let log = log_of(route, development);
        assert!(log.contains("status=500"), "{log}");
        log.contains("std::io::error::Error") && log.contains("`Error::with_data`")
    };
    assert!(is_warned(Route::get("/").pool(fails), true));
    assert!(!is_warned(Route::get("/").pool(fails), false));
    assert!(!is_warned(Route::get("/").pool(other), true), "the page did not ask for this type");
    assert!(!is_warned(Route::get("/").thread(fails), true), "the page has found the cause");
}
