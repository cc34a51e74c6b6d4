//! Both implementations refuse paths that lead out of the folder.
use std::io::Read;

use super::*;

type Open = fn(&Path, &str) -> io::Result<Option<fs::File>>;

const WAYS: [Open; 2] = [open, resolve_and_open];

fn text(open: Open, root: &Path, path: &str) -> Option<String> {
    let mut text = String::new();
    open(root, path).expect("the disk works")?.read_to_string(&mut text).expect("the file can be read");
    Some(text)
}

#[test]
fn what_lies_beneath_is_opened_and_what_is_absent_is_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("a")).expect("a folder");
    fs::write(root.join("a/b.txt"), "inside").expect("a file");
    fs::write(folder.path().join("secret"), "outside").expect("a file");
    for open in WAYS {
        assert_eq!(text(open, &root, "a/b.txt").as_deref(), Some("inside"));
        let too_long = "x".repeat(10_000);
        for absent in ["a/c.txt", "a/b.txt/c", "../secret", "a/../../secret", too_long.as_str()] {
            assert_eq!(text(open, &root, absent), None, "{absent}");
        }
        assert!(open(&folder.path().join("none"), "x").is_err(), "a missing root is a mistake");
    }
}

#[test]
fn links_are_followed_inside_only() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("a")).expect("a folder");
    fs::write(root.join("a/b.txt"), "inside").expect("a file");
    fs::write(folder.path().join("secret"), "outside").expect("a file");
    let links =
        [("in", "a/b.txt"), ("up", "../secret"), ("dir", ".."), ("loop", "loop"), ("proc", "/proc/self/root/etc")];
    for (name, target) in links {
        symlink(target, root.join(name)).expect("a link");
    }
    symlink(folder.path().join("secret"), root.join("absolute")).expect("a link");
    for open in WAYS {
        assert_eq!(text(open, &root, "in").as_deref(), Some("inside"));
        for outside in ["up", "dir/secret", "absolute", "proc/passwd"] {
            assert_eq!(text(open, &root, outside), None, "{outside}");
        }
    }
    assert_eq!(text(open, &root, "loop"), None);
}
