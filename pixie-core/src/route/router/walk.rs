//! Tries all shapes that a path may have, in order: for the few requests that the index cannot decide.
//!
//! The shapes are sorted, so those that share their first segments stand together, and of those a walk visits only the
//! one with the path's own text and the ones with a wildcard. Must stay true: the cost grows with the logarithm of the
//! number of routes and with the number of wildcards side by side, not with the number of routes.

use crate::route::router::{node::Node, shape::Segment};

/// Calls `visit` with every node whose shape the path may have, in the order of trial, until it returns something.
pub(crate) fn walk<'n, T, R>(
    nodes: &'n [Node<T>],
    path: &str,
    visit: &mut impl FnMut(&'n Node<T>) -> Option<R>,
) -> Option<R> {
    descend(nodes, 0, Some(path.strip_prefix('/')?), visit)
}

/// `nodes` share their first `depth` segments, and `rest` is the path behind those, if there is any.
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
