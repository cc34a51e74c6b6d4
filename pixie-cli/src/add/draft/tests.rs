//! Files that are written all or none.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::Draft;

/// A folder with the file `old`, and a draft that changes it between two new files.
fn draft(folder: &Path) -> Draft {
    fs::write(folder.join("old"), "one\n").expect("a file");
    let mut draft = Draft::new(folder.to_owned());
    draft.create("new/first", "1\n".into()).expect("a new file");
    draft.set("old", "one\ntwo\n".into()).expect("a file that exists");
    draft.create("last", "3\n".into()).expect("a new file");
    draft
}

/// Returns the names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("a file")
}

#[test]
fn all_files_are_written_and_nothing_else_is_left() {
    let folder = TempDir::new().expect("a folder");
    draft(folder.path()).write().expect("it can be written");
    assert_eq!(names(folder.path()), ["last", "new", "old"]);
    assert_eq!((text(folder.path(), "new/first"), text(folder.path(), "old")), ("1\n".into(), "one\ntwo\n".into()));
}

#[test]
fn a_move_that_fails_takes_the_moves_before_it_back() {
    let folder = TempDir::new().expect("a folder");
    let (draft, mut folders) = (draft(folder.path()), Vec::new());
    let staged = draft.stage(&mut folders).expect("all texts can be written");
    // Another program is faster.
    fs::write(folder.path().join("last"), "theirs").expect("a file");
    let error = draft.commit(staged).expect_err("the place is taken");
    assert!(error.message.contains("file exists"), "{error:?}");
    assert_eq!(names(folder.path()), ["last", "new", "old"]);
    assert_eq!(names(&folder.path().join("new")), [""; 0]);
    assert_eq!((text(folder.path(), "last"), text(folder.path(), "old")), ("theirs".into(), "one\n".into()));
}

#[test]
fn a_file_that_changed_after_it_was_read_is_kept() {
    let folder = TempDir::new().expect("a folder");
    let draft = draft(folder.path());
    fs::write(folder.path().join("old"), "edited\n").expect("a file");
    let error = draft.write().expect_err("it would undo the edit");
    assert!(error.message.contains("has changed meanwhile"), "{error:?}");
    assert_eq!((names(folder.path()), text(folder.path(), "old")), (vec!["old".to_owned()], "edited\n".into()));
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = TempDir::new().expect("a folder");
    let mode = |name: &str| fs::metadata(folder.path().join(name)).expect("a file").permissions().mode() & 0o777;
    let draft = draft(folder.path());
    fs::rename(folder.path().join("old"), folder.path().join("target")).expect("a file");
    symlink("target", folder.path().join("old")).expect("a link");
    fs::set_permissions(folder.path().join("target"), PermissionsExt::from_mode(0o640)).expect("a file");
    draft.write().expect("it can be written");
    assert!(folder.path().join("old").is_symlink());
    assert_eq!((text(folder.path(), "target"), mode("target")), ("one\ntwo\n".into(), 0o640));
    fs::write(folder.path().join("ordinary"), "").expect("a file");
    assert_eq!(mode("last"), mode("ordinary"));
}

#[test]
fn a_second_run_finishes_the_first() {
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join("new")).expect("a folder");
    fs::write(folder.path().join("new/first"), "1\n").expect("a file");
    let draft = draft(folder.path());
    assert_eq!(draft.files().count(), 2, "the first file is there already");
    draft.write().expect("it can be written");
}
