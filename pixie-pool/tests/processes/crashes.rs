//! Faults of a handler that fail only its own job.

use std::time::{Duration, Instant};

use pixie_pool::{Counts, Error};

use crate::{
    Test,
    setup::{ask, children, config, job, open_descriptors, pool, text, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("a_crash_is_reported_with_its_signal_or_code", || Box::pin(crash_is_reported())),
    ("a_worker_out_of_memory_fails_one_job", || Box::pin(out_of_memory())),
    ("a_panic_is_reported_with_its_place_and_the_worker_continues", || Box::pin(panic_is_reported())),
    ("a_panic_whose_payload_panics_too_is_an_error_and_its_worker_is_replaced", || Box::pin(bomb(1))),
    ("a_panic_whose_payload_panics_too_is_an_error_also_on_a_thread", || Box::pin(bomb(0))),
    ("a_handler_that_gives_up_is_reported", || Box::pin(giving_up_is_reported())),
    ("an_endless_loop_ends_at_the_deadline", || Box::pin(deadline_kills())),
    ("a_stopped_process_is_replaced_when_a_job_waits_for_it", || Box::pin(stopped_process_is_killed())),
    ("noise_on_both_pipes_is_harmless", || Box::pin(noise_is_harmless())),
    ("an_idle_worker_that_is_killed_is_replaced", || Box::pin(idle_exit())),
    ("thousands_of_mixed_jobs_each_get_their_own_answer", || Box::pin(mixed_jobs(false))),
    ("thousands_of_mixed_jobs_do_so_also_where_repeat_crashes_are_refused", || Box::pin(mixed_jobs(true))),
];

async fn crash_is_reported() {
    let pool = pool(config(1)).await;
    for (command, signal, code, said) in [
        ("segv", Some(11), None, ""),
        ("abort", Some(6), None, ""),
        ("kill", Some(9), None, ""),
        ("overflow", Some(6), None, "overflowed its stack"),
        ("exit 3", None, Some(3), "leaving with 3"),
        ("exit 0", None, Some(0), "leaving with 0"),
    ] {
        match ask(&pool, command).await {
            Err(Error::Exited(exit)) => {
                assert_eq!((exit.signal, exit.code), (signal, code), "{command}");
                assert!(exit.stderr.contains(said), "{command}: {}", exit.stderr);
            }
            other => panic!("{command}: {other:?}"),
        }
        assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive", "after {command}");
    }
    let counts = pool.snapshot().counts;
    assert_eq!(counts.exits.values().sum::<u64>(), 6, "{counts:?}");
    for cause in ["SIGSEGV", "SIGABRT", "SIGKILL", "stack overflow", "exit code 3", "exit code 0"] {
        assert_eq!(counts.exits.get(cause), Some(&1), "{cause}: {counts:?}");
    }
    pool.stop(Duration::ZERO).await;
}

async fn out_of_memory() {
    let pool = pool(config(1).memory("64MB")).await;
    match ask(&pool, "oom").await {
        Err(Error::Exited(exit)) => {
            assert_eq!(exit.signal, Some(6));
            assert!(exit.stderr.contains("memory allocation of"), "{}", exit.stderr);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn panic_is_reported() {
    let pool = pool(config(1)).await;
    let before = ask(&pool, "pid").await.unwrap();
    match ask(&pool, "panic terrible").await {
        Err(Error::Panicked { message, location: Some(place) }) => {
            assert_eq!(message, "this is terrible");
            let mut parts = place.rsplitn(3, ':');
            assert!(parts.next().unwrap().parse::<u32>().is_ok() && parts.next().unwrap().parse::<u32>().is_ok());
            assert!(parts.next().unwrap().ends_with("handler.rs"), "{place}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(&pool, "pid").await.unwrap(), before);
    pool.stop(Duration::ZERO).await;
}

/// The deadline is far away, so that a job that waits for a dead thread does not pass.
async fn bomb(size: usize) {
    let own =
        config(size).threads(1).spares(1).deadline(Duration::from_secs(600)).queue_timeout(Duration::from_secs(600));
    let pool = pool(own).await;
    for _ in 0..3 {
        let before = pool.snapshot().counts.restarts;
        let outcome = ask(&pool, "bomb").await;
        assert!(matches!(outcome, Err(Error::Panicked { .. })), "{outcome:?}");
        assert_eq!(ask(&pool, "say healthy").await.unwrap(), "healthy");
        until(&pool, |s| size == 0 || s.counts.restarts > before).await;
    }
    pool.stop(Duration::ZERO).await;
}

async fn giving_up_is_reported() {
    let pool = pool(config(1)).await;
    for (command, said) in [("fail", "it would not"), ("drop", "dropped its job without a reply")] {
        match ask(&pool, command).await {
            Err(Error::Failed { message }) => assert!(message.contains(said), "{message}"),
            other => panic!("{command}: {other:?}"),
        }
    }
    assert_eq!(ask(&pool, "elsewhere").await.unwrap(), "from another thread");
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn deadline_kills() {
    let pool = pool(config(1)).await;
    let spin = job("spin").deadline(Duration::from_millis(50));
    let begun = Instant::now();
    assert!(matches!(pool.submit(spin).await, Err(Error::Deadline)));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    assert_eq!(pool.snapshot().counts.kills["deadline"], 1);
    let left: u64 = ask(&pool, "remaining").await.unwrap().parse().unwrap();
    assert!((10_000..=15_000).contains(&left), "{left}");
    pool.stop(Duration::ZERO).await;
}

async fn stopped_process_is_killed() {
    let pool = pool(config(1).deadline(Duration::from_millis(200))).await;
    let pid: i32 = ask(&pool, "pid").await.unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    while !is_stopped(pid) {
        tokio::task::yield_now().await;
    }
    // It does not claim the job, which another worker runs after a moment.
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    assert_eq!(pool.snapshot().counts.kills["stuck"], 1);
    pool.stop(Duration::ZERO).await;
}

fn is_stopped(pid: rustix::process::Pid) -> bool {
    let tasks = format!("/proc/{}/task", pid.as_raw_nonzero());
    std::fs::read_dir(tasks).unwrap().flatten().all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap();
        stat.rsplit(')').next().unwrap().starts_with(" T")
    })
}

async fn noise_is_harmless() {
    let pool = pool(config(1)).await;
    for _ in 0..3 {
        assert_eq!(ask(&pool, "noise").await.unwrap(), "quiet again");
    }
    pool.stop(Duration::ZERO).await;
}

async fn idle_exit() {
    let pool = pool(config(1)).await;
    let pid: u32 = ask(&pool, "pid").await.unwrap().parse().unwrap();
    let target = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(target, rustix::process::Signal::KILL).unwrap();
    until(&pool, |s| s.workers[0].pid.is_some_and(|p| p != pid)).await;
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn mixed_jobs(repeat_crash_refusal: bool) {
    let (descriptors, before) = (open_descriptors(), children());
    let wait = Duration::from_secs(30);
    let pool = pool(config(2).repeat_crash_refusal(repeat_crash_refusal).queue_timeout(wait).spares(1)).await;
    let tasks: Vec<_> = (0..64_usize)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for round in 0..50_usize {
                    one_of_many(&pool, task, round).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    let Counts { refused, exits, .. } = pool.snapshot().counts;
    assert_eq!(refused.contains_key("repeat_crash"), repeat_crash_refusal, "{exits:?}");
    pool.stop(Duration::from_secs(5)).await;
    assert_eq!(children(), before, "a process is left");
    drop(pool);
    assert_eq!(open_descriptors(), descriptors, "a descriptor is left");
}

async fn one_of_many(pool: &pixie_pool::Pool, task: usize, round: usize) {
    let own = format!("{task}-{round}");
    match (task * 31 + round * 17) % 100 {
        0 => {
            let end = ask(pool, "segv").await.unwrap_err();
            assert!(
                matches!(&end, Error::Exited(e) if e.signal == Some(11)) || matches!(end, Error::RepeatCrash),
                "{end}"
            );
        }
        1 => {
            let end = ask(pool, "exit 9").await.unwrap_err();
            assert!(
                matches!(&end, Error::Exited(e) if e.code == Some(9)) || matches!(end, Error::RepeatCrash),
                "{end}"
            );
        }
        2 => {
            let spin = job("spin").deadline(Duration::from_millis(20));
            assert!(matches!(pool.submit(spin).await, Err(Error::Deadline)));
        }
        3..8 => match ask(pool, &format!("panic {own}")).await {
            Err(Error::Panicked { message, .. }) => assert_eq!(message, format!("this is {own}")),
            other => panic!("{other:?}"),
        },
        8 => drop(tokio::time::timeout(Duration::from_millis(1), ask(pool, "spin")).await),
        9..12 => {
            let reply = pool.submit(job("stream 300000")).await.unwrap();
            assert_eq!(text(reply).await.unwrap().len(), 300_000);
        }
        12 => drop(pool.submit(job("stream 3000000")).await.unwrap()),
        13..20 => {
            let body = own.repeat(20_000);
            let reply = pool.submit(crate::setup::job_with("echo", body.clone())).await.unwrap();
            assert!(text(reply).await.unwrap() == body, "{own}");
        }
        _ => assert_eq!(ask(pool, &format!("say {own}")).await.unwrap(), own),
    }
}
