//! One suite of tests that runs against each back end, and tests of what is special about each.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod file;
mod gate;
mod limits;
mod rates;
mod redis;
mod topics;
mod values;

use std::{any::Any, ops::Deref};

use pixie_store::{Builder, Store};

/// A store with what it needs to exist, such as its file.
struct Fixture {
    store: Store,
    _keep: Box<dyn Any + Sync>,
}

impl Deref for Fixture {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// Opens an empty store of one back end.
type Open = fn(Builder) -> Fixture;

fn memory(builder: Builder) -> Fixture {
    Fixture { store: builder.open("memory").unwrap(), _keep: Box::new(()) }
}

/// Runs each test with each back end.
macro_rules! suite {
    ($($module:ident :: $test:ident),* $(,)?) => {
        mod in_memory { $(#[test] fn $test() { crate::$module::$test(crate::memory); })* }
        mod in_redis { $(#[test] fn $test() { crate::$module::$test(crate::redis::fixture); })* }
        mod in_a_file { $(#[test] fn $test() { crate::$module::$test(crate::file::fixture); })* }
    };
}

suite! {
    limits::a_value_of_the_limit_is_taken_and_one_more_byte_is_refused,
    limits::keys_have_a_limit_and_no_control_characters,
    limits::lists_have_limits,
    rates::a_bucket_allows_exactly_its_burst_to_many_threads,
    rates::a_bucket_refills,
    topics::messages_reach_all_subscribers_in_their_order,
    topics::a_slow_subscriber_learns_how_much_it_lost,
    topics::a_watch_reports_the_changes_of_its_keys,
    values::a_value_is_what_was_put,
    values::a_number_is_its_text,
    values::one_of_many_writers_of_a_version_wins,
    values::lists_are_in_the_order_of_keys_and_leave_out_other_namespaces,
    values::many_threads_add_exactly,
    values::values_expire,
    values::calls_work_in_async_code_and_block_inside_of_a_runtime,
    gate::a_worker_reaches_what_it_was_granted_and_nothing_else,
    gate::hostile_bytes_are_answered_with_an_error,
}
