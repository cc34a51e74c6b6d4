//! How much memory this process and its workers can still get.
//!
//! Only reads. Invariant: a limit that cannot be read counts as no limit.

use std::{fs, iter::successors, path::Path};

use super::delegation::{Cgroup, Machine};

/// Returns the bytes that the machine has available, or fewer if a cgroup above this process has fewer.
pub(crate) fn available_bytes() -> Option<u64> {
    of(&Machine::this())
}

fn of(machine: &Machine) -> Option<u64> {
    let memory = fs::read_to_string(machine.proc.join("meminfo")).unwrap_or_default();
    let of_machine = field(&memory, "MemAvailable:").and_then(|kib| kib.checked_mul(1024));
    let groups = successors(machine.own().ok(), Cgroup::parent).filter_map(|group| of_group(&group.folder));
    of_machine.into_iter().chain(groups).min()
}

/// Returns what a cgroup with a limit has left. Before the kernel refuses memory, it frees
/// the pages of files that were not read for some time.
fn of_group(folder: &Path) -> Option<u64> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    // `max` stands for no limit.
    let limit: u64 = read("memory.max").trim().parse().ok()?;
    let used: u64 = read("memory.current").trim().parse().ok()?;
    let of_files = field(&read("memory.stat"), "inactive_file").unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(of_files)))
}

/// Returns the number after a name.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next())?;
    line.parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    /// Returns what is available to a process in the cgroup `/a/b` of a machine with 1000 KiB, where these files
    /// have these texts.
    fn available(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        let groups = root.path().join("cgroup");
        let mounts = format!("36 25 0:30 / {} rw - cgroup2 cgroup2 rw", groups.display());
        let of_process = [
            ("proc/meminfo", "MemTotal: 9999 kB\nMemAvailable:    1000 kB\n"),
            ("proc/self/cgroup", "1:cpu:/x\n0::/a/b\n"),
            ("proc/self/mountinfo", &mounts),
        ];
        fs::create_dir_all(groups.join("a/b")).unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        of_process.iter().chain(files).for_each(|(file, text)| fs::write(root.path().join(file), text).unwrap());
        of(&Machine { proc: root.path().join("proc"), ..Machine::this() })
    }

    #[test]
    fn the_smallest_of_the_machine_and_the_cgroups_above_a_process_counts() {
        let own = |limit, used| [("cgroup/a/b/memory.max", limit), ("cgroup/a/b/memory.current", used)];
        let above = [("cgroup/a/memory.max", "500000"), ("cgroup/a/memory.current", "499000")];
        assert_eq!(available(&[]), Some(1_024_000));
        assert_eq!(available(&own("max\n", "7")), Some(1_024_000));
        assert_eq!(available(&own("1000000\n", "300000\n")), Some(700_000));
        assert_eq!(available(&[own("1000000", "300000"), above].concat()), Some(1000));
        assert_eq!(available(&own("1000", "3000")), Some(0));
        let cached = [("cgroup/a/b/memory.stat", "anon 5\ninactive_file 100000\n")];
        assert_eq!(available(&[&own("1000000", "300000")[..], &cached].concat()), Some(800_000));
    }

    #[test]
    fn this_machine_says_what_it_has() {
        assert!(available_bytes().is_some_and(|bytes| bytes > 1024 * 1024));
    }
}
