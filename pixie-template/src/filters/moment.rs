//! `{{ post.written|date("%d %B %Y") }}`.
//!
//! Formats with the crate `time`, because the cookies of pixie-core need that crate already. Seconds since
//! 1970 and `SystemTime` are shown in UTC; an `OffsetDateTime` keeps its own offset.
#![expect(missing_docs, reason = "filter_fn drops what stands above a filter; its documentation is in `filters.rs`")]

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use askama::Values;
use time::{OffsetDateTime, format_description::parse_strftime_borrowed};

#[askama::filter_fn]
pub fn date(moment: impl Moment, _: &dyn Values, #[optional("%Y-%m-%d")] format: &str) -> askama::Result<String> {
    let pattern = parse_strftime_borrowed(format)
        .map_err(|source| refusal(format_args!("invalid date format `{format}`: {source}")))?;
    let moment =
        moment.to_date_time().ok_or_else(|| refusal(format_args!("the date is outside the years -9999 to 9999")))?;
    moment.format(&pattern).map_err(|source| refusal(format_args!("cannot format a date with `{format}`: {source}")))
}

fn refusal(message: fmt::Arguments<'_>) -> askama::Error {
    askama::Error::custom(message.to_string())
}

/// A point in time that the filter `date` takes.
pub trait Moment {
    /// Returns date, time and offset, or `None` for a moment outside the years -9999 to 9999.
    fn to_date_time(&self) -> Option<OffsetDateTime>;
}

impl<M: Moment + ?Sized> Moment for &M {
    fn to_date_time(&self) -> Option<OffsetDateTime> {
        (**self).to_date_time()
    }
}

impl Moment for OffsetDateTime {
    fn to_date_time(&self) -> Option<OffsetDateTime> {
        Some(*self)
    }
}

impl Moment for i64 {
    fn to_date_time(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(*self).ok()
    }
}

impl Moment for u64 {
    fn to_date_time(&self) -> Option<OffsetDateTime> {
        i64::try_from(*self).ok()?.to_date_time()
    }
}

/// Uses checked arithmetic, because `OffsetDateTime::from` panics for a time outside its range.
impl Moment for SystemTime {
    fn to_date_time(&self) -> Option<OffsetDateTime> {
        match self.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => OffsetDateTime::UNIX_EPOCH.checked_add(signed(after)?),
            Err(before) => OffsetDateTime::UNIX_EPOCH.checked_sub(signed(before.duration())?),
        }
    }
}

fn signed(duration: Duration) -> Option<time::Duration> {
    duration.try_into().ok()
}
