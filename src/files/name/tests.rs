//! Which names pass.
use super::*;

#[track_caller]
fn check(refused: &[&str], passed: &[&str]) {
    for name in refused {
        assert_eq!(Name::parse(name), None, "{name:?}");
    }
    for name in passed {
        assert!(Name::parse(name).is_some(), "{name:?}");
    }
}

#[test]
fn a_name_stays_in_its_folder_and_shows_no_hidden_file() {
    check(
        &[
            "..",
            "../x",
            "a/../b",
            "a/..",
            "a/../",
            ".",
            "./a",
            "/",
            "//",
            "/etc/passwd",
            "//host/share",
            "a//b",
            "a//",
            ".env",
            "a/.git/config",
            ".well-known/x",
            "...",
            "..\\x",
            "a\\b",
            "\\\\host\\share",
            "a\0.txt",
            "a\nb",
            "a\u{7f}",
        ],
        &["", "a", "a/", "a/b.txt", "a b", "ä/日本.txt", "a..b", "a.", "%2e%2e", "con", "12:30", "a~1"],
    );
}

#[test]
fn a_slash_at_the_end_means_a_folder() {
    assert_eq!(Name::parse("a/b/"), Some(Name { path: "a/b", is_folder: true }));
    assert_eq!(Name::parse("a/b"), Some(Name { path: "a/b", is_folder: false }));
    assert_eq!(Name::parse(""), Some(Name { path: "", is_folder: true }));
}
