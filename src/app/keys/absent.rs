//! Replaces `keys.rs` without the feature `sealed-cookies`: there are no keys.
use pixie_core::{Result, StateMap};

use crate::app::WorkerState;

/// Does nothing.
pub(crate) fn provide(_: Vec<Vec<u8>>, _: &mut StateMap, _: &mut Vec<WorkerState>) -> Result<()> {
    Ok(())
}
