//! Writes the table of the scaffolds' files, so that a new file in `templates` needs no entry in a list.
//!
//! Each entry is a path below `templates`, with `/` between its parts, and the file's bytes.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("templates");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let entries = files.iter().map(|file| {
        let name = file.strip_prefix(&root).expect("it was found below the root");
        let name = name.to_string_lossy().replace('\\', "/");
        format!("    ({name:?}, include_bytes!({:?})),\n", file.display().to_string())
    });
    let table = format!("&[\n{}]\n", entries.collect::<String>());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("templates.rs"), table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}
