//! The sweep without time: the tests call it directly.

use std::{sync::Arc, time::Duration};

use super::{Registry, Row};
use crate::{
    Config,
    watch::{BodyPhase, Phase, Stage, Timeout, Watch},
};

/// Timeouts of 4, 8, 12 and 16 sweeps.
fn registry() -> Registry {
    Registry::new(
        &Config::new()
            .header_timeout(Duration::from_millis(40))
            .body_timeout(Duration::from_millis(80))
            .write_timeout(Duration::from_millis(120))
            .idle_timeout(Duration::from_millis(160)),
    )
}

/// Returns after how many sweeps without a change a connection in this state times out, and the timeout.
fn timed_out(set_up: impl Fn(&Watch)) -> Option<(u32, Timeout)> {
    let registry = registry();
    let watch = registry.add();
    set_up(&watch);
    let snapshot = watch.snapshot();
    (0..100).find_map(|still| Some((still, registry.limits.exceeded(snapshot, still)?)))
}

#[test]
fn each_phase_has_its_own_limit() {
    assert_eq!(timed_out(|watch| watch.enter(Phase::Head)), Some((4, Timeout::Head)));
    assert_eq!(timed_out(|_| {}), Some((16, Timeout::Idle)));
    assert_eq!(timed_out(|watch| watch.enter(Phase::Handling)), None);
    let waits = |watch: &Watch| {
        watch.enter(Phase::Handling);
        watch.set_body(BodyPhase::Awaited);
    };
    assert_eq!(timed_out(waits), Some((8, Timeout::Body)));
    let blocked = |watch: &Watch| {
        watch.enter(Phase::Handling);
        watch.set_write_blocked(true);
    };
    assert_eq!(timed_out(blocked), Some((12, Timeout::Write)));
    assert_eq!(timed_out(|watch| watch.enter(Phase::Ended)), None);
}

#[test]
fn a_connection_that_changes_never_times_out() {
    let registry = registry();
    let watch = registry.add();
    for _ in 0..100 {
        watch.enter(Phase::Head);
        registry.sweep();
        registry.sweep();
    }
    assert_eq!(watch.timeout(), None);
}

#[test]
fn a_timeout_is_ignored_once_the_connection_has_changed() {
    let registry = registry();
    let watch = registry.add();
    watch.bytes_received();
    for _ in 0..6 {
        registry.sweep();
    }
    assert_eq!(watch.timeout(), Some(Timeout::Head));
    watch.enter(Phase::Handling);
    assert_eq!(watch.timeout(), None);
}

#[test]
fn bytes_of_a_body_are_not_the_beginning_of_a_head() {
    let watch = Watch::new(Stage::Serving);
    watch.set_body(BodyPhase::Open);
    watch.bytes_received();
    assert_eq!(watch.phase(), Phase::Idle);
    watch.set_body(BodyPhase::Ended);
    watch.bytes_received();
    assert_eq!(watch.phase(), Phase::Head);
}

#[test]
fn a_closed_connection_is_forgotten() {
    let registry = registry();
    let (stays, goes) = (registry.add(), registry.add());
    goes.enter(Phase::Closed);
    assert_eq!(registry.sweep(), 1);
    assert_eq!((Arc::strong_count(&goes), Arc::strong_count(&stays)), (1, 2));
}

#[test]
fn a_connection_accepted_during_a_shutdown_has_its_stage() {
    let registry = registry();
    let before = registry.add();
    registry.set_stage(Stage::Closing);
    let after = registry.add();
    assert_eq!((before.stage(), after.stage()), (Stage::Closing, Stage::Closing));
}

#[test]
fn a_body_that_moves_again_is_not_timed_out() {
    let watch = Arc::new(Watch::new(Stage::Serving));
    watch.set_body(BodyPhase::Awaited);
    let seen = watch.snapshot();
    watch.set_body(BodyPhase::Open);
    watch.time_out(Timeout::Body, seen);
    assert_eq!(watch.body(), BodyPhase::Open);
    let row = Row { seen, watch: watch.clone(), still: 0 };
    assert_ne!(row.seen, watch.snapshot());
}
