//! Whether this process may create cgroups, and where.
//!
//! Owns reading `/proc` and the cgroup of the process. Only reads. Invariant: write access alone does not
//! count as delegation, because root can write to all cgroups, and a user to those of the whole session.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access, getxattr};

use super::{CHILDREN_CONTROL, PREFIX, PROCESSES, SERVER};

/// Limits the ancestors of a process that are read. More would be a loop in the values that were read.
const ANCESTORS_MAX: usize = 1000;

/// The cgroup below which others may be created.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) folder: PathBuf,
    /// Whether this process is in it and must leave it before it can enable `memory` for its children: the
    /// kernel's "no internal processes" rule (Documentation/admin-guide/cgroup-v2.rst). If not, the process
    /// is in a cgroup below, and stays there.
    pub(super) has_us: bool,
}

/// What `find` reads of a machine; tests imitate one.
pub(super) struct Machine {
    pub(super) proc: PathBuf,
    pub(super) pid: u32,
    pub(super) can_write: fn(&Path) -> bool,
    pub(super) is_marked: fn(&Path) -> bool,
}

/// A cgroup: its name in the kernel, and its folder.
pub(super) struct Cgroup {
    name: PathBuf,
    pub(super) folder: PathBuf,
}

impl Machine {
    pub(super) fn this() -> Self {
        Machine {
            proc: PathBuf::from("/proc"),
            pid: std::process::id(),
            can_write: |path| access(path, Access::WRITE_OK).is_ok(),
            is_marked,
        }
    }

    /// Returns the cgroup, or the reason why this process may not create any.
    pub(super) fn find(&self) -> Result<Base, String> {
        let own = self.own()?;
        let refusal = match self.check(&own).and_then(|()| self.check_own(&own)) {
            Ok(()) => return Ok(Base { folder: own.folder, has_us: true }),
            Err(why) => why,
        };
        // With systemd's `DelegateSubgroup=`, the server starts in a cgroup below. A server that another one
        // has started in its place is in the cgroup to which that one had moved, two below.
        let is_empty = |cgroup: &Cgroup| fs::read_to_string(cgroup.folder.join(PROCESSES)).is_ok_and(|p| p.is_empty());
        let above = own.parent();
        let above = if own.is_of_a_server() { above.and_then(|folder| folder.parent()) } else { above };
        match above {
            Some(parent) if !own.is_unit() && self.check(&parent).is_ok() && is_empty(&parent) => {
                Ok(Base { folder: parent.folder, has_us: false })
            }
            _ => Err(refusal),
        }
    }

    /// Returns the cgroup of this process.
    pub(super) fn own(&self) -> Result<Cgroup, String> {
        let read = |file: &str| fs::read_to_string(self.proc.join("self").join(file)).unwrap_or_default();
        let (cgroup, mounts) = (read("cgroup"), read("mountinfo"));
        let name = cgroup.lines().find_map(|line| line.strip_prefix("0::")).ok_or("this system has no cgroup v2")?;
        let folder = mounts.lines().filter_map(|line| folder_in(line, name)).find(|folder| folder.is_dir());
        let folder = folder.ok_or_else(|| format!("cgroup {name} is not mounted as cgroup2"))?;
        Ok(Cgroup { name: name.into(), folder })
    }

    fn check(&self, cgroup: &Cgroup) -> Result<(), String> {
        let (name, folder) = (cgroup.name.display(), &cgroup.folder);
        // Every cgroup except the root has this file.
        if !folder.join("cgroup.type").exists() {
            return Err(format!("cgroup {name} is the root cgroup"));
        }
        let files = [folder.clone(), folder.join(PROCESSES), folder.join(CHILDREN_CONTROL)];
        if !files.iter().all(|file| (self.can_write)(file)) {
            return Err(format!("cgroup {name} cannot be written to"));
        }
        if !self.is_given(cgroup) {
            return Err(format!("cgroup {name} was not delegated: with systemd, set Delegate=yes in the unit"));
        }
        let controllers = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        match controllers.split_whitespace().any(|controller| controller == "memory") {
            true => Ok(()),
            false => Err(format!("cgroup {name} has no memory controller")),
        }
    }

    /// Returns whether this cgroup was delegated: it is marked, it is the top of what a container sees, or
    /// this process can write to it and not to the one above.
    fn is_given(&self, cgroup: &Cgroup) -> bool {
        let is_top = cgroup.name == Path::new("/");
        let is_end = || cgroup.folder.parent().is_some_and(|above| !(self.can_write)(&above.join(PROCESSES)));
        is_top || (self.is_marked)(&cgroup.folder) || is_end()
    }

    fn check_own(&self, own: &Cgroup) -> Result<(), String> {
        let name = own.name.display();
        let pids = fs::read_to_string(own.folder.join(PROCESSES)).unwrap_or_default();
        match pids.lines().find(|pid| !self.is_ours(pid)) {
            Some(pid) => Err(format!("cgroup {name} has process {pid}, which this server has not started")),
            None => Ok(()),
        }
    }

    /// Returns whether a process is this one or a descendant. One outside of the container has the pid `0`.
    fn is_ours(&self, pid: &str) -> bool {
        let own = self.pid.to_string();
        let mut pid = pid.to_owned();
        for _ in 0..ANCESTORS_MAX {
            if pid == own {
                return true;
            }
            let status = fs::read_to_string(self.proc.join(&pid).join("status")).unwrap_or_default();
            match status.lines().find_map(|line| line.strip_prefix("PPid:")) {
                Some(parent) => pid = parent.trim().to_owned(),
                None => return false,
            }
        }
        false
    }
}

impl Cgroup {
    /// Returns whether systemd manages the cgroup. Then the one above belongs to another systemd.
    fn is_unit(&self) -> bool {
        self.name.extension().is_some_and(|kind| ["service", "scope", "slice"].iter().any(|unit| kind == *unit))
    }

    /// Returns whether a server has made the cgroup to move there.
    fn is_of_a_server(&self) -> bool {
        let mut names = self.name.iter().rev().map(|name| name.to_string_lossy());
        names.next().is_some_and(|name| name == SERVER) && names.next().is_some_and(|name| name.starts_with(PREFIX))
    }

    pub(super) fn parent(&self) -> Option<Cgroup> {
        Some(Cgroup { name: self.name.parent()?.to_owned(), folder: self.folder.parent()?.to_owned() })
    }
}

/// Returns the folder of a cgroup in a line of mountinfo: `36 25 0:30 ROOT POINT … - cgroup2 …`, where ROOT
/// is the part of the tree that is mounted at POINT.
fn folder_in(line: &str, name: &str) -> Option<PathBuf> {
    let (mount, system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    let below = Path::new(name).strip_prefix(root).ok().filter(|_| system.starts_with("cgroup2 "))?;
    // The path of a cgroup outside of the container starts with `..`.
    let is_inside = !below.components().any(|part| part == std::path::Component::ParentDir);
    is_inside.then(|| if below.as_os_str().is_empty() { point.into() } else { Path::new(point).join(below) })
}

/// Returns whether the cgroup has the attribute of systemd's `Delegate=`. Only root can read the second one.
fn is_marked(folder: &Path) -> bool {
    ["user.delegate", "trusted.delegate"].into_iter().any(|name| {
        let mut value = [0; 1];
        getxattr(folder, name, &mut value[..]).is_ok_and(|bytes| bytes == 1) && value == *b"1"
    })
}
