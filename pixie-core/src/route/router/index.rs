//! Finds the best shape for a path with the tree of the `wayfind` crate, and knows when the tree may be
//! wrong.
//!
//! The tree tries literal text before wildcards. But of several wildcards at one place, it may prefer a plain
//! one to one with text around it (`<id>` in `/<id>/files` to `<name>.png` in `/<name>.png/<x>`), and
//! `<a>.gz` to `<a>.tar.gz`. Invariant: if [`Index::is_certain`] returns true for a shape, no matching shape
//! comes before it.

use crate::route::router::shape::{Segment, Shape};

/// A search tree over shapes. The value of a shape is its number.
pub(crate) struct Index {
    tree: wayfind::Router<usize>,
    /// For each shape, whether the tree may have skipped a better shape.
    is_doubtful: Vec<bool>,
}

impl Index {
    /// Builds the index of shapes, which must be sorted and different.
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

    /// Returns a shape that matches this path, with the values of its wildcards.
    #[inline]
    pub(crate) fn search<'p>(&self, text: &'p str) -> Option<wayfind::Match<'_, 'p, usize>> {
        self.tree.search(text)
    }

    /// Returns whether a shape that was found comes before all other matching shapes.
    #[inline]
    pub(crate) fn is_certain(&self, number: usize) -> bool {
        !self.is_doubtful[number]
    }
}

/// Finds for each shape whether it has a wildcard segment after a sibling with text around its wildcard. The
/// shapes have the same first `depth` segments.
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
