//! Pools of real processes, tested by a program that is its own worker.
//!
//! Owns the list of tests and the roles this program plays: test runner, worker, hostile worker, parent to be
//! killed. Invariant: every test has a time limit, and waits for events instead of time.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod calls;
mod cgroups;
mod time_limits;
mod crashes;
mod deeds;
mod ends;
mod handler;
mod queue;
mod repeat_crashes;
mod retries;
mod sandbox;
mod seeing;
mod setup;
mod shared;
mod sizes;
mod starts;
mod streams;
mod threads;
mod turmoil;

use std::time::Duration;

type Test = (&'static str, fn() -> setup::Outcome);

const TESTS: &[&[Test]] = &[
    calls::TESTS,
    cgroups::TESTS,
    time_limits::TESTS,
    crashes::TESTS,
    ends::TESTS,
    queue::TESTS,
    repeat_crashes::TESTS,
    retries::TESTS,
    sandbox::TESTS,
    seeing::TESTS,
    shared::TESTS,
    sizes::TESTS,
    starts::TESTS,
    streams::TESTS,
    threads::TESTS,
    turmoil::TESTS,
];
const TEST_TIME_MAX: Duration = Duration::from_secs(60);

fn main() {
    starts::play_role();
    calls::play_role();
    sandbox::play_role();
    shared::play_role();
    if let Some(worker) = pixie_pool::worker() {
        worker.serve(setup::TABLE_HASH, handler::handler());
    }
    seeing::listen();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == ends::DOOMED) {
        ends::run_doomed_parent();
    }
    let filter = arguments.iter().find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    let chosen = TESTS.iter().copied().flatten().filter(|(name, _)| name.contains(&filter));
    if arguments.iter().any(|a| a == "--list") {
        return chosen.for_each(|(name, _)| println!("{name}: test"));
    }
    for (name, test) in chosen {
        print!("test {name} ... ");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        runtime.block_on(async { tokio::time::timeout(TEST_TIME_MAX, test()).await }).expect("the test ends in time");
        println!("ok");
    }
}
