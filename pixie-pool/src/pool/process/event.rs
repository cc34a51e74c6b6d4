//! Events in the output of a worker: a JSON line in the format of tracing-subscriber becomes an event of this
//! process, with its level, its target and its fields as data (feature `events`).
//!
//! The crate tracing wants the description of an event to exist as long as the program, so each description
//! is made once and kept. Invariant: their number has a limit, because a worker may print anything. A line
//! beyond it is logged as text.
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{LazyLock, Mutex, OnceLock, PoisonError},
};

use serde_json::{Map, Value as Json};
use tracing::{Level, Metadata, field::Value, level_filters::LevelFilter, subscriber::Interest};
use tracing_core::{Callsite, Event, field::FieldSet, identify_callsite, metadata::Kind};

use crate::pool::process::output::{WorkerLabel, printable};

/// Limits the descriptions of events. A program has one for each place in its code that logs.
const DESCRIPTIONS_MAX: usize = 1024;
/// Fields of one event, as many as the macros of tracing allow. Others are left out.
const FIELDS_MAX: usize = 32;
/// Fields that the line does not have: message, pool, worker and pid.
const OWN_FIELDS: [&str; 4] = ["message", "pool", "worker", "pid"];

/// Logs a line if it is an event. Returns whether it was one.
pub(super) fn log(label: &WorkerLabel, line: &[u8]) -> bool {
    let Some(Line { level, target, message, fields }) = Line::read(line) else { return false };
    if level > LevelFilter::current() {
        return true;
    }
    let [first, last @ ..] = OWN_FIELDS;
    let names = [first].into_iter().chain(fields.keys().map(String::as_str)).chain(last).collect::<Vec<_>>();
    static KNOWN: LazyLock<Mutex<Descriptions>> = LazyLock::new(Mutex::default);
    let found = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(level, &target, &names);
    let Some(metadata) = found else { return false };
    let message = tracing::field::display(printable(message.as_bytes()));
    let pool = tracing::field::display(&label.pool);
    let values: Vec<Box<dyn Value>> = fields.values().map(value).collect();
    let values = values.iter().map(|value| &**value);
    let last: [&dyn Value; 3] = [&pool, &label.worker, &label.pid];
    let mut all = [&message as &dyn Value].into_iter().chain(values).chain(last).map(Some);
    let known: Vec<_> = metadata.fields().iter().collect();
    // The names that are missing have no value.
    let pairs: [_; FIELDS_MAX] = std::array::from_fn(|at| (known.get(at).unwrap_or(&known[0]), all.next().flatten()));
    let values = metadata.fields().value_set(&pairs);
    tracing::dispatcher::get_default(|log| {
        if log.enabled(metadata) {
            log.event(&Event::new(metadata, &values));
        }
    });
    true
}

/// Returns a line as a person reads it.
pub(super) fn text(line: &str) -> Cow<'_, str> {
    match Line::read(line.as_bytes()) {
        Some(Line { level, message, .. }) => format!("{level} {message}").into(),
        None => line.into(),
    }
}

struct Line {
    level: Level,
    target: String,
    message: String,
    fields: Map<String, Json>,
}

impl Line {
    /// Reads a line of tracing-subscriber, with the fields in an object of their own or beside the others.
    fn read(line: &[u8]) -> Option<Line> {
        if line.first() != Some(&b'{') {
            return None;
        }
        let mut all: Map<String, Json> = serde_json::from_slice(line).ok()?;
        let level = all.remove("level")?.as_str()?.parse().ok()?;
        let target = match all.remove("target") {
            Some(Json::String(target)) => printable(target.as_bytes()),
            _ => "pixie_pool::output".to_owned(),
        };
        let mut fields = match all.remove("fields") {
            Some(Json::Object(fields)) => fields,
            _ => all,
        };
        let message = match fields.remove("message") {
            Some(Json::String(message)) => message,
            _ => String::new(),
        };
        let names = ["timestamp", "span", "spans"].into_iter().chain(OWN_FIELDS);
        names.for_each(|name| drop(fields.remove(name)));
        let fields = fields.into_iter().take(FIELDS_MAX - OWN_FIELDS.len()).collect();
        Some(Line { level, target, message, fields })
    }
}

fn value(json: &Json) -> Box<dyn Value> {
    match json {
        Json::Bool(value) => Box::new(*value),
        Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), _, _) => Box::new(value),
            (_, Some(value), _) => Box::new(value),
            (.., value) => Box::new(value),
        },
        Json::String(text) => Box::new(printable(text.as_bytes())),
        other => Box::new(printable(other.to_string().as_bytes())),
    }
}

/// The description of events, which has to be a callsite.
#[derive(Default)]
struct Description(OnceLock<Metadata<'static>>);

impl Callsite for Description {
    // The subscriber is asked for each event.
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.0.get().expect("it is set before it is used")
    }
}

/// The descriptions that were made, by level, target and names of fields.
#[derive(Default)]
struct Descriptions(HashMap<(Level, String, Vec<String>), &'static Description>);

impl Descriptions {
    /// Returns a description. `None` if there are too many.
    fn get(&mut self, level: Level, target: &str, names: &[&str]) -> Option<&'static Metadata<'static>> {
        let names = names.iter().map(|name| printable(name.as_bytes())).collect::<Vec<_>>();
        let key = (level, target.to_owned(), names);
        if let Some(found) = self.0.get(&key) {
            return found.0.get();
        }
        if self.0.len() == DESCRIPTIONS_MAX {
            return None;
        }
        let made: &'static Description = Box::leak(Box::default());
        let leak = |text: &str| -> &'static str { Box::leak(Box::from(text)) };
        let (target, names) = (leak(target), key.2.iter().map(|name| leak(name)).collect::<Vec<_>>().leak());
        self.0.insert(key, made);
        let fields = FieldSet::new(names, identify_callsite!(made));
        let metadata = Metadata::new("event of a worker", target, level, None, None, None, fields, Kind::EVENT);
        Some(made.0.get_or_init(|| metadata))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fmt,
        sync::{Arc, Mutex},
    };

    use tracing::{
        Subscriber,
        field::{Field, Visit},
        span,
    };

    use super::*;

    /// Keeps each event as text.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    struct Text(String);

    impl Visit for Text {
        fn record_u64(&mut self, field: &Field, value: u64) {
            self.0 += &format!(" {}={value}u64", field.name());
        }

        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0 += &format!(" {}={value:?}", field.name());
        }
    }

    impl Subscriber for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() != "app::quiet"
        }

        fn event(&self, event: &Event<'_>) {
            let mut text = Text(format!("{} {}", event.metadata().level(), event.metadata().target()));
            event.record(&mut text);
            self.0.lock().expect("no panic").push(text.0);
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn an_event_of_a_worker_keeps_its_level_its_target_and_its_fields() {
        let kept = Kept::default();
        let _log = tracing::subscriber::set_default(kept.clone());
        let label = WorkerLabel { pool: "images".into(), worker: 2, pid: 7 };
        let nested = r#"{"timestamp":"now","level":"ERROR","fields":{"message":"it \u001b[2J failed","user":5,"ok":true,"name":"Ada"},"target":"app::users","span":{"name":"s"}}"#;
        let flat = r#"{"level":"WARN","message":"flat","pid":1,"list":[1]}"#;
        let quiet = r#"{"level":"INFO","fields":{"message":"not read"},"target":"app::quiet"}"#;
        for line in [nested, flat, quiet] {
            assert!(log(&label, line.as_bytes()), "{line}");
        }
        for line in ["plain", "{}", "{\"level\":\"loud\"}", "{\"level\":", "[1]", ""] {
            assert!(!log(&label, line.as_bytes()), "{line}");
        }
        let expected = [
            "ERROR app::users message=it \u{fffd}[2J failed name=\"Ada\" ok=true user=5u64 pool=images worker=2u64 pid=7u64",
            "WARN pixie_pool::output message=flat list=\"[1]\" pool=images worker=2u64 pid=7u64",
        ];
        assert_eq!(*kept.0.lock().expect("no panic"), expected);
        assert_eq!((text(nested), text("plain")), ("ERROR it \u{1b}[2J failed".into(), "plain".into()));
    }

    #[test]
    fn a_worker_cannot_fill_the_memory_with_descriptions() {
        let (names, mut known) = ((0..2 * DESCRIPTIONS_MAX).map(|number| number.to_string()), Descriptions::default());
        let made = names.filter(|name| known.get(Level::TRACE, "flood", &[name]).is_some()).count();
        assert_eq!(made, DESCRIPTIONS_MAX);
        assert!(known.get(Level::TRACE, "flood", &["1"]).is_some(), "it is known");
    }
}
