//! Cgroups in an imitated tree, which refuses what the kernel refuses.

mod delegation;
mod imitation;

use std::{fs, path::Path};

use self::imitation::{IMITATION, Tree};
use super::delegation::Base;
use super::{CHILDREN_CONTROL, Folder, PREFIX, PROCESSES, SERVER, WorkerCgroup, folders};
use crate::platform::{DirectoryLock, Limits, MemoryUse};

const OWN: u32 = 4711;
const WORKER: u32 = 4712;

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// Returns a service's cgroup with a server that has started a process.
fn delegated() -> Tree {
    let tree = Tree::new(OWN);
    tree.cgroup("service", &[OWN, WORKER]);
    tree.process(WORKER, OWN);
    tree
}

fn open(tree: &Tree) -> Folder {
    Folder::open(Base { folder: tree.folder("service"), has_us: true }, IMITATION).unwrap()
}

fn limits(memory: u64) -> Limits {
    Limits { memory, threads: Some(64) }
}

#[test]
fn a_worker_gets_a_limit_of_threads_where_the_service_may_set_one() {
    for (controllers, before, limit) in
        [("memory pids\n", "", Some("64")), ("memory pids\n", "pids", Some("64")), ("memory\n", "", None)]
    {
        let tree = delegated();
        let base = tree.folder("service");
        fs::write(base.join("cgroup.controllers"), controllers).unwrap();
        fs::write(base.join(CHILDREN_CONTROL), before).unwrap();
        let folder = open(&tree);
        let worker = folder.admit("images-2", limits(1 << 20), WORKER).unwrap();
        assert_eq!(fs::read_to_string(worker.path.join("pids.max")).ok().as_deref(), limit, "{controllers}");
        worker.remove();
        drop(folder);
        assert_eq!(
            (read(base.join(PROCESSES)), read(base.join(CHILDREN_CONTROL))),
            (OWN.to_string(), before.to_owned())
        );
    }
}

#[test]
fn a_worker_gets_a_cgroup_with_its_limits_and_the_server_one_without() {
    let tree = delegated();
    let (base, folder) = (tree.folder("service"), open(&tree));
    assert_eq!(
        (read(base.join(PROCESSES)), read(base.join(CHILDREN_CONTROL))),
        (String::new(), "memory pids".to_owned())
    );
    assert_eq!(read(folder.path.join(SERVER).join(PROCESSES)), format!("{OWN}\n{WORKER}"));

    let worker = folder.admit("images-2", limits(64 << 20), WORKER).unwrap();
    assert_eq!(worker.path, folder.path.join("images-2-1"));
    for (file, value) in [("memory.max", "67108864"), ("memory.swap.max", "0"), ("memory.oom.group", "1")] {
        assert_eq!(read(worker.path.join(file)), value, "{file}");
    }
    assert_eq!(read(worker.path.join(PROCESSES)), WORKER.to_string());
    assert_eq!(read(folder.path.join(SERVER).join("memory.max")), "max");

    let next = folder.admit("images-2", limits(64 << 20), OWN + 2).unwrap();
    worker.remove();
    assert!(!worker.path.exists() && next.path.exists(), "the next worker in a place has a cgroup of its own");
}

#[test]
fn the_last_pool_leaves_everything_as_it_was_found() {
    let tree = delegated();
    let folder = open(&tree);
    folder.admit("images-1", limits(1 << 20), WORKER).unwrap();
    drop(folder);
    let base = tree.folder("service");
    assert_eq!((read(base.join(PROCESSES)), read(base.join(CHILDREN_CONTROL))), (OWN.to_string(), String::new()));
    assert_eq!(folders(&base).count(), 0);
}

#[test]
fn a_server_that_was_started_below_stays_where_it_is() {
    let tree = Tree::new(OWN);
    tree.cgroup("service", &[]);
    tree.cgroup("service/main", &[OWN]);
    let base = tree.folder("service");
    let folder = Folder::open(Base { folder: base.clone(), has_us: false }, IMITATION).unwrap();
    assert!(!folder.path.join(SERVER).exists());
    folder.admit("images-1", limits(1 << 20), WORKER).unwrap().remove();
    drop(folder);
    assert_eq!(read(base.join("main").join(PROCESSES)), OWN.to_string());
    assert_eq!(folders(&base).collect::<Vec<_>>(), [base.join("main")]);
}

#[test]
fn what_fails_halfway_is_undone() {
    let tree = delegated();
    let base = tree.folder("service");
    fs::write(base.join("cgroup.controllers"), "cpu pids\n").unwrap();
    assert!(Folder::open(Base { folder: base.clone(), has_us: true }, IMITATION).is_err());
    assert_eq!(read(base.join(PROCESSES)), format!("{OWN}\n{WORKER}"));
    assert_eq!(folders(&base).count(), 0);
}

#[test]
fn a_worker_that_cannot_be_moved_leaves_no_cgroup() {
    let tree = delegated();
    let folder = open(&tree);
    assert!(folder.admit("images-1", limits(1 << 20), imitation::UNMOVABLE).is_err());
    assert_eq!(folders(&folder.path).collect::<Vec<_>>(), [folder.path.join(SERVER)]);
}

#[test]
fn a_kernel_without_swap_still_holds_the_limit() {
    let tree = delegated();
    let folder = open(&tree);
    let worker = folder.admit("images-1", limits(1 << 20), WORKER).unwrap();
    fs::remove_file(worker.path.join("memory.swap.max")).unwrap();
    assert!(worker.limit(limits(2 << 20)).is_ok());
    fs::remove_file(worker.path.join("memory.max")).unwrap();
    assert!(worker.limit(limits(2 << 20)).is_err(), "without this one there is no limit");
}

#[test]
fn what_a_killed_server_has_left_is_removed_by_the_next_and_nothing_else_is() {
    let tree = delegated();
    let name = |word: &str| format!("service/{PREFIX}{word}");
    let (ended, running, stuck) = (name("1-ended"), name("2-running"), name("3-stuck"));
    tree.cgroup("service/theirs", &[90]);
    for (server, left) in [(&ended, &[][..]), (&running, &[]), (&stuck, &[92])] {
        tree.cgroup(server, &[]);
        tree.cgroup(&format!("{server}/server"), left);
        tree.cgroup(&format!("{server}/images-1-1"), &[91]);
    }
    let _lock = DirectoryLock::try_lock(&tree.folder(&running)).unwrap();
    let folder = open(&tree);
    let mut left: Vec<_> = folders(&tree.folder("service")).collect();
    left.sort();
    let mut expected =
        vec![tree.folder(&running), tree.folder(&stuck), tree.folder("service/theirs"), folder.path.clone()];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(folders(&tree.folder(&running)).count(), 2, "its server holds the lock");
    assert_eq!(folders(&tree.folder(&stuck)).collect::<Vec<_>>(), [tree.folder(&stuck).join(SERVER)]);
    assert_eq!(read(tree.folder(&stuck).join(SERVER).join(PROCESSES)), "92", "what a server started is no worker");
}

#[test]
fn memory_stays_on_for_others_who_need_it() {
    let tree = delegated();
    let (base, folder) = (tree.folder("service"), open(&tree));
    tree.cgroup("service/another", &[]);
    drop(folder);
    assert_eq!(read(base.join(CHILDREN_CONTROL)), "memory pids");
    assert!(base.join("another/memory.max").exists());
}

#[test]
fn an_end_for_want_of_memory_is_told_from_others() {
    let tree = delegated();
    let folder = open(&tree);
    let worker = folder.admit("images-1", limits(1 << 20), WORKER).unwrap();
    for (events, peak, expected) in [
        ("low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 1\n", "1048576\n", (Some(1 << 20), true)),
        // A limit above was reached, not its own.
        ("low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\noom_group_kill 1\n", "500\n", (Some(500), false)),
        // Its limit was reached, but the kernel refused the allocation and killed no process.
        ("low 0\nhigh 0\nmax 3\noom 1\noom_kill 0\n", "", (None, false)),
        ("", "", (None, false)),
    ] {
        fs::write(worker.path.join("memory.events"), events).unwrap();
        fs::write(worker.path.join("memory.peak"), peak).unwrap();
        let (peak, is_over) = expected;
        assert_eq!(worker.memory_use(), MemoryUse { peak, is_over }, "{events:?}");
    }
    let gone = WorkerCgroup { path: folder.path.join("no-such"), kernel: IMITATION };
    gone.remove();
    assert_eq!(gone.memory_use(), MemoryUse::default());
}
