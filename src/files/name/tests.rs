//! Which names pass, here and on Windows.
use super::*;

#[track_caller]
fn check(system: System, refused: &[&str], passed: &[&str]) {
    for name in refused {
        assert_eq!(Name::parse(name, system), None, "{name:?}");
    }
    for name in passed {
        assert!(Name::parse(name, system).is_some(), "{name:?}");
    }
}

#[test]
fn a_name_stays_in_its_folder_and_shows_no_hidden_file() {
    check(
        System::Other,
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
fn windows_has_no_drives_streams_and_devices() {
    check(
        System::Windows,
        &[
            "C:",
            "C:/x",
            "c:x",
            "a:b",
            "a.txt::$DATA",
            "con",
            "CON",
            "a/nul.txt",
            "com1",
            "LPT9.log",
            "COM¹",
            "aux ",
            "a.",
            "a ",
            "a/b. /c",
            "a?",
            "a*",
        ],
        &["", "a.txt", "com", "com10", "console", "a/nullable.txt"],
    );
}

#[test]
fn a_slash_at_the_end_means_a_folder() {
    assert_eq!(Name::parse("a/b/", System::Other), Some(Name { path: "a/b", is_folder: true }));
    assert_eq!(Name::parse("a/b", System::Other), Some(Name { path: "a/b", is_folder: false }));
    assert_eq!(Name::parse("", System::Other), Some(Name { path: "", is_folder: true }));
}
