//! Finds the best shape for a path: the tree of the `wayfind` crate, and what it leaves open.
//!
//! The tree tries literal text before wildcards, but among the wildcards of one place it may prefer a bare one to one with
//! text around it (`<id>` in `/<id>/files` to `<name>.png` in `/<name>.png/<x>`), and `<a>.gz` to `<a>.tar.gz`. So each shape
//! knows the few that the tree may overlook in its favour. Must stay true: the answer does not depend on the order of
//! insertion.

use crate::router::shape::Shape;

/// A search tree over shapes, which bear their numbers.
pub(crate) struct Index {
    tree: wayfind::Router<usize>,
    rivals: Vec<Rivals>,
}

/// The shapes that match some path of this shape, itself among them, in the order of trial.
struct Rivals {
    all: Vec<usize>,
    /// Those of them that go first, although the tree may find this shape.
    overlooked: Vec<usize>,
}

impl Index {
    /// Builds the index of shapes that are sorted and all different.
    pub(crate) fn new(shapes: &[&Shape]) -> Index {
        let mut builder = wayfind::RouterBuilder::new();
        for (number, shape) in shapes.iter().enumerate() {
            let inserted = builder.insert(&shape.template(), number);
            inserted.expect("shapes differ, and a parsed pattern is legal in the tree");
        }
        let rivals = shapes.iter().map(|shape| {
            let all: Vec<usize> = (0..shapes.len()).filter(|other| shapes[*other].overlaps(shape)).collect();
            let overlooked = all.iter().copied().filter(|other| shapes[*other].may_be_overlooked_for(shape)).collect();
            Rivals { all, overlooked }
        });
        Index { tree: builder.build(), rivals: rivals.collect() }
    }

    /// Returns the number of a shape that has this path, with its wildcards' values.
    #[inline]
    pub(crate) fn search<'p>(&self, text: &'p str) -> Option<wayfind::Match<'_, 'p, usize>> {
        self.tree.search(text)
    }

    /// Returns the numbers of all shapes that may have a path of this shape, in the order of trial.
    pub(crate) fn rivals(&self, number: usize) -> &[usize] {
        &self.rivals[number].all
    }

    /// Returns the numbers of the shapes that go before the one that the tree found, if they have the path too.
    #[inline]
    pub(crate) fn overlooked(&self, number: usize) -> &[usize] {
        &self.rivals[number].overlooked
    }
}
