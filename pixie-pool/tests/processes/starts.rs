//! Starting: which workers are accepted, what a worker can see, and what happens when workers do not start.

use std::{
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    pin::pin,
    process::Command,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use pixie_pool::{Config, Error, Sandbox, StartMethod};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;

use crate::{
    Test, handler,
    setup::{TABLE_HASH, ask, config, job, pool, refusal, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("a_worker_that_ends_at_once_fails_the_start_with_its_words", || Box::pin(ends_at_once())),
    ("a_worker_that_hangs_up_fails_the_start_with_its_own_end_and_words", || Box::pin(hangs_up())),
    ("a_limit_of_memory_that_an_operator_has_set_stays_in_force", || Box::pin(operators_limit())),
    ("a_worker_with_another_table_is_refused", || Box::pin(other_table())),
    ("a_worker_with_a_wrong_token_is_refused", || Box::pin(wrong_token())),
    ("a_worker_that_is_never_ready_fails_the_start", || Box::pin(never_ready())),
    ("a_worker_that_sends_garbage_is_killed_and_its_job_fails", || Box::pin(garbage())),
    ("a_worker_that_answers_another_job_is_killed", || Box::pin(wrong_stream())),
    ("a_worker_that_answers_a_job_that_it_has_not_claimed_is_killed", || Box::pin(unclaimed_answer())),
    ("a_job_for_which_no_worker_listens_is_answered", || Box::pin(deaf())),
    ("a_worker_sees_the_variables_of_its_parent_and_a_sandboxed_one_only_those_passed", || Box::pin(environment())),
    ("a_start_that_fails_in_a_sandbox_names_the_setting_for_variables", || Box::pin(missing_variable())),
    ("a_pool_whose_directory_was_removed_starts_workers", || Box::pin(removed_directory())),
    ("a_worker_is_killed_before_its_parent_if_memory_is_short", || Box::pin(oom_score())),
    ("a_program_that_its_loader_has_started_starts_workers", || Box::pin(started_by_a_loader())),
    ("as_the_first_process_of_a_container_a_pool_reaps_what_jobs_leave", || Box::pin(first_process())),
    ("a_worker_writes_no_core_file_unless_the_pool_allows_it", || Box::pin(core_dumps())),
    ("a_pool_name_is_checked", || Box::pin(names())),
    ("pools_whose_names_share_a_variable_do_not_start_together", || Box::pin(shared_variable())),
    ("a_size_that_cannot_work_is_refused", || Box::pin(sizes())),
    ("without_a_free_descriptor_a_pool_fails_and_leaves_no_directory", || Box::pin(no_descriptors())),
    ("a_runtime_that_cannot_run_a_pool_fails_the_start_with_the_remedy", || Box::pin(wrong_runtimes())),
    ("workers_that_exit_idle_are_restarted_with_growing_pauses", || Box::pin(idle_exits())),
    ("a_pool_whose_workers_stop_starting_refuses_and_recovers", || Box::pin(breaker())),
    ("a_pool_on_demand_whose_workers_do_not_start_tries_again_only_when_asked", || Box::pin(asked_only())),
];

const ROLE: &str = "TEST_ROLE";
/// Is set in the first process of a container.
const FIRST: &str = "FIRST_PROCESS";
/// A memory limit that an operator has set, below the pool's.
const FEW_BYTES: u64 = 1024 * 1024 * 1024;

pub(crate) fn playing(role: &str) -> Config {
    config(1).env(ROLE, role).start_method(StartMethod::Exec)
}

/// In a pool that sends each job to one worker.
pub(crate) fn leased(role: &str) -> Config {
    playing(role).sandbox(Sandbox::no_network())
}

/// In a worker: misbehaves in the way that the test asks for, instead of serving.
pub(crate) fn play_role() {
    match std::env::var(ROLE).unwrap_or_default().as_str() {
        "" => {}
        "exit" => {
            eprintln!("no configuration found");
            std::process::exit(7);
        }
        "curse" => handler::curse(),
        "other-table" => {
            let worker = pixie_pool::worker().expect("this is a worker");
            worker.serve(TABLE_HASH + 1, handler::handler());
        }
        "wrong-token" => drop(greet([0; 32])),
        // Until the lifeline ends, on which shared data of other tests may arrive.
        "never-ready" => drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink())),
        "few-bytes" => {
            let limit = Some(FEW_BYTES);
            return setrlimit(Resource::Data, Rlimit { current: limit, maximum: limit }).unwrap();
        }
        "threads" => return drop(std::thread::spawn(std::thread::park)),
        "hang-up" => {
            drop(be_connected());
            // Time until it has reported the reason, which takes longer on a busy machine.
            std::thread::sleep(Duration::from_millis(50));
            eprintln!("no model found");
            std::process::exit(5);
        }
        "exit-idle" => drop(be_ready()),
        "garbage" => misbehave(&[0xff; 100]),
        // A whole reply, on a stream that was never opened.
        "wrong-stream" => misbehave(b"\x05\x00\x00\x11\x2a\x00\x00\x00\x01\x00\x00\x00\x00"),
        // A whole reply to the first job of a pool.
        "first-job" => misbehave(b"\x05\x00\x00\x11\x01\x00\x01\x00\x01\x00\x00\x00\x00"),
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

fn be_connected() -> UnixStream {
    let invitation = std::env::var("PIXIE_INVITATION").expect("this is a worker");
    UnixStream::connect(invitation.splitn(3, '|').nth(2).expect("the path is the third part")).unwrap()
}

/// Speaks the protocol by hand, as an attacker would.
fn greet(token: [u8; 32]) -> UnixStream {
    let mut stream = be_connected();
    let payload = [&b"pixiepl\x01\x06\x00"[..], &token, &TABLE_HASH.to_le_bytes()].concat();
    stream.write_all(&[&[payload.len() as u8, 0, 0, 1, 0, 0, 0, 0], &payload[..]].concat()).unwrap();
    // Until the pool closes the connection or welcomes this process.
    let _ = stream.read(&mut [0; 64]);
    stream
}

/// The frame of a worker that takes jobs.
const READY: &[u8] = &[2, 0, 0, 3, 0, 0, 0, 0, 0, 0];

fn enter() -> UnixStream {
    let mut token = [0; 32];
    std::io::stdin().read_exact(&mut token).unwrap();
    greet(token)
}

fn be_ready() -> UnixStream {
    let mut stream = enter();
    stream.write_all(READY).unwrap();
    stream
}

/// Sends these bytes in answer to a job.
pub(crate) fn misbehave(answer: &[u8]) {
    let mut stream = be_ready();
    let _ = stream.read(&mut [0; 100]);
    stream.write_all(answer).unwrap();
    let _ = stream.read(&mut [0; 100]);
}

/// Sends READY and then does not read any job until its parent ends it.
fn deafen() {
    let mut stream = enter();
    rustix::net::shutdown(&stream, rustix::net::Shutdown::Read).unwrap();
    stream.write_all(READY).unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

async fn ends_at_once() {
    let message = refusal(playing("exit")).await;
    assert!(message.contains("exit code 7") && message.contains("no configuration found"), "{message}");
}

async fn hangs_up() {
    let message = refusal(playing("hang-up")).await;
    assert!(message.contains("exit code 5") && message.contains("no model found"), "{message}");
}

async fn operators_limit() {
    let pool = pool(playing("few-bytes").memory(2 * FEW_BYTES)).await;
    assert_eq!(ask(&pool, "data-limit").await.unwrap(), FEW_BYTES.to_string());
    pool.stop(Duration::ZERO).await;
}

async fn other_table() {
    let message = refusal(playing("other-table")).await;
    assert!(message.contains("the worker's table is 0000000000000008, this process has 0000000000000007"), "{message}");
}

async fn wrong_token() {
    let message = refusal(playing("wrong-token")).await;
    assert!(message.contains("wrong token"), "{message}");
}

async fn never_ready() {
    let message = refusal(playing("never-ready").start_timeout(Duration::from_millis(100))).await;
    assert!(message.contains("not ready within 100ms"), "{message}");
}

async fn garbage() {
    let pool = pool(leased("garbage")).await;
    assert!(matches!(pool.submit(job("say hello")).await, Err(Error::Protocol)));
    assert_eq!(pool.snapshot().counts.kills.get("protocol"), Some(&1));
    pool.stop(Duration::ZERO).await;
}

async fn deaf() {
    let pool = pool(leased("deaf")).await;
    let outcome = pool.submit(job("say hello")).await;
    assert!(matches!(outcome, Err(Error::Exited(_))), "{outcome:?}");
    pool.stop(Duration::ZERO).await;
}

async fn wrong_stream() {
    let pool = pool(leased("wrong-stream")).await;
    assert!(matches!(pool.submit(job("say hello")).await, Err(Error::Protocol)));
    pool.stop(Duration::ZERO).await;
}

/// The job of this answer is in the queue, but the worker has not claimed it.
async fn unclaimed_answer() {
    let pool = pool(playing("first-job").queue_timeout(Duration::from_millis(300))).await;
    let outcome = pool.submit(job("say hello")).await;
    assert!(matches!(outcome, Err(Error::QueueTimeout { .. })), "{outcome:?}");
    assert!(pool.snapshot().counts.kills["protocol"] > 0);
    pool.stop(Duration::ZERO).await;
}

async fn environment() {
    let own = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    for (sandbox, expected) in [(Sandbox::none(), own.as_str()), (Sandbox::no_network(), "unset")] {
        let pool = pool(config(1).pass_env("CARGO_PKG_N*").env("ONLY_HERE", "yes").sandbox(sandbox)).await;
        assert_eq!(ask(&pool, "variable CARGO_PKG_NAME").await.unwrap(), "pixie-pool");
        assert_eq!(ask(&pool, "variable CARGO_MANIFEST_DIR").await.unwrap(), expected);
        assert_eq!(ask(&pool, "variable PATH").await.unwrap(), std::env::var("PATH").unwrap());
        assert_eq!(ask(&pool, "variable ONLY_HERE").await.unwrap(), "yes");
        assert_eq!(ask(&pool, "variable PIXIE_INVITATION").await.unwrap(), "unset");
        let identity = ask(&pool, "identity").await.unwrap();
        assert!(identity.contains("pool: Some(\"test\"), number: 1"), "{identity}");
        pool.stop(Duration::ZERO).await;
    }
    assert!(!pixie_pool::is_worker());
}

async fn missing_variable() {
    let message = refusal(playing("exit").sandbox(Sandbox::no_network())).await;
    assert!(message.contains("no configuration found") && message.contains("`pass_env`"), "{message}");
    for message in [message, refusal(playing("exit")).await] {
        assert!(!message.contains("does its main call"), "{message}");
    }
}

async fn removed_directory() {
    let base = tempfile::tempdir().unwrap();
    let at = base.path().join("run");
    std::fs::create_dir(&at).unwrap();
    let pool = pool(config(1).runtime_dir(at.clone())).await;
    let sockets = || std::fs::read_dir(&at).map_or(0, Iterator::count);
    let found = std::fs::read_dir(&at).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_dir_all(found).unwrap();
    assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    assert_eq!((ask(&pool, "say again").await.unwrap(), sockets()), ("again".to_owned(), 1));
    // As at the end of a user's last session.
    std::fs::remove_dir_all(&at).unwrap();
    assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    assert_eq!((ask(&pool, "say again").await.unwrap(), sockets()), ("again".to_owned(), 0));
    assert_eq!(pool.snapshot().counts.start_failures, 0);
    pool.stop(Duration::ZERO).await;
}

async fn oom_score() {
    let score = |process: &str| {
        let text = std::fs::read_to_string(format!("/proc/{process}/oom_score_adj")).unwrap();
        text.trim().parse::<i32>().unwrap()
    };
    let pool = pool(config(1)).await;
    let worker = ask(&pool, "pid").await.unwrap();
    assert!(score(&worker) > score("self") || score("self") == 1000, "{} {}", score(&worker), score("self"));
    pool.stop(Duration::ZERO).await;
}

/// Runs another test of this program in another process.
async fn run_test(mut command: Command, test: &str) {
    let done = tokio::task::spawn_blocking({
        let test = test.to_owned();
        move || command.arg(std::env::current_exe().unwrap()).arg(test).output().unwrap()
    });
    let done = done.await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains(&format!("test {test} ... ok")), "{out} {err}");
}

async fn started_by_a_loader() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let files = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let loader = files.into_iter().find(|file| file.rsplit('/').next().is_some_and(|name| name.starts_with("ld-")));
    let mut command = Command::new(loader.expect("a loader has started this program"));
    command.args(["--library-path", "/nowhere"]);
    run_test(command, "a_worker_that_ends_at_once_fails_the_start_with_its_words").await;
}

/// In another process, which is the first one of its own world.
async fn first_process() {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).env(FIRST, "yes");
    match std::env::var_os(FIRST) {
        None => run_test(command, "as_the_first_process_of_a_container_a_pool_reaps_what_jobs_leave").await,
        Some(_) => {
            assert_eq!(std::process::id(), 1);
            let pool = pool(config(1)).await;
            let orphan = ask(&pool, "orphan").await.unwrap();
            let path = std::path::PathBuf::from(format!("/proc/{orphan}"));
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            while path.exists() {
                tick.tick().await;
            }
            assert_eq!(ask(&pool, "say fine").await.unwrap(), "fine");
            pool.stop(Duration::ZERO).await;
        }
    }
}

async fn core_dumps() {
    let own = getrlimit(Resource::Core).maximum;
    for (is_allowed, limit) in [(false, Some(0)), (true, own)] {
        let pool = pool(config(1).core_dumps(is_allowed)).await;
        assert_eq!(ask(&pool, "core-limit").await.unwrap(), format!("{limit:?}"));
        pool.stop(Duration::ZERO).await;
    }
}

async fn names() {
    for name in ["", "a|b", "with space", "../up", &"x".repeat(65)] {
        let message = refusal(config(1).name(name)).await;
        assert!(message.contains("letters, digits"), "{message}");
    }
}

async fn shared_variable() {
    let named = |name: &str| config(0..=1).name(name);
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
        (config(0..=2).queue(0), "at least 1"),
        (config(1..=1_000_000), "at most"),
        (config(0).threads(usize::MAX), "threads, at most"),
        (config(1).spares(usize::MAX), "at most"),
        (config(1).memory("0B"), "the `memory` of pool `test`: the limit must be greater than 0"),
        (config(1).recycle_memory(0), "the `recycle_memory` of pool `test`: the limit must be greater than 0"),
        (config(1).recycle_memory("lots"), "such as `10MB`"),
    ] {
        let message = refusal(config).await;
        assert!(message.contains(why) && message.contains("`test`"), "{message}");
    }
}

async fn no_descriptors() {
    let directory = tempfile::tempdir().unwrap();
    let own = config(1).runtime_dir(directory.path().to_owned());
    let limit = getrlimit(Resource::Nofile);
    let free = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    setrlimit(Resource::Nofile, Rlimit { current: Some(free as u64), ..limit }).unwrap();
    let message = refusal(own).await;
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(message.contains("locking ") && message.contains(directory.path().to_str().unwrap()), "{message}");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

async fn wrong_runtimes() {
    let no_runtime = || {
        let mut start = pin!(refusal(config(1)));
        match start.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(message) => message,
            Poll::Pending => "it waits".to_owned(),
        }
    };
    let lacking = |build: fn(&mut Builder) -> &mut Builder| {
        move || build(&mut Builder::new_current_thread()).build().unwrap().block_on(refusal(config(1)))
    };
    let message = std::thread::spawn(no_runtime).join().unwrap();
    assert!(message.contains("no tokio runtime is running"), "{message}");
    let message = std::thread::spawn(lacking(Builder::enable_io)).join().unwrap();
    assert!(message.contains("no timers") && message.contains("`enable_all()`"), "{message}");
    let message = std::thread::spawn(lacking(Builder::enable_time)).join().unwrap();
    assert!(message.contains("no I/O") && message.contains("`enable_all()`"), "{message}");
}

async fn idle_exits() {
    let begun = Instant::now();
    let pool = pool(playing("exit-idle")).await;
    crate::setup::until(&pool, |s| s.counts.exits.values().sum::<u64>() >= 5).await;
    let pauses_ms = 100 + 200 + 400;
    assert!(begun.elapsed() >= Duration::from_millis(pauses_ms), "{:?}", begun.elapsed());
    pool.stop(Duration::ZERO).await;
}

async fn breaker() {
    let directory = tempfile::tempdir().unwrap();
    let flag = directory.path().join("flag");
    let pool = pool(playing(flag.to_str().unwrap())).await;
    assert_eq!(ask(&pool, "say fine").await.unwrap(), "fine");
    std::fs::write(&flag, "").unwrap();
    assert!(matches!(ask(&pool, "exit 1").await, Err(Error::Exited(_))));
    assert!(matches!(ask(&pool, "say refused").await, Err(Error::Unavailable { .. })));
    assert!(pool.snapshot().is_broken);
    assert_eq!(pool.trouble(), Some("its workers do not start, so it refuses jobs"));
    assert!(matches!(ask(&pool, "say refused at once").await, Err(Error::Unavailable { .. })));
    std::fs::remove_file(&flag).unwrap();
    until(&pool, |s| !s.is_broken).await;
    assert_eq!(pool.trouble(), None);
    assert_eq!(ask(&pool, "say fine").await.unwrap(), "fine");
    pool.stop(Duration::ZERO).await;
}

async fn asked_only() {
    let directory = tempfile::tempdir().unwrap();
    let flag = directory.path().join("flag");
    std::fs::write(&flag, "").unwrap();
    let pool = pool(playing(flag.to_str().unwrap()).size(0..=1)).await;
    let mut failures = 4;
    for _ in 0..2 {
        assert!(matches!(ask(&pool, "say refused").await, Err(Error::Unavailable { .. })));
        until(&pool, |s| s.workers.is_empty()).await;
        failures += 1;
        assert_eq!(pool.snapshot().counts.start_failures, failures);
    }
    std::fs::remove_file(&flag).unwrap();
    assert_eq!(ask(&pool, "say fine").await.unwrap(), "fine");
    assert!(!pool.snapshot().is_broken);
    pool.stop(Duration::ZERO).await;
}
