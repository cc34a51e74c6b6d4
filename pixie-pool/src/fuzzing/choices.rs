//! `Choices`: a fuzzer's bytes read as decisions.
//!
//! Owns how bytes become numbers, sizes and slices. Invariant: all bytes are a valid script; after its end
//! each decision is 0.

use crate::config::CHUNK_BYTES_MAX;

/// Sizes at which the behavior changes: 0, small ones, the limit between copied and shared payloads, a whole
/// frame.
const SIZES: [usize; 8] = [0, 1, 7, 600, 4095, 4096, CHUNK_BYTES_MAX / 2, CHUNK_BYTES_MAX];

/// The rest of the script.
pub(crate) struct Choices<'b>(&'b [u8]);

impl<'b> Choices<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Choices(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Returns a number of at most two bytes.
    pub(crate) fn number(&mut self) -> usize {
        usize::from(self.byte()) | usize::from(self.byte()) << 8
    }

    pub(crate) fn size(&mut self) -> usize {
        SIZES[usize::from(self.byte()) % SIZES.len()]
    }

    /// Returns the next bytes, fewer at the end of the script.
    pub(crate) fn bytes(&mut self, count: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
