//! Tries all shapes that a path may have, in order, for the few requests that the index cannot decide.
//!
//! Shapes with the same first segments are adjacent, because shapes are sorted. Of these, the search visits
//! only the one with the text of the path and those with a wildcard. Invariant: the cost grows with the
//! logarithm of the number of routes and with the number of wildcards at one place, not with the number of
//! routes.

use crate::route::router::{node::Node, shape::Segment};

/// Calls `visit` with each node that may match, in order, until it returns a value.
pub(crate) fn walk<'n, T, R>(
    nodes: &'n [Node<T>],
    path: &str,
    visit: &mut impl FnMut(&'n Node<T>) -> Option<R>,
) -> Option<R> {
    descend(nodes, 0, Some(path.strip_prefix('/')?), visit)
}

/// Searches `nodes`, which have the same first `depth` segments. `rest` is the path after these segments, if
/// there is more.
fn descend<'n, T, R>(
    nodes: &'n [Node<T>],
    depth: usize,
    rest: Option<&str>,
    visit: &mut impl FnMut(&'n Node<T>) -> Option<R>,
) -> Option<R> {
    let (ended, nodes) = nodes.split_at(nodes.partition_point(|node| node.shape.segment(depth).is_none()));
    let Some(rest) = rest else { return ended.iter().find_map(visit) };
    let (text, after) = rest.split_once('/').map_or((rest, None), |(text, after)| (text, Some(after)));
    let (literals, wildcards) = nodes.split_at(nodes.partition_point(|node| literal(node, depth).is_some()));
    let start = literals.partition_point(|node| literal(node, depth) < Some(text));
    let end = literals.partition_point(|node| literal(node, depth) <= Some(text));
    if start < end
        && let Some(found) = descend(&literals[start..end], depth + 1, after, visit)
    {
        return Some(found);
    }
    let groups = wildcards.chunk_by(|one, next| one.shape.segment(depth) == next.shape.segment(depth));
    groups.into_iter().find_map(|group| match group[0].shape.segment(depth) {
        Some(Segment::Rest) => group.iter().find_map(&mut *visit),
        Some(segment) if segment.accepts(text) => descend(group, depth + 1, after, visit),
        _ => None,
    })
}

fn literal<T>(node: &Node<T>, depth: usize) -> Option<&str> {
    match node.shape.segment(depth)? {
        Segment::Literal(text) => Some(text),
        _ => None,
    }
}
