//! Pools of real processes, tested by a program that is its own worker.
//!
//! Owns the list of tests and the roles this program plays: test runner, worker, hostile worker, parent to be
//! killed. Invariant: every test has a time limit, and waits for events instead of time.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod calls;
mod cgroups;
mod time_limits;
mod crashes;
mod data;
mod deeds;
mod ends;
mod forks;
mod fresh;
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

use pixie_pool::StartMethod;

type Test = (&'static str, fn() -> setup::Outcome);

const TESTS: &[&[Test]] = &[
    calls::TESTS,
    cgroups::TESTS,
    time_limits::TESTS,
    crashes::TESTS,
    data::TESTS,
    ends::TESTS,
    forks::TESTS,
    fresh::TESTS,
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
/// The groups whose tests run for forked workers, too. Those that take long run for one of the two.
const ALSO_FORKED: &[&[Test]] = &[
    cgroups::TESTS,
    crashes::TESTS,
    data::TESTS,
    ends::TESTS,
    queue::TESTS,
    repeat_crashes::TESTS,
    retries::TESTS,
    sandbox::TESTS,
    shared::TESTS,
    sizes::TESTS,
    streams::TESTS,
    time_limits::TESTS,
    turmoil::TESTS,
];
/// Parts of the names of tests that take long, or that do not depend on how workers are started.
const ONCE: &[&str] =
    &["thousands_of", "size_0", "whatever_happens", "the_runtime_is_blocked", "put_off", "server_was_paused"];
const TEST_TIME_MAX: Duration = Duration::from_secs(60);

fn main() {
    starts::play_role();
    calls::play_role();
    sandbox::play_role();
    shared::play_role();
    if let Some(worker) = pixie_pool::worker() {
        handler::prepare();
        worker.serve_with(setup::TABLE_HASH, handler::handler);
    }
    seeing::listen();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == ends::DOOMED) {
        ends::run_doomed_parent();
    }
    let filter = arguments.iter().find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    let executed = TESTS.iter().copied().flatten().map(|(name, test)| ((*name).to_owned(), test, StartMethod::Exec));
    let is_repeated = |(name, _): &&Test| !ONCE.iter().any(|part| name.contains(part));
    let forked = ALSO_FORKED.iter().copied().flatten().filter(is_repeated);
    let forked = forked.map(|(name, test)| (format!("{name}_forked"), test, StartMethod::Fork));
    let chosen = executed.chain(forked).filter(|(name, ..)| name.contains(&filter));
    if arguments.iter().any(|a| a == "--list") {
        return chosen.for_each(|(name, ..)| println!("{name}: test"));
    }
    for (name, test, method) in chosen {
        setup::start_by(method);
        print!("test {name} ... ");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        runtime.block_on(async { tokio::time::timeout(TEST_TIME_MAX, test()).await }).expect("the test ends in time");
        println!("ok");
    }
}
