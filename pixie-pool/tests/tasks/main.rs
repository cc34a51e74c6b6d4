//! Typed tasks in real processes, tested by a program that is its own worker.
//!
//! Owns the list of tests and the roles that this program plays. Invariant: every test has a time limit, and
//! waits for events instead of time.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod calls;
mod faults;
mod starts;
mod work;

use std::{pin::Pin, time::Duration};

type Outcome = Pin<Box<dyn Future<Output = ()>>>;
type Test = (&'static str, fn() -> Outcome);

const TESTS: &[&[Test]] = &[calls::TESTS, faults::TESTS, starts::TESTS];
const TEST_TIME_MAX: Duration = Duration::from_secs(60);

fn main() {
    starts::play_role();
    pixie_pool::init();
    starts::serve_raw();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
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
