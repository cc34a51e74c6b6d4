//! Replays the inputs that the fuzzer has kept. The tests of each crate with fuzz targets include this file.
//!
//! The corpus of a target is a plain `ustar` archive, so that a thousand small inputs are ten files.
use std::{
    fs,
    path::{Path, PathBuf},
};

type Target = fn(&[u8]);

/// Blocks are the unit of the format: a header is one, and contents are padded to whole ones.
const BLOCK_BYTES: usize = 512;

/// Runs a target on its corpus.
pub(super) fn replay_corpus(name: &str, target: Target) {
    let path = folder().join("corpus").join(name).with_extension("tar");
    let archive = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let inputs = unpack(&archive).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(inputs.len() > 10, "the corpus of {name} has {} inputs", inputs.len());
    for (input, bytes) in inputs {
        // Shown if the target panics.
        println!("{name}/{input}");
        target(bytes);
    }
}

/// Runs a target on the inputs that once were findings.
pub(super) fn replay_regressions(name: &str, target: Target) {
    let path = folder().join("regressions").join(name);
    let files = fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let count = files
        .map(|file| {
            let path = file.expect("a folder can be read").path();
            println!("{}", path.display());
            target(&fs::read(&path).expect("an input can be read"));
        })
        .count();
    assert!(count > 0, "{} is empty", path.display());
}

/// Returns the names and contents of the files in an archive.
fn unpack(mut archive: &[u8]) -> Result<Vec<(String, &[u8])>, String> {
    let mut files = Vec::new();
    loop {
        let (header, rest) = archive.split_at_checked(BLOCK_BYTES).ok_or("the archive has no end")?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        let name = String::from_utf8_lossy(&header[..100]).trim_end_matches('\0').to_owned();
        let (before, sum, behind) = (&header[..148], octal(&header[148..156]), &header[156..]);
        let bytes = before.iter().chain(behind).chain(&[b' '; 8]);
        if sum != Some(bytes.map(|byte| usize::from(*byte)).sum()) {
            return Err(format!("the header of `{name}` is damaged"));
        }
        if behind[0] != b'0' {
            return Err(format!("`{name}` is not a regular file"));
        }
        let size = octal(&header[124..136]).ok_or_else(|| format!("the size of `{name}` is not a number"))?;
        let content = rest.get(..size).ok_or_else(|| format!("`{name}` is cut off"))?;
        files.push((name, content));
        archive = rest.get(size.next_multiple_of(BLOCK_BYTES)..).unwrap_or_default();
    }
}

/// Returns the value of a header's field: octal digits, ended by a zero or a space.
fn octal(field: &[u8]) -> Option<usize> {
    let text = str::from_utf8(field).ok()?;
    usize::from_str_radix(text.trim_end_matches(['\0', ' ']), 8).ok()
}

/// Returns `tests/fuzz`, which lies in the root of the workspace.
fn folder() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    crates.map(|folder| folder.join("tests/fuzz")).find(|folder| folder.is_dir()).expect("tests/fuzz is in a checkout")
}

#[test]
fn a_damaged_archive_is_refused() {
    let mut header = [0; BLOCK_BYTES];
    header[..4].copy_from_slice(b"name");
    header[124..135].copy_from_slice(b"00000000005");
    header[156] = b'0';
    header[148..156].fill(b' ');
    let sum: usize = header.iter().map(|byte| usize::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(b"bytes");
    archive.resize(4 * BLOCK_BYTES, 0);
    assert_eq!(unpack(&archive), Ok(vec![("name".to_owned(), &b"bytes"[..])]));

    assert_eq!(unpack(&archive[..2 * BLOCK_BYTES]), Err("the archive has no end".to_owned()));
    assert_eq!(unpack(&archive[..BLOCK_BYTES + 3]), Err("`name` is cut off".to_owned()));
    let damaged = |at: usize| {
        let mut archive = archive.clone();
        archive[at] = b'1';
        unpack(&archive).expect_err("the archive is damaged")
    };
    assert_eq!(damaged(3), "the header of `nam1` is damaged");
    assert_eq!(damaged(130), "the header of `name` is damaged");
}
