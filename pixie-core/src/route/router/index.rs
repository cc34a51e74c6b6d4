//! Finds the best shape for a path with the tree of the `wayfind` crate, and knows when not to trust it.
//!
//! The tree tries literal text before wildcards, but among the wildcards of one place it may prefer a bare one to one with
//! text around it (`<id>` in `/<id>/files` to `<name>.png` in `/<name>.png/<x>`), and `<a>.gz` to `<a>.tar.gz`.
//! Must stay true: what [`Index::search`] calls certain is the first shape in the order of trial.

use crate::route::router::shape::{Segment, Shape};

/// A search tree over shapes, which bear their numbers.
pub(crate) struct Index {
    tree: wayfind::Router<usize>,
    /// For each shape whether the tree may have passed over a better one.
    is_doubtful: Vec<bool>,
}

impl Index {
    /// Builds the index of shapes that are sorted and all different.
    pub(crate) fn new(shapes: &[&Shape]) -> Index {
        let mut builder = wayfind::RouterBuilder::new();
        for (number, shape) in shapes.iter().enumerate() {
            let inserted = builder.insert(&shape.template(), number);
            inserted.expect("shapes differ, and a parsed pattern is legal in the tree");
        }
        let mut is_doubtful = Vec::with_capacity(shapes.len());
        find_doubtful(shapes, 0, false, &mut is_doubtful);
        Index { tree: builder.build(), is_doubtful }
    }

    /// Returns a shape that has this path, with its wildcards' values; `None` if none has it.
    #[inline]
    pub(crate) fn search<'p>(&self, text: &'p str) -> Option<wayfind::Match<'_, 'p, usize>> {
        self.tree.search(text)
    }

    /// Tells whether no other shape goes before the one that was found.
    #[inline]
    pub(crate) fn is_certain(&self, number: usize) -> bool {
        !self.is_doubtful[number]
    }
}

/// Writes down for each shape whether it has a wildcard segment after a sibling with text around its wildcard. The
/// shapes share their first `depth` segments.
fn find_doubtful(shapes: &[&Shape], depth: usize, is_doubtful: bool, found: &mut Vec<bool>) {
    let mut after_partial = false;
    for group in shapes.chunk_by(|one, next| one.segment(depth) == next.segment(depth)) {
        let Some(segment) = group[0].segment(depth) else {
            found.push(is_doubtful);
            continue;
        };
        let is_contested = after_partial && matches!(segment, Segment::Partial(_) | Segment::Whole);
        find_doubtful(group, depth + 1, is_doubtful || is_contested, found);
        after_partial |= matches!(segment, Segment::Partial(_));
    }
}
