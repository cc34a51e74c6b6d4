//! Starting: who is let in, what a worker gets to see, and what happens when workers do not start.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use interprocess::local_socket::{self as ls, GenericFilePath, ToFsName as _, traits::Stream as _};
use pixie_pool::{Config, Error, Pool};

use crate::{
    Test, handler,
    setup::{TABLE_HASH, ask, config, job, pool, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("a_worker_that_ends_at_once_fails_the_start_with_its_words", || Box::pin(ends_at_once())),
    ("a_worker_with_another_table_is_refused", || Box::pin(other_table())),
    ("a_worker_with_a_wrong_token_is_refused", || Box::pin(wrong_token())),
    ("a_worker_that_is_never_ready_is_given_up", || Box::pin(never_ready())),
    ("a_worker_that_sends_garbage_is_killed_and_its_job_fails", || Box::pin(garbage())),
    ("a_worker_that_answers_another_job_is_killed", || Box::pin(wrong_stream())),
    ("a_worker_that_gives_back_what_nobody_asked_for_is_killed", || Box::pin(unasked_give_back())),
    ("a_job_for_which_no_worker_listens_is_answered", || Box::pin(deaf())),
    ("a_worker_sees_only_the_variables_it_should", || Box::pin(environment())),
    ("a_pool_name_is_checked", || Box::pin(names())),
    ("pools_whose_names_share_a_variable_do_not_start_together", || Box::pin(shared_variable())),
    ("a_size_that_cannot_work_is_refused", || Box::pin(sizes())),
    ("a_pool_whose_workers_stop_starting_refuses_and_recovers", || Box::pin(breaker())),
    ("a_pool_on_demand_whose_workers_do_not_start_tries_again_only_when_asked", || Box::pin(asked_only())),
];

const ROLE: &str = "TEST_ROLE";

pub(crate) fn playing(role: &str) -> Config {
    Config { env: vec![(ROLE.into(), role.into())], ..config(1) }
}

/// In a worker: behaves as badly as the test asks for, instead of serving.
pub(crate) fn play_role() {
    match std::env::var(ROLE).unwrap_or_default().as_str() {
        "" => {}
        "exit" => {
            eprintln!("no configuration found");
            std::process::exit(7);
        }
        "other-table" => {
            let worker = pixie_pool::worker().expect("this is a worker");
            worker.serve(TABLE_HASH + 1, handler::handler());
        }
        "wrong-token" => drop(greet([0; 32])),
        "never-ready" => drop(std::io::stdin().read(&mut [0; 64]).and_then(|_| std::io::stdin().read(&mut [0]))),
        "garbage" => misbehave(&[0xff; 100]),
        // A whole answer, on a stream that was never opened.
        "wrong-stream" => misbehave(b"\x09\x00\x00\x11\x2a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"),
        // An answer to the wish to have jobs back that nobody has uttered.
        "give-back" => misbehave(b"\x04\x00\x00\x18\x01\x00\x00\x00\x01\x00\x00\x00"),
        "deaf" => deafen(),
        flag => {
            if std::path::Path::new(flag).exists() {
                std::process::exit(8);
            }
            return;
        }
    }
    if std::env::var_os(ROLE).is_some_and(|role| !role.is_empty()) {
        std::process::exit(0);
    }
}

/// Speaks the protocol by hand, as a stranger would.
fn greet(token: [u8; 32]) -> ls::Stream {
    let invitation = std::env::var("PIXIE_INVITATION").expect("this is a worker");
    let path = invitation.splitn(3, '|').nth(2).expect("the path is the third part").to_owned();
    let mut stream = ls::Stream::connect(path.to_fs_name::<GenericFilePath>().unwrap()).unwrap();
    let payload = [&b"pixiepl\x01\x03\x00"[..], &token, &TABLE_HASH.to_le_bytes()].concat();
    stream.write_all(&[&[payload.len() as u8, 0, 0, 1, 0, 0, 0, 0], &payload[..]].concat()).unwrap();
    // Until the pool hangs up or welcomes us.
    let _ = stream.read(&mut [0; 64]);
    stream
}

/// What a worker says when it takes jobs.
const READY: &[u8] = &[2, 0, 0, 3, 0, 0, 0, 0, 0, 0];

fn enter() -> ls::Stream {
    let mut token = [0; 32];
    std::io::stdin().read_exact(&mut token).unwrap();
    greet(token)
}

fn misbehave(answer: &[u8]) {
    let mut stream = enter();
    stream.write_all(READY).unwrap();
    let _ = stream.read(&mut [0; 100]);
    stream.write_all(answer).unwrap();
    let _ = stream.read(&mut [0; 100]);
}

/// Says that it takes jobs, and takes none until its parent ends it.
fn deafen() {
    let mut stream = enter();
    let ls::Stream::UdSocket(socket) = &stream;
    rustix::net::shutdown(socket, rustix::net::Shutdown::Read).unwrap();
    stream.write_all(READY).unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

async fn refusal(config: Config) -> String {
    match Pool::start(config, handler::handler()).await {
        Err(Error::Start(message)) => message,
        other => panic!("{other:?}"),
    }
}

async fn ends_at_once() {
    let message = refusal(playing("exit")).await;
    assert!(message.contains("exit code 7") && message.contains("no configuration found"), "{message}");
}

async fn other_table() {
    let message = refusal(playing("other-table")).await;
    assert!(message.contains("the worker's table is 0000000000000008, this process has 0000000000000007"), "{message}");
}

async fn wrong_token() {
    let message = refusal(playing("wrong-token")).await;
    assert!(message.contains("the token is not the one"), "{message}");
}

async fn never_ready() {
    let message = refusal(Config { boot_timeout: Duration::from_millis(100), ..playing("never-ready") }).await;
    assert!(message.contains("not ready within 100ms"), "{message}");
}

async fn garbage() {
    let pool = pool(playing("garbage")).await;
    assert!(matches!(pool.submit(job("say hello")).await, Err(Error::Protocol)));
    assert_eq!(pool.snapshot().counts.kills_protocol, 1);
    pool.stop(Duration::ZERO).await;
}

async fn deaf() {
    let pool = pool(playing("deaf")).await;
    let outcome = pool.submit(job("say hello")).await;
    assert!(matches!(outcome, Err(Error::Died(_))), "{outcome:?}");
    pool.stop(Duration::ZERO).await;
}

async fn unasked_give_back() {
    let pool = pool(playing("give-back")).await;
    assert!(matches!(pool.submit(job("say hello")).await, Err(Error::Protocol)));
    pool.stop(Duration::ZERO).await;
}

async fn wrong_stream() {
    let pool = pool(playing("wrong-stream")).await;
    assert!(matches!(pool.submit(job("say hello")).await, Err(Error::Protocol)));
    pool.stop(Duration::ZERO).await;
}

async fn environment() {
    let own = Config {
        pass_env: vec!["CARGO_PKG_N*".to_owned()],
        env: vec![("ONLY_HERE".into(), "yes".into())],
        ..config(1)
    };
    let pool = pool(own).await;
    assert_eq!(ask(&pool, "variable CARGO_PKG_NAME").await.unwrap(), "pixie-pool");
    assert_eq!(ask(&pool, "variable CARGO_MANIFEST_DIR").await.unwrap(), "unset");
    assert_eq!(ask(&pool, "variable PATH").await.unwrap(), std::env::var("PATH").unwrap());
    assert_eq!(ask(&pool, "variable ONLY_HERE").await.unwrap(), "yes");
    assert_eq!(ask(&pool, "variable PIXIE_INVITATION").await.unwrap(), "unset");
    let identity = ask(&pool, "identity").await.unwrap();
    assert!(identity.contains("process: Worker, pool: Some(\"test\"), number: 1"), "{identity}");
    assert!(!pixie_pool::is_worker());
    pool.stop(Duration::ZERO).await;
}

async fn names() {
    for name in ["", "a|b", "with space", "../up", &"x".repeat(65)] {
        let message = refusal(Config { name: name.to_owned(), ..config(1) }).await;
        assert!(message.contains("letters, digits"), "{message}");
    }
}

async fn shared_variable() {
    let named = |name: &str| Config { name: name.to_owned(), ..config(0..=1) };
    let (first, same) = (pool(named("a-b")).await, pool(named("a-b")).await);
    let message = refusal(named("a.b")).await;
    assert!(["`a-b`", "`a.b`", "PIXIE_POOL_A_B"].iter().all(|part| message.contains(part)), "{message}");
    first.stop(Duration::ZERO).await;
    same.stop(Duration::ZERO).await;
    drop((first, same));
    pool(named("a.b")).await.stop(Duration::ZERO).await;
}

async fn sizes() {
    for (config, why) in [
        (Config { queue: 0, ..config(0..=2) }, "at least 1"),
        (config(1..=1_000_000), "at most"),
        (Config { threads: usize::MAX, ..config(0) }, "threads, at most"),
        (Config { spares: usize::MAX, ..config(1) }, "at most"),
    ] {
        let message = refusal(config).await;
        assert!(message.contains(why) && message.contains("`test`"), "{message}");
    }
}

async fn breaker() {
    let directory = tempfile::tempdir().unwrap();
    let flag = directory.path().join("flag");
    let pool = pool(playing(flag.to_str().unwrap())).await;
    assert_eq!(ask(&pool, "say fine").await.unwrap(), "fine");
    std::fs::write(&flag, "").unwrap();
    assert!(matches!(ask(&pool, "exit 1").await, Err(Error::Died(_))));
    assert!(matches!(ask(&pool, "say refused").await, Err(Error::Unavailable { .. })));
    assert!(pool.snapshot().is_broken);
    assert!(matches!(ask(&pool, "say refused at once").await, Err(Error::Unavailable { .. })));
    std::fs::remove_file(&flag).unwrap();
    until(&pool, |s| !s.is_broken).await;
    assert_eq!(ask(&pool, "say fine").await.unwrap(), "fine");
    pool.stop(Duration::ZERO).await;
}

async fn asked_only() {
    let directory = tempfile::tempdir().unwrap();
    let flag = directory.path().join("flag");
    std::fs::write(&flag, "").unwrap();
    let pool = pool(Config { size: (0..=1).into(), ..playing(flag.to_str().unwrap()) }).await;
    let mut failures = 4;
    for _ in 0..2 {
        assert!(matches!(ask(&pool, "say refused").await, Err(Error::Unavailable { .. })));
        until(&pool, |s| s.workers.is_empty()).await;
        failures += 1;
        assert_eq!(pool.snapshot().counts.boot_failures, failures);
    }
    std::fs::remove_file(&flag).unwrap();
    assert_eq!(ask(&pool, "say fine").await.unwrap(), "fine");
    assert!(!pool.snapshot().is_broken);
    pool.stop(Duration::ZERO).await;
}
