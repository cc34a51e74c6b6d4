//! A folder that behaves like cgroupfs as far as these tests need it, and an imitated `/proc`.
//!
//! Owns the rules: a cgroup that enables a controller for its children has no processes, a cgroup with
//! processes or children cannot be removed, and a cgroup has limits only if its parent enables `memory`.
//! Invariant: what the kernel refuses is refused here.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::platform::linux::cgroup::{CHILDREN_CONTROL, Kernel, PROCESSES, delegation::Machine, folders};

pub(super) const IMITATION: Kernel = Kernel { create, remove, write };
/// A process that cannot be moved.
pub(super) const UNMOVABLE: u32 = 666;

const CONTROLLERS: &str = "cgroup.controllers";
const MARK: &str = "user.delegate";
/// A file that only the root of the tree has, so that it can be found from below. It names the file that
/// cannot be written to, because permissions do not stop root, who may run these tests.
const ROOT: &str = "root";

/// A machine whose root enables `memory` for its children.
pub(super) struct Tree {
    home: TempDir,
    pid: u32,
}

impl Tree {
    pub(super) fn new(pid: u32) -> Self {
        let tree = Tree { home: tempfile::tempdir().unwrap(), pid };
        fs::create_dir_all(tree.home.path().join("proc/self")).unwrap();
        create(&tree.folder("")).unwrap();
        fs::write(tree.folder(ROOT), "").unwrap();
        fs::write(tree.folder(CONTROLLERS), "cpu memory pids\n").unwrap();
        fs::write(tree.folder(CHILDREN_CONTROL), "cpu memory pids\n").unwrap();
        fs::remove_file(tree.folder("cgroup.type")).unwrap();
        tree.process(pid, 1);
        tree
    }

    pub(super) fn folder(&self, name: &str) -> PathBuf {
        let root = self.home.path().join("cgroup");
        if name.is_empty() { root } else { root.join(name) }
    }

    /// Creates a cgroup with these processes.
    pub(super) fn cgroup(&self, name: &str, pids: &[u32]) {
        create(&self.folder(name)).unwrap();
        let pids: String = pids.iter().map(|pid| format!("{pid}\n")).collect();
        fs::write(self.folder(name).join(PROCESSES), pids).unwrap();
    }

    pub(super) fn mark(&self, name: &str) {
        fs::write(self.folder(name).join(MARK), "1").unwrap();
    }

    /// Refuses all writes to a file of a cgroup.
    pub(super) fn lock(&self, file: &str) {
        fs::write(self.folder(ROOT), self.folder(file).to_str().unwrap()).unwrap();
    }

    pub(super) fn process(&self, pid: u32, parent: u32) {
        let folder = self.home.path().join("proc").join(pid.to_string());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("status"), format!("Name:\tx\nPid:\t{pid}\nPPid:\t{parent}\n")).unwrap();
    }

    /// Returns the machine with the process in this cgroup.
    pub(super) fn machine(&self, cgroup: &str) -> Machine {
        self.machine_with(cgroup, &format!("0 1 0:1 / {} rw - cgroup2 cgroup2 rw\n", self.folder("").display()))
    }

    /// Returns the same with these lines of mountinfo.
    pub(super) fn machine_with(&self, cgroup: &str, mounts: &str) -> Machine {
        let proc = self.home.path().join("proc");
        fs::write(proc.join("self/cgroup"), format!("4:memory:/elsewhere\n0::{cgroup}\n")).unwrap();
        fs::write(proc.join("self/mountinfo"), mounts).unwrap();
        Machine { proc, pid: self.pid, can_write, is_marked: |folder| folder.join(MARK).exists() }
    }
}

fn can_write(path: &Path) -> bool {
    let locked = path.ancestors().find_map(|above| fs::read_to_string(above.join(ROOT)).ok());
    path.exists() && locked.is_some_and(|locked| Path::new(&locked) != path)
}

/// Returns the controllers that a file names.
fn names(cgroup: &Path, file: &str) -> Vec<String> {
    fs::read_to_string(cgroup.join(file)).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn is_on(cgroup: &Path, file: &str, controller: &str) -> bool {
    names(cgroup, file).iter().any(|name| name == controller)
}

fn create(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    for (file, value) in
        [("cgroup.type", "domain\n"), (PROCESSES, ""), (CHILDREN_CONTROL, ""), (CONTROLLERS, ""), ("cgroup.kill", "")]
    {
        fs::write(path.join(file), value)?;
    }
    match path.parent() {
        Some(above) => hand(path, &names(above, CHILDREN_CONTROL)),
        None => Ok(()),
    }
}

/// Enables controllers in a cgroup, with their files.
fn hand(path: &Path, controllers: &[String]) -> io::Result<()> {
    fs::write(path.join(CONTROLLERS), controllers.join(" "))?;
    for controller in controllers {
        let (limits, counts): (&[_], &[_]) = match controller.as_str() {
            "memory" => (&["memory.max", "memory.swap.max"], &["memory.oom.group", "memory.events", "memory.peak"]),
            "pids" => (&["pids.max"], &[]),
            _ => (&[], &[]),
        };
        limits.iter().try_for_each(|file| fs::write(path.join(file), "max\n"))?;
        counts.iter().try_for_each(|file| fs::write(path.join(file), "0\n"))?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let is_empty = fs::read_to_string(path.join(PROCESSES))?.is_empty();
    match is_empty && folders(path).next().is_none() {
        true => fs::remove_dir_all(path),
        false => Err(ErrorKind::ResourceBusy.into()),
    }
}

fn write(path: &Path, value: &str) -> io::Result<()> {
    let cgroup = path.parent().unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    fs::metadata(path)?;
    match (&*name, value) {
        (PROCESSES, pid) => move_to(cgroup, pid),
        (CHILDREN_CONTROL, change) => control(cgroup, change),
        ("cgroup.kill", "1") => fs::write(cgroup.join(PROCESSES), ""),
        _ => fs::write(path, value),
    }
}

/// Enables or disables a controller for the children of a cgroup.
fn control(cgroup: &Path, change: &str) -> io::Result<()> {
    let (sign, name) = change.split_at(1);
    let mut enabled = names(cgroup, CHILDREN_CONTROL);
    enabled.retain(|other| other != name);
    if sign == "-" {
        return match folders(cgroup).any(|below| is_on(&below, CHILDREN_CONTROL, name)) {
            true => Err(ErrorKind::ResourceBusy.into()),
            false => fs::write(cgroup.join(CHILDREN_CONTROL), enabled.join(" ")),
        };
    }
    if !is_on(cgroup, CONTROLLERS, name) {
        return Err(ErrorKind::NotFound.into());
    }
    if !fs::read_to_string(cgroup.join(PROCESSES))?.is_empty() {
        return Err(ErrorKind::ResourceBusy.into());
    }
    enabled.push(name.to_owned());
    fs::write(cgroup.join(CHILDREN_CONTROL), enabled.join(" "))?;
    folders(cgroup).try_for_each(|below| hand(&below, &enabled))
}

fn move_to(cgroup: &Path, pid: &str) -> io::Result<()> {
    let root = cgroup.ancestors().find(|path| path.join(ROOT).exists()).unwrap();
    match (cgroup != root && is_on(cgroup, CHILDREN_CONTROL, "memory"), pid == UNMOVABLE.to_string()) {
        (true, _) => return Err(ErrorKind::ResourceBusy.into()),
        (_, true) => return Err(ErrorKind::PermissionDenied.into()),
        _ => leave(root, pid)?,
    }
    let others = fs::read_to_string(cgroup.join(PROCESSES))?;
    fs::write(cgroup.join(PROCESSES), format!("{others}{pid}\n"))
}

/// Removes a process from its cgroup.
fn leave(cgroup: &Path, pid: &str) -> io::Result<()> {
    let pids = fs::read_to_string(cgroup.join(PROCESSES))?;
    let rest: String = pids.lines().filter(|other| *other != pid).map(|other| format!("{other}\n")).collect();
    fs::write(cgroup.join(PROCESSES), rest)?;
    folders(cgroup).try_for_each(|below| leave(&below, pid))
}
