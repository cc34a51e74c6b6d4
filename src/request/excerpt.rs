//! The lines of source code around the place of a failure, for the page that developers see.
//!
//! It reads files, so it is asked in development only, and only for Rust source: a worker names the place, and a worker
//! may be taken over.
use std::{env, fs, path::PathBuf};

use pixie_core::Excerpt;

/// Lines before and after the place.
const AROUND: usize = 6;
/// The longest file that is read.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Returns the lines around a place, written as `file:line:column`, if the file is found.
pub(crate) fn around(place: Option<&str>) -> Option<Excerpt> {
    let mut parts = place?.rsplitn(3, ':');
    let (_column, line) = (parts.next()?, parts.next()?.parse::<usize>().ok()?);
    let path = find(parts.next()?)?;
    let text = fs::read_to_string(path).ok()?;
    let first = line.saturating_sub(AROUND).max(1);
    let lines: Vec<_> = text.lines().skip(first - 1).take(line + AROUND + 1 - first).map(str::to_owned).collect();
    (lines.len() > line - first).then_some(Excerpt { first, marked: line, lines })
}

/// The compiler names files from the workspace's folder, which is the program's own or one above.
fn find(file: &str) -> Option<PathBuf> {
    if !file.ends_with(".rs") {
        return None;
    }
    let start = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).or_else(|| env::current_dir().ok())?;
    let mut candidates = start.ancestors().map(|folder| folder.join(file));
    candidates.find(|path| fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= BYTES_MAX))
}
