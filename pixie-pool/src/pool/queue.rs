//! The queue of a pool and its rules.

pub(crate) mod repeat_crashes;
pub(crate) mod restarts;
pub(crate) mod rules;
pub(crate) mod scale;
pub(crate) mod timer;
