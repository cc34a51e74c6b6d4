//! The received pieces of a reply that the submitter has not taken.
//!
//! Owns their order. Leaves the limit of bytes to the window of the protocol. Invariant: small pieces are
//! merged, because the worker chooses their size: a window of single bytes would otherwise take a hundred
//! times its size in memory.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::config::SMALL_PIECE_BYTES;

#[derive(Debug, Default)]
pub(crate) struct ReplyPieces {
    first: VecDeque<Bytes>,
    /// Merged small pieces that arrived after `first`.
    tail: BytesMut,
}

impl ReplyPieces {
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

    fn taken(mut pieces: ReplyPieces) -> Vec<Bytes> {
        std::iter::from_fn(|| pieces.pop()).collect()
    }

    #[test]
    fn a_window_of_single_bytes_is_a_few_pieces() {
        let mut pieces = ReplyPieces::default();
        (0..=255).cycle().take(100_000).for_each(|byte| pieces.push(Bytes::copy_from_slice(&[byte])));
        let taken = taken(pieces);
        assert!(taken.len() <= 2, "{}", taken.len());
        assert!(taken.concat().iter().copied().eq((0..=255).cycle().take(100_000)));
    }

    #[test]
    fn pieces_of_any_size_stay_in_their_order() {
        let sizes = [3, 1, SMALL_PIECE_BYTES, 2, 2, SMALL_PIECE_BYTES, SMALL_PIECE_BYTES - 1, 1];
        let (mut pieces, mut whole) = (ReplyPieces::default(), Vec::new());
        for (at, size) in sizes.into_iter().enumerate() {
            let piece = vec![at as u8; size];
            whole.extend_from_slice(&piece);
            pieces.push(piece.into());
        }
        assert_eq!(taken(pieces).concat(), whole);
    }

    #[test]
    fn a_reader_that_keeps_up_gets_each_piece_as_it_was_sent() {
        let mut pieces = ReplyPieces::default();
        for piece in ["one", "two", "three"] {
            pieces.push(piece.into());
            assert_eq!(pieces.pop(), Some(piece.into()));
        }
        assert!(pieces.is_empty() && pieces.pop().is_none());
    }
}
