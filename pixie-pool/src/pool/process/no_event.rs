//! Without the feature `events`, each line of a worker is text.
use std::borrow::Cow;

use crate::pool::process::output::WorkerLabel;

pub(super) fn log(_: &WorkerLabel, _: &[u8]) -> bool {
    false
}

pub(super) fn text(line: &str) -> Cow<'_, str> {
    line.into()
}
