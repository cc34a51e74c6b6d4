//! Which cgroups count as delegated.

use std::path::PathBuf;

use super::{OWN, WORKER, imitation::Tree};
use crate::platform::linux::cgroup::delegation::Base;

/// Returns the cgroups that systemd creates for a service and for programs in a terminal, all of the same
/// user.
fn tree() -> Tree {
    let tree = Tree::new(OWN);
    tree.cgroup("slice", &[]);
    std::fs::write(tree.folder("slice/cgroup.subtree_control"), "memory\n").unwrap();
    tree.cgroup("slice/service", &[OWN]);
    tree
}

fn base(tree: &Tree, name: &str, has_us: bool) -> Result<Base, String> {
    Ok(Base { folder: tree.folder(name), has_us })
}

#[track_caller]
fn refused(found: Result<Base, String>, why: &str) {
    let said = found.expect_err("it is not delegated");
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_cgroup_that_can_be_written_to_is_ours_only_if_it_is_marked() {
    let tree = tree();
    let machine = tree.machine("/slice/service");
    refused(machine.find(), "set Delegate=yes");
    tree.mark("slice/service");
    assert_eq!(machine.find(), base(&tree, "slice/service", true));
}

#[test]
fn a_cgroup_is_ours_if_the_one_above_is_not() {
    let tree = tree();
    tree.lock("slice/cgroup.procs");
    assert_eq!(tree.machine("/slice/service").find(), base(&tree, "slice/service", true));
}

#[test]
fn the_top_of_what_a_container_sees_is_ours_and_the_root_is_nobodys() {
    let tree = tree();
    refused(tree.machine("/").find(), "is the root");
    std::fs::write(tree.folder("cgroup.type"), "domain\n").unwrap();
    std::fs::write(tree.folder("cgroup.procs"), format!("{OWN}\n")).unwrap();
    assert_eq!(tree.machine("/").find(), base(&tree, "", true));
}

#[test]
fn a_server_in_a_subgroup_uses_the_delegated_cgroup_above() {
    let tree = tree();
    tree.cgroup("slice/service/main", &[OWN]);
    let machine = tree.machine("/slice/service/main");
    refused(machine.find(), "was not delegated");
    tree.mark("slice/service");
    refused(machine.find(), "was not delegated");
    std::fs::write(tree.folder("slice/service/cgroup.procs"), "").unwrap();
    assert_eq!(machine.find(), base(&tree, "slice/service", false));
}

#[test]
fn a_server_that_replaces_another_one_uses_the_cgroup_of_that_one() {
    let tree = tree();
    tree.mark("slice/service");
    std::fs::write(tree.folder("slice/service/cgroup.procs"), "").unwrap();
    for name in ["slice/service/pixie-pool-4000-00ff", "slice/service/other"] {
        tree.cgroup(name, &[]);
        tree.cgroup(&format!("{name}/server"), &[4000, OWN]);
    }
    let machine = tree.machine("/slice/service/pixie-pool-4000-00ff/server");
    assert_eq!(machine.find(), base(&tree, "slice/service", false));
    refused(tree.machine("/slice/service/other/server").find(), "was not delegated");
}

#[test]
fn what_was_delegated_to_the_systemd_of_a_user_is_not_ours() {
    let tree = tree();
    tree.cgroup("slice/user@1000.service", &[]);
    tree.mark("slice/user@1000.service");
    for unit in ["blog.service", "terminal.scope", "app.slice"] {
        let name = format!("slice/user@1000.service/{unit}");
        tree.cgroup(&name, &[OWN]);
        refused(tree.machine(&format!("/{name}")).find(), "was not delegated");
    }
}

#[test]
fn processes_that_this_one_has_not_started_stay_where_they_are() {
    let tree = tree();
    tree.mark("slice/service");
    let machine = tree.machine("/slice/service");
    tree.process(WORKER, OWN);
    tree.process(90, WORKER);
    tree.process(91, 1);
    let with = |pids: &str| std::fs::write(tree.folder("slice/service/cgroup.procs"), pids).unwrap();
    with("4711\n4712\n90\n");
    assert_eq!(machine.find(), base(&tree, "slice/service", true));
    for stranger in ["91", "0", "4000"] {
        with(&format!("4711\n{stranger}\n"));
        refused(machine.find(), &format!("process {stranger}, which this server has not started"));
    }
}

#[test]
fn what_cannot_be_written_to_is_left_alone() {
    for file in ["slice/service", "slice/service/cgroup.procs", "slice/service/cgroup.subtree_control"] {
        let tree = tree();
        tree.mark("slice/service");
        tree.lock(file);
        refused(tree.machine("/slice/service").find(), "cannot be written to");
    }
}

#[test]
fn without_memory_or_version_2_there_is_nothing_to_use() {
    let tree = tree();
    tree.mark("slice/service");
    let machine = tree.machine("/slice/service");
    std::fs::write(tree.folder("slice/service/cgroup.controllers"), "cpu memoryless\n").unwrap();
    refused(machine.find(), "has no memory controller");
    let old = "0 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    refused(tree.machine_with("/slice/service", old).find(), "not mounted as cgroup2");
    let proc = tree.machine("/slice/service").proc.join("self/cgroup");
    std::fs::write(proc, "4:memory:/elsewhere\n").unwrap();
    refused(machine.find(), "has no cgroup v2");
}

#[test]
fn a_cgroup_is_found_below_where_its_part_of_the_tree_is_mounted() {
    let tree = tree();
    tree.mark("slice/service");
    let line =
        |root: &str, point: PathBuf| format!("0 1 0:1 {root} {} rw shared:9 - cgroup2 none rw\n", point.display());
    for (cgroup, mounts, is_found) in [
        ("/docker/x", line("/docker/x", tree.folder("slice/service")), true),
        ("/docker/x/service", line("/docker/x", tree.folder("slice")), true),
        ("/docker/y", line("/docker/x", tree.folder("slice/service")), false),
        ("/../service", line("/", tree.folder("slice")), false),
    ] {
        let found = tree.machine_with(cgroup, &mounts).find();
        assert_eq!(found.is_ok_and(|base| base.folder == tree.folder("slice/service")), is_found, "{cgroup} {mounts}");
    }
}
