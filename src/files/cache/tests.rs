//! What the cache keeps, and what it drops first.
use std::{
    fs,
    time::{Duration, SystemTime},
};

use super::*;
use crate::files::open::{Found, find};

fn write(root: &Path, name: &str, text: &str) {
    fs::write(root.join(name), text).expect("a file");
    let file = fs::File::options().write(true).open(root.join(name)).expect("the file");
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).expect("a time");
}

fn entry(root: &Path, name: &str) -> Arc<Entry> {
    let Ok(Some(Found::File(file))) = find(root, name) else { panic!("{name} is a file") };
    let media = HeaderValue::from_static("text/plain");
    Arc::new(Entry::read(root, name, name, file, media).expect("it can be read"))
}

fn names(cache: &Cache, root: &Path, names: &[&'static str]) -> Vec<&'static str> {
    names.iter().copied().filter(|name| cache.get(root, name).is_some()).collect()
}

#[test]
fn the_one_that_was_not_used_for_longest_goes_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let cache = Cache::new(2, 1000);
    for name in ["a", "b", "c"] {
        write(root, name, name);
    }
    cache.insert(entry(root, "a"));
    cache.insert(entry(root, "b"));
    assert!(cache.get(root, "a").is_some());
    cache.insert(entry(root, "c"));
    assert_eq!(names(&cache, root, &["a", "b", "c"]), ["a", "c"]);
}

#[test]
fn bytes_are_limited_and_given_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let cache = Cache::new(10, 10);
    for (name, text) in [("a", "1234"), ("b", "123456"), ("c", "12345"), ("d", "12345678901")] {
        write(root, name, text);
    }
    cache.insert(entry(root, "a"));
    cache.insert(entry(root, "b"));
    cache.insert(entry(root, "b"));
    assert_eq!(names(&cache, root, &["a", "b"]), ["a", "b"]);
    cache.insert(entry(root, "c"));
    assert_eq!(names(&cache, root, &["a", "b", "c"]), ["c"]);
    cache.insert(entry(root, "d"));
    assert_eq!(names(&cache, root, &["c", "d"]), ["c"], "what is too long for all of it drops nothing");
    fs::remove_file(root.join("c")).expect("the file");
    assert!(cache.get(root, "c").is_none());
    assert!(cache.entries().is_empty());
}

#[test]
fn the_same_name_in_another_folder_is_another_file() {
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    write(one.path(), "a", "1");
    write(two.path(), "a", "2");
    let cache = Cache::new(10, 10);
    cache.insert(entry(one.path(), "a"));
    assert!(cache.get(two.path(), "a").is_none());
    assert!(cache.get(one.path(), "a").is_some());
}

#[test]
fn a_change_of_length_time_or_file_is_noticed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let cache = Cache::new(10, 100);
    let check = |change: &dyn Fn()| {
        write(root, "a", "1");
        cache.insert(entry(root, "a"));
        assert!(cache.get(root, "a").is_some());
        change();
        assert!(cache.get(root, "a").is_none());
    };
    check(&|| fs::write(root.join("a"), "12").expect("a file"));
    check(&|| {
        write(root, "b", "2");
        fs::rename(root.join("b"), root.join("a")).expect("a file");
    });
    check(&|| fs::remove_file(root.join("a")).expect("a file"));
}
