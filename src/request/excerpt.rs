//! Reads the lines of source code around the place of a failure, for the error page in development.
//!
//! It reads files, so it runs in development only, and reads only Rust source: the place comes from a worker,
//! which an attacker may have taken over.
use std::{env, fs, path::PathBuf};

use pixie_core::Excerpt;

/// Lines before and after the place.
const AROUND: usize = 6;
/// Limits the length of a file that is read, in bytes.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Returns the lines around a place, written as `file:line:column`, if the file exists.
pub(crate) fn around(place: Option<&str>) -> Option<Excerpt> {
    let mut parts = place?.rsplitn(3, ':');
    let (_column, line) = (parts.next()?, parts.next()?.parse::<usize>().ok()?);
    let path = find(parts.next()?)?;
    let text = fs::read_to_string(path).ok()?;
    let first = line.saturating_sub(AROUND).max(1);
    let lines: Vec<_> = text.lines().skip(first - 1).take(line + AROUND + 1 - first).map(str::to_owned).collect();
    (lines.len() > line - first).then_some(Excerpt::new(first, line, lines))
}

/// The compiler's paths are relative to the workspace. That is the working directory of the program or one of
/// its parents.
fn find(file: &str) -> Option<PathBuf> {
    if !file.ends_with(".rs") {
        return None;
    }
    let start = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).or_else(|| env::current_dir().ok())?;
    let mut candidates = start.ancestors().map(|folder| folder.join(file));
    candidates.find(|path| fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= BYTES_MAX))
}
