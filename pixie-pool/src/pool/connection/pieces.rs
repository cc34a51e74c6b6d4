//! The pieces of an answer that have arrived and were not taken.
//!
//! Owns their order and what they cost. Leaves how many bytes may be here to the window of the protocol. Rule: small ones are joined
//! behind the first, because a worker chooses their size, and a window of single bytes would take a hundred times its memory.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::config::SMALL_PIECE_BYTES;

#[derive(Debug, Default)]
pub(crate) struct Pieces {
    first: VecDeque<Bytes>,
    /// Small ones that have come after those.
    tail: BytesMut,
}

impl Pieces {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if piece.len() < SMALL_PIECE_BYTES && !self.is_empty() {
            self.tail.extend_from_slice(&piece);
            return;
        }
        if !self.tail.is_empty() {
            self.first.push_back(std::mem::take(&mut self.tail).freeze());
        }
        self.first.push_back(piece);
    }

    /// Takes what came first.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        self.first.pop_front().or_else(|| (!self.tail.is_empty()).then(|| std::mem::take(&mut self.tail).freeze()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.tail.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mut pieces: Pieces) -> Vec<Bytes> {
        std::iter::from_fn(|| pieces.pop()).collect()
    }

    #[test]
    fn a_window_of_single_bytes_is_a_few_pieces() {
        let mut pieces = Pieces::default();
        (0..=255).cycle().take(100_000).for_each(|byte| pieces.push(Bytes::copy_from_slice(&[byte])));
        let taken = taken(pieces);
        assert!(taken.len() <= 2, "{}", taken.len());
        assert!(taken.concat().iter().copied().eq((0..=255).cycle().take(100_000)));
    }

    #[test]
    fn pieces_of_any_size_stay_in_their_order() {
        let sizes = [3, 1, SMALL_PIECE_BYTES, 2, 2, SMALL_PIECE_BYTES, SMALL_PIECE_BYTES - 1, 1];
        let (mut pieces, mut whole) = (Pieces::default(), Vec::new());
        for (at, size) in sizes.into_iter().enumerate() {
            let piece = vec![at as u8; size];
            whole.extend_from_slice(&piece);
            pieces.push(piece.into());
        }
        assert_eq!(taken(pieces).concat(), whole);
    }

    #[test]
    fn a_reader_that_keeps_up_gets_each_piece_as_it_was_sent() {
        let mut pieces = Pieces::default();
        for piece in ["one", "two", "three"] {
            pieces.push(piece.into());
            assert_eq!(pieces.pop(), Some(piece.into()));
        }
        assert!(pieces.is_empty() && pieces.pop().is_none());
    }
}
