//! `Record`: a session as it is kept between requests, and the rules that say when it expires and when it is
//! written.
//!
//! These are functions of values and times, without a clock. Times are whole seconds since 1970, so that
//! servers that share sessions agree about them.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pixie_core::plumbing::{SessionChanges, SessionValues};
use serde::{Deserialize, Serialize};

/// A record is written again when this part of the idle time has passed since it was written: a tenth, so
/// that a session lasts at least 90 % of the idle time, and few requests write.
const PARTS: u64 = 10;

/// A session between requests. The short names save space in the cookie.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(rename = "i")]
    pub(super) id: String,
    /// When the lifetime began.
    #[serde(rename = "c")]
    created: u64,
    /// When the idle time began.
    #[serde(rename = "s")]
    pub(super) seen: u64,
    #[serde(rename = "v")]
    pub(super) values: SessionValues,
}

/// How long sessions live, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    idle: u64,
    lifetime: u64,
}

/// The time at which a session is opened or saved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: u64,
    times: Times,
}

/// What is kept of a session after a request.
#[derive(Debug)]
pub(super) enum Next {
    /// The record that is kept stays as it is.
    Unchanged,
    /// The session has ended.
    Ended,
    Record(Record),
}

impl Times {
    pub(super) fn new(idle: Duration, lifetime: Duration) -> Times {
        Times { idle: idle.as_secs(), lifetime: lifetime.as_secs() }
    }

    pub(super) fn now(self) -> Moment {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Moment { now, times: self }
    }
}

impl Record {
    /// Returns the record that follows from what was kept before and from the changes of a request.
    pub(super) fn after(source: Option<&Record>, changes: &SessionChanges, at: Moment) -> Next {
        let is_new = source.is_none() || changes.is_ended;
        let mut record = match source {
            Some(_) if is_new && changes.set.is_empty() => return Next::Ended,
            None if changes.set.is_empty() => return Next::Unchanged,
            Some(source) if changes.is_empty() && !source.is_due(at) => return Next::Unchanged,
            Some(source) if !is_new => source.clone(),
            _ => Record::default(),
        };
        if is_new || changes.is_renewed {
            (record.id, record.created) = (random_text::<16>(), at.now);
        }
        if is_new || changes.is_renewed || record.is_due(at) {
            record.seen = at.now;
        }
        changes.apply_to(&mut record.values);
        Next::Record(record)
    }

    pub(super) fn is_alive(&self, at: Moment) -> bool {
        !self.left(at).is_zero()
    }

    /// Returns how long the session lives if no further request comes.
    pub(super) fn left(&self, at: Moment) -> Duration {
        let end = self.seen.saturating_add(at.times.idle).min(self.created.saturating_add(at.times.lifetime));
        Duration::from_secs(end.saturating_sub(at.now))
    }

    /// Returns whether so much of the idle time has passed that it begins anew.
    fn is_due(&self, at: Moment) -> bool {
        at.now.saturating_sub(self.seen) >= at.times.idle.div_ceil(PARTS)
    }
}

/// Returns random bytes as text.
pub(super) fn random_text<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns a random number from 0 to 1.
pub(super) fn random_share() -> f64 {
    let mut byte = [0];
    getrandom::fill(&mut byte).expect("the system has random numbers");
    f64::from(byte[0]) / f64::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60;
    const TIMES: Times = Times { idle: 24 * HOUR, lifetime: 72 * HOUR };
    /// When the session begins.
    const START: u64 = 1_000_000;

    fn at(now: u64) -> Moment {
        Moment { now, times: TIMES }
    }

    fn set(key: &str, value: u32) -> SessionChanges {
        let value = serde_json::value::to_raw_value(&value).expect("a number is JSON");
        SessionChanges { set: [(key.to_owned(), value)].into(), ..SessionChanges::default() }
    }

    fn written(source: Option<&Record>, changes: &SessionChanges, now: u64) -> Record {
        match Record::after(source, changes, at(now)) {
            Next::Record(record) => record,
            next => panic!("nothing is written: {next:?}"),
        }
    }

    fn is_unchanged(source: Option<&Record>, changes: &SessionChanges, now: u64) -> bool {
        matches!(Record::after(source, changes, at(now)), Next::Unchanged)
    }

    #[test]
    fn a_session_ends_after_its_idle_time_and_after_its_lifetime() {
        let first = written(None, &set("a", 1), START);
        let hours = |hours: u64| START + hours * HOUR;
        assert!(first.is_alive(at(hours(24) - 1)) && !first.is_alive(at(hours(24))));
        let unchanged = SessionChanges::default();
        let visited = (1..=4).fold(first, |record, visit| written(Some(&record), &unchanged, hours(visit * 20)));
        assert_eq!(visited.left(at(hours(70))), Duration::from_secs(2 * HOUR));
        assert!(visited.is_alive(at(hours(72) - 1)) && !visited.is_alive(at(hours(72))));
        let renewal = SessionChanges { is_renewed: true, ..SessionChanges::default() };
        let renewed = written(Some(&visited), &renewal, hours(70));
        assert!(renewed.id != visited.id && renewed.is_alive(at(hours(93))) && !renewed.is_alive(at(hours(94))));
    }

    #[test]
    fn a_session_is_written_for_changes_and_after_a_tenth_of_the_idle_time() {
        let (unchanged, first) = (SessionChanges::default(), written(None, &set("a", 1), START));
        let due = START + 24 * HOUR / 10;
        assert!(is_unchanged(None, &unchanged, START) && is_unchanged(Some(&first), &unchanged, due - 1));
        assert_eq!(written(Some(&first), &unchanged, due).seen, due);
        let changed = written(Some(&first), &set("b", 2), due - 1);
        assert_eq!((changed.seen, changed.values.len(), &changed.id), (START, 2, &first.id));
    }

    #[test]
    fn what_is_set_after_the_end_is_a_new_session() {
        let first = written(None, &set("a", 1), START);
        let end = SessionChanges { is_ended: true, ..SessionChanges::default() };
        assert!(matches!(Record::after(Some(&first), &end, at(START + 1)), Next::Ended));
        assert!(is_unchanged(None, &end, START));
        let next = written(Some(&first), &SessionChanges { is_ended: true, ..set("b", 2) }, START + 1);
        assert!(next.values.len() == 1 && next.values.contains_key("b") && next.created == START + 1);
        assert_ne!(next.id, first.id);
    }
}
