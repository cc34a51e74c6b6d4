//! Workers with a memory limit: with cgroups if this machine has delegated one to the tests, otherwise
//! without.
//!
//! Each test prints which of the two it has tested. Invariant: what holds on every machine is asserted on
//! every machine.

use std::{fs, path::PathBuf, time::Duration};

use pixie_pool::{Config, Error, MemoryLimit, Pool};

use crate::{
    Test,
    ends::has_ended,
    seeing::{KILLED, heard},
    setup::{ask, config, job, pool, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("memory_that_is_not_its_own_ends_a_worker_in_a_cgroup_and_no_other_process", || Box::pin(shared_memory())),
    ("a_worker_too_large_for_its_cgroup_says_so_before_it_is_ready", || Box::pin(too_large_to_start())),
    ("a_stopped_pool_leaves_no_cgroup_and_no_process_in_one", || Box::pin(stop_leaves_no_cgroup())),
];

const LIMIT: u64 = 64 * 1024 * 1024;

fn named(name: &str) -> Config {
    config(2).name(name).memory(LIMIT)
}

/// Returns whether the workers of a pool have cgroups, and prints the answer.
async fn has_cgroups(pool: &Pool) -> bool {
    until(pool, |s| s.workers.iter().all(|w| w.memory_limit.is_some())).await;
    let limits: Vec<_> = pool.snapshot().workers.iter().filter_map(|w| w.memory_limit).collect();
    assert!(limits.iter().all(|limit| *limit == limits[0]), "{limits:?}");
    let is_cgroup = limits[0] == MemoryLimit::Cgroup;
    print!("{}", if is_cgroup { "(in cgroups) " } else { "(no cgroup is delegated to this test) " });
    is_cgroup
}

/// Returns the name of a process's cgroup.
fn name_of(pid: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned()
}

/// Returns the folder of a worker's cgroup.
fn folder_of(pid: &str) -> PathBuf {
    PathBuf::from(format!("/sys/fs/cgroup{}", name_of(pid)))
}

async fn shared_memory() {
    let pool = pool(named("shared")).await;
    let is_cgroup = has_cgroups(&pool).await;
    let other = tokio::spawn(pool.submit(job("sleep 300")));
    until(&pool, |s| s.busy == 1).await;
    let held = ask(&pool, "share 134217728").await;
    if is_cgroup {
        assert!(matches!(held, Err(Error::Memory)), "{held:?}");
        let told = heard("shared", KILLED).await;
        assert_eq!((told["cause"].as_str(), told["signal"].as_str()), ("memory", "9"), "{told:?}");
        let peak: u64 = told["memory_peak"].parse().unwrap();
        assert!((LIMIT / 2..=LIMIT).contains(&peak), "{told:?}");
        let counts = pool.snapshot().counts;
        assert!(counts.kills.get("memory") == Some(&1) && counts.exits.is_empty(), "{counts:?}");
    } else {
        assert_eq!(held.unwrap(), "held", "nothing else counts it");
    }
    assert!(other.await.unwrap().is_ok());
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn too_large_to_start() {
    let probe = pool(named("probe")).await;
    let is_cgroup = has_cgroups(&probe).await;
    probe.stop(Duration::ZERO).await;
    let small = named("small").memory(16 * 1024);
    let started = small.start(crate::handler::handler()).await;
    let why = started.err().map(|error| error.to_string()).unwrap_or_default();
    let said = if is_cgroup { "it wanted more than the pool's `memory`" } else { "before it was ready" };
    assert!(why.contains(said), "{why}");
}

async fn stop_leaves_no_cgroup() {
    let before = name_of("self");
    let pool = pool(named("tidy")).await;
    let is_cgroup = has_cgroups(&pool).await;
    let pids: Vec<String> = pool.snapshot().workers.iter().filter_map(|w| w.pid).map(|p| p.to_string()).collect();
    let folders: Vec<_> = pids.iter().map(|pid| folder_of(pid)).collect();
    if is_cgroup {
        assert!(
            folders.iter().all(|folder| folder.join("memory.max").exists()) && folders[0] != folders[1],
            "{folders:?}"
        );
        assert_eq!(fs::read_to_string(folders[0].join("memory.max")).unwrap().trim(), LIMIT.to_string());
        let detached: i32 = ask(&pool, "detach").await.unwrap().parse().unwrap();
        pool.stop(Duration::ZERO).await;
        assert!(has_ended(detached).await, "it was in the worker's cgroup");
        assert!(folders.iter().all(|folder| !folder.exists()), "{folders:?}");
    }
    pool.stop(Duration::ZERO).await;
    assert_eq!(name_of("self"), before);
}
