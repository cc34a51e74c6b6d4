//! Observes other processes through Linux's `/proc`.
//!
//! A process that exits during the observation is left out.

use std::{fs, path::Path, time::Duration};

/// One process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// The process id of its parent.
    pub parent: u32,
    /// Its state: `R` running, `S` waiting, `Z` exited and not waited for, and others.
    pub state: char,
    /// The processor that it ran on last.
    pub processor: u32,
    /// The memory that it uses, in bytes.
    pub resident: u64,
    /// The processor time that it has used.
    pub used: Duration,
}

/// Returns the children of a process, including exited ones that it has not waited for.
pub fn children(parent: u32) -> Vec<Process> {
    all().filter(|process| process.parent == parent).collect()
}

/// Returns the children of a process, their children, and so on.
pub fn descendants(ancestor: u32) -> Vec<Process> {
    let all: Vec<Process> = all().collect();
    let (mut found, mut next) = (Vec::new(), vec![ancestor]);
    while let Some(parent) = next.pop() {
        let children = all.iter().filter(|process| process.parent == parent);
        next.extend(children.clone().map(|process| process.pid));
        found.extend(children);
    }
    found
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(process)
}

/// Returns one process, if it exists.
pub fn process(pid: u32) -> Option<Process> {
    parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Returns how many file descriptors a process has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Returns how many files and folders lie below a folder.
pub fn files_below(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| 1 + if entry.path().is_dir() { files_below(&entry.path()) } else { 0 }).sum()
}

fn parse(pid: u32, stat: &str) -> Option<Process> {
    const PAGE_BYTES: u64 = 4096;
    // Linux always counts in this unit, independent of its timer.
    const TICK: Duration = Duration::from_millis(10);
    // The name in parentheses may contain any character. The text after the last parenthesis is regular and
    // starts with field 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    let ticks = field(14)?.parse::<u32>().ok()?.saturating_add(field(15)?.parse().ok()?);
    Some(Process {
        pid,
        parent: field(4)?.parse().ok()?,
        state: field(3)?.chars().next()?,
        processor: field(39)?.parse().ok()?,
        resident: field(24)?.parse::<u64>().ok()? * PAGE_BYTES,
        used: TICK * ticks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let numbers: Vec<String> = (5..=52).map(|number| number.to_string()).collect();
        let stat = format!("7 (a) b (c)) Z 4 {}", numbers.join(" "));
        let used = Duration::from_millis((14 + 15) * 10);
        let expected = Process { pid: 7, parent: 4, state: 'Z', processor: 39, resident: 24 * 4096, used };
        assert_eq!(parse(7, &stat), Some(expected));
    }

    #[test]
    fn a_child_is_a_descendant() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        assert!(descendants(std::process::id()).iter().any(|process| process.pid == child.id()));
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn this_process_has_descriptors_and_memory() {
        let own = process(std::process::id()).unwrap();
        assert!(own.resident > 0 && descriptors(own.pid) > 0);
    }
}
