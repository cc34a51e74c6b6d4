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
    let watch = registry.add(None);
    set_up(&watch);
    let snapshot = watch.snapshot();
    (0..100).find_map(|still| Some((still, registry.limits.exceeded(snapshot, still)?)))
}

#[test]
fn each_phase_has_its_own_limit() {
    assert_eq!(timed_out(|watch| watch.enter(Phase::Head)), Some((4, Timeout::Head)));
    assert_eq!(timed_out(|watch| watch.enter(Phase::Idle)), Some((16, Timeout::Idle)));
    assert_eq!(timed_out(|_| {}), Some((4, Timeout::Idle)));
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
    let watch = registry.add(None);
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
    let watch = registry.add(None);
    watch.bytes_received(1);
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
    watch.enter(Phase::Idle);
    watch.set_body(BodyPhase::Open);
    watch.bytes_received(1);
    assert_eq!(watch.phase(), Phase::Idle);
    watch.set_body(BodyPhase::Ended);
    watch.bytes_received(1);
    assert_eq!(watch.phase(), Phase::Head);
}

#[test]
fn a_closed_connection_is_forgotten() {
    let registry = registry();
    let (stays, goes) = (registry.add(None), registry.add(None));
    goes.enter(Phase::Closed);
    assert_eq!(registry.sweep(), 1);
    assert_eq!((Arc::strong_count(&goes), Arc::strong_count(&stays)), (1, 2));
}

#[test]
fn a_connection_accepted_during_a_shutdown_has_its_stage() {
    let registry = registry();
    let before = registry.add(None);
    registry.set_stage(Stage::Closing);
    let after = registry.add(None);
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
    let row = Row { seen, ..Row::new(watch.clone()) };
    assert_ne!(row.seen, watch.snapshot());
}

#[test]
fn the_time_for_the_first_head_counts_from_the_accept() {
    let registry = registry();
    let watch = registry.add(None);
    registry.sweep();
    registry.sweep();
    watch.bytes_received(1);
    registry.sweep();
    assert_eq!(watch.timeout(), None);
    registry.sweep();
    assert_eq!(watch.timeout(), Some(Timeout::Head));
    // The head of the second request has its own time.
    let watch = registry.add(None);
    watch.enter(Phase::Idle);
    registry.sweep();
    watch.bytes_received(1);
    for _ in 0..4 {
        registry.sweep();
    }
    assert_eq!(watch.timeout(), None);
    registry.sweep();
    assert_eq!(watch.timeout(), Some(Timeout::Head));
}

/// Sweeps a connection in whose exchange the server waits for the client as `set_up` says, while `bytes` move
/// in every sweep. Returns whether it times out within 100 sweeps.
fn is_too_slow(set_up: fn(&Watch), bytes: usize) -> bool {
    // 800 and 1200 bytes in a window.
    let config = Config::new().body_timeout(Duration::from_millis(80)).write_timeout(Duration::from_millis(120));
    let registry = Registry::new(&config.body_rate_min(10_000).write_rate_min(10_000));
    let watch = registry.add(None);
    watch.enter(Phase::Handling);
    (0..100).any(|_| {
        set_up(&watch);
        watch.bytes_received(bytes);
        watch.bytes_sent(bytes);
        // Any progress is a change.
        watch.enter(watch.phase());
        registry.sweep();
        watch.timeout().is_some() || watch.body() == BodyPhase::TimedOut
    })
}

#[test]
fn only_bytes_that_wait_for_a_slow_client_cut_it_off() {
    let uploads = |watch: &Watch| watch.set_body(BodyPhase::Awaited);
    assert_eq!((is_too_slow(uploads, 190), is_too_slow(uploads, 210)), (true, false));
    let downloads = |watch: &Watch| watch.set_write_blocked(true);
    assert_eq!((is_too_slow(downloads, 190), is_too_slow(downloads, 210)), (true, false));
    // A handler that does not read, and a stream without data.
    assert!(!is_too_slow(|watch| watch.set_body(BodyPhase::Open), 0));
    assert!(!is_too_slow(|_| {}, 0));
}

#[test]
fn the_connections_that_have_been_idle_longest_are_closed() {
    let registry = registry();
    let client = crate::clients::Client::at([192, 0, 2, 1].into());
    let busy = registry.add(None);
    busy.enter(Phase::Handling);
    let first = registry.add(client);
    registry.sweep();
    let head = registry.add(None);
    head.bytes_received(1);
    registry.sweep();
    let new = registry.add(None);
    registry.sweep();
    assert_eq!(registry.close_idle(1, None), 1);
    assert_eq!((first.timeout(), head.timeout()), (Some(Timeout::Idle), None));
    assert_eq!(registry.close_idle(1, client), 0, "it is closed already");
    assert_eq!(registry.close_idle(5, None), 2);
    assert_eq!((head.timeout(), new.timeout(), busy.timeout()), (Some(Timeout::Idle), Some(Timeout::Idle), None));
}

#[cfg(feature = "http2")]
fn sweeps(registry: &Registry, times: u32) {
    for _ in 0..times {
        registry.sweep();
    }
}

#[cfg(feature = "http2")]
#[test]
fn a_connection_with_streams_is_not_idle_and_each_stream_has_its_own_limits() {
    let registry = registry();
    let connection = registry.add(None);
    let stream = connection.begin_stream();
    stream.begin();
    for _ in 0..20 {
        // Bytes of the client alone do not make the connection new.
        connection.bytes_received(9);
        assert_eq!((registry.close_idle(9, None), connection.timeout()), (0, None));
        registry.sweep();
    }
    stream.set_write_blocked(true);
    sweeps(&registry, 13);
    assert_eq!((stream.timeout(), connection.timeout()), (Some(Timeout::Write), None));
    // Its task has ended, but its client still does not take the rest.
    stream.enter(Phase::Idle);
    sweeps(&registry, 14);
    assert_eq!(connection.timeout(), Some(Timeout::Write));
    stream.enter(Phase::Closed);
    connection.end_stream(false);
    sweeps(&registry, 17);
    assert_eq!(connection.timeout(), Some(Timeout::Idle));
}

#[cfg(feature = "http2")]
#[test]
fn canceled_requests_are_forgotten_after_a_window() {
    let registry = registry();
    let connection = registry.add(None);
    connection.begin_stream();
    connection.end_stream(true);
    sweeps(&registry, 900);
    assert_eq!(connection.canceled(), 1);
    sweeps(&registry, 100);
    assert_eq!(connection.canceled(), 0);
}

#[cfg(feature = "http2")]
#[test]
fn streams_that_have_ended_take_no_memory_before_the_next_sweep() {
    let connection = Watch::new(Stage::Serving);
    for _ in 0..1000 {
        connection.begin_stream().enter(Phase::Closed);
    }
    assert!(connection.take_streams().capacity() <= 4);
}
