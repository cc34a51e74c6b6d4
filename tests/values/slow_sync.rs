//! A sync route that blocks the thread of its connection is reported to the developer, with its name and the
//! fix.
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use pixie_web::{App, Route};
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

fn log_of(development: bool) -> String {
    let held = |_: &mut pixie_web::Request| std::thread::park_timeout(Duration::from_millis(80));
    let app = App::new().route(Route::get("/slow").name("sleepy").sync(held)).development(development);
    let client = app.test().expect("the app fits together");
    let kept = Kept::default();
    tracing::subscriber::with_default(kept.clone(), || client.get("/slow").send().assert_status(200));
    kept.0.lock().expect("nobody panicked with it").clone()
}

#[test]
fn a_slow_sync_route_is_named_in_development() {
    let log = log_of(true);
    assert!(log.contains("sleepy") && log.contains("make it a thread, async or pool route"), "{log}");
    assert_eq!(log_of(false), "");
}
