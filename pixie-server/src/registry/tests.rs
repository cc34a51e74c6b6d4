//! The sweep without a clock: sweeps are counted by hand.

use std::{sync::Arc, time::Duration};

use super::{Registry, Row};
use crate::{
    Config,
    watch::{Body, Phase, Stage, Verdict, Watch},
};

/// Time-outs of 4, 8, 12 and 16 sweeps.
fn registry() -> Registry {
    Registry::new(&Config {
        header_timeout: Duration::from_millis(40),
        body_timeout: Duration::from_millis(80),
        write_timeout: Duration::from_millis(120),
        idle_timeout: Duration::from_millis(160),
        ..Config::default()
    })
}

/// After how many sweeps without a change a connection in this state is judged, and how.
fn judged(set_up: impl Fn(&Watch)) -> Option<(u32, Verdict)> {
    let registry = registry();
    let watch = registry.admit();
    set_up(&watch);
    let snapshot = watch.snapshot();
    (0..100).find_map(|still| Some((still, registry.limits.judge(snapshot, still)?)))
}

#[test]
fn each_way_to_stand_still_has_its_own_limit() {
    assert_eq!(judged(|watch| watch.enter(Phase::Head)), Some((4, Verdict::Head)));
    assert_eq!(judged(|_| {}), Some((16, Verdict::Idle)));
    assert_eq!(judged(|watch| watch.enter(Phase::Handling)), None);
    let waits = |watch: &Watch| {
        watch.enter(Phase::Handling);
        watch.body_becomes(Body::Awaited);
    };
    assert_eq!(judged(waits), Some((8, Verdict::Body)));
    let blocked = |watch: &Watch| {
        watch.enter(Phase::Handling);
        watch.write_blocks(true);
    };
    assert_eq!(judged(blocked), Some((12, Verdict::Write)));
    assert_eq!(judged(|watch| watch.enter(Phase::Over)), None);
}

#[test]
fn a_connection_that_changes_is_never_judged() {
    let registry = registry();
    let watch = registry.admit();
    for _ in 0..100 {
        watch.enter(Phase::Head);
        registry.sweep();
        registry.sweep();
    }
    assert_eq!(watch.verdict(), None);
}

#[test]
fn a_verdict_is_void_once_the_connection_has_moved_on() {
    let registry = registry();
    let watch = registry.admit();
    watch.bytes_came();
    for _ in 0..6 {
        registry.sweep();
    }
    assert_eq!(watch.verdict(), Some(Verdict::Head));
    watch.enter(Phase::Handling);
    assert_eq!(watch.verdict(), None);
}

#[test]
fn bytes_of_a_body_are_not_the_beginning_of_a_head() {
    let watch = Watch::new(Stage::Serving);
    watch.body_becomes(Body::Open);
    watch.bytes_came();
    assert_eq!(watch.phase(), Phase::Idle);
    watch.body_becomes(Body::Ended);
    watch.bytes_came();
    assert_eq!(watch.phase(), Phase::Head);
}

#[test]
fn a_closed_connection_is_forgotten() {
    let registry = registry();
    let (stays, goes) = (registry.admit(), registry.admit());
    goes.enter(Phase::Gone);
    assert_eq!(registry.sweep(), 1);
    assert_eq!((Arc::strong_count(&goes), Arc::strong_count(&stays)), (1, 2));
}

#[test]
fn a_connection_that_comes_during_a_shutdown_knows_of_it() {
    let registry = registry();
    let before = registry.admit();
    registry.order(Stage::Closing);
    let after = registry.admit();
    assert_eq!((before.stage(), after.stage()), (Stage::Closing, Stage::Closing));
}

#[test]
fn a_body_that_moves_again_is_not_timed_out() {
    let watch = Arc::new(Watch::new(Stage::Serving));
    watch.body_becomes(Body::Awaited);
    let seen = watch.snapshot();
    watch.body_becomes(Body::Open);
    watch.judge(Verdict::Body, seen);
    assert_eq!(watch.body(), Body::Open);
    let row = Row { seen, watch: watch.clone(), still: 0 };
    assert_ne!(row.seen, watch.snapshot());
}
