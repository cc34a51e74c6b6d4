//! Fork servers: what they fork, when they are replaced, and when workers are executed instead.

use std::time::Duration;

use pixie_pool::{Error, Pool, Sandbox, StartMethod};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Test,
    setup::{ask, children, config, pool, refusal, until},
    starts::playing,
};

pub(crate) const TESTS: &[Test] = &[
    (
        "forked_workers_are_children_of_this_process_and_share_what_was_prepared",
        || Box::pin(children_of_this_process()),
    ),
    ("a_forked_worker_has_one_thread_and_one_descriptor_more_than_an_executed_one", || Box::pin(same_descriptors())),
    ("a_forked_worker_s_handler_finds_nothing_in_thread_local_variables", || Box::pin(new_thread())),
    ("a_killed_fork_server_is_replaced_and_its_workers_continue", || Box::pin(killed_server())),
    ("after_many_crashes_workers_come_from_another_fork_server", || Box::pin(many_crashes())),
    ("a_program_with_threads_is_executed_again_in_place_of_a_fork", || Box::pin(threads())),
    ("a_fork_server_that_ends_fails_the_start_with_its_words", || Box::pin(failing_server())),
    ("a_preparation_that_the_program_does_not_run_is_refused", || Box::pin(unknown_preparation())),
];

async fn number(pool: &Pool, head: &str) -> u32 {
    ask(pool, head).await.unwrap().parse().unwrap()
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
}

async fn children_of_this_process() {
    let before = children();
    for sandbox in [Sandbox::none(), Sandbox::strict()] {
        let pool = pool(config(1).start_method(StartMethod::Fork).sandbox(sandbox)).await;
        let (worker, server) = (number(&pool, "pid").await, number(&pool, "prepared").await);
        assert_eq!(number(&pool, "parent").await, std::process::id());
        let mut new: Vec<u32> = children().into_iter().filter(|pid| !before.contains(pid)).collect();
        new.sort_unstable();
        let mut expected = [worker, server];
        expected.sort_unstable();
        assert_eq!(new, expected);
        let identity = ask(&pool, "identity").await.unwrap();
        assert!(identity.contains("pool: Some(\"test\"), number: 1"), "{identity}");
        pool.stop(Duration::ZERO).await;
        assert_eq!(children(), before);
    }
}

async fn same_descriptors() {
    let mut open = Vec::new();
    let number = |text: &str, name: &str| -> usize {
        let found = text.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        found.unwrap().parse().unwrap()
    };
    for method in [StartMethod::Exec, StartMethod::Fork] {
        let pool = pool(config(2).start_method(method)).await;
        let found = ask(&pool, "look").await.unwrap();
        open.push((number(&found, "threads"), number(&found, "files")));
        pool.stop(Duration::ZERO).await;
    }
    assert_eq!(open, [(2, open[0].1), (1, open[0].1 + 1)]);
}

/// Otherwise, generators of random numbers would give the same in all workers.
async fn new_thread() {
    for method in [StartMethod::Exec, StartMethod::Fork] {
        let pool = pool(config(1).start_method(method)).await;
        assert_eq!(ask(&pool, "thread").await.unwrap(), "Some(\"handler\") false");
        pool.stop(Duration::ZERO).await;
    }
}

async fn killed_server() {
    let pool = pool(config(1).start_method(StartMethod::Fork)).await;
    let (worker, server) = (number(&pool, "pid").await, number(&pool, "prepared").await);
    kill(server);
    assert_eq!(number(&pool, "pid").await, worker);
    kill(worker);
    until(&pool, |s| s.workers.iter().all(|w| w.pid.is_some_and(|pid| pid != worker))).await;
    let next = number(&pool, "prepared").await;
    assert!(next != server && next != number(&pool, "pid").await, "{next}");
    // At the moment of a start, too.
    kill(next);
    assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    assert_ne!(number(&pool, "prepared").await, next);
    pool.stop(Duration::ZERO).await;
}

async fn many_crashes() {
    let pool = pool(config(1).start_method(StartMethod::Fork).repeat_crash_refusal(false)).await;
    let first = number(&pool, "prepared").await;
    let mut crashes = 0;
    while number(&pool, "prepared").await == first {
        assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
        crashes += 1;
    }
    assert!(crashes >= 64, "{crashes}");
    pool.stop(Duration::ZERO).await;
}

async fn threads() {
    let pool = pool(playing("threads").start_method(StartMethod::Fork)).await;
    assert_eq!(number(&pool, "prepared").await, number(&pool, "pid").await);
    assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn failing_server() {
    let before = children();
    let message = refusal(playing("exit").start_method(StartMethod::Fork)).await;
    assert!(message.contains("its fork server ended") && message.contains("(exit code 7)"), "{message}");
    assert!(message.contains("no configuration found"), "{message}");
    assert_eq!(children(), before);
}

async fn unknown_preparation() {
    let message = refusal(config(1).preload(|| ())).await;
    assert!(message.contains("`preload`") && message.contains("init_with"), "{message}");
}
