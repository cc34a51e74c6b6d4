//! Which paths lie under a prefix: by whole segments, in one spelling or another.
use pixie_core::Pattern;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("the test's pattern is one")
}

#[test]
fn a_pattern_is_under_a_prefix_by_whole_segments() {
    let cases = [
        ("/admin", true),
        ("/admin/", true),
        ("/admin/users", true),
        ("/admin/<id>", true),
        ("/admin/users/<rest:path>", true),
        ("/%61dmin/users", true),
        ("/administrator", false),
        ("/admin<id>", false),
        ("/<page>", false),
        ("/<rest:path>", false),
        ("/x/admin", false),
        ("/", false),
    ];
    for (text, expected) in cases {
        assert_eq!(pattern(text).is_under(&pattern("/admin")), expected, "{text}");
        assert!(pattern(text).is_under(&pattern("/")), "{text} is under `/`");
    }
}

#[test]
fn a_request_is_under_a_prefix_however_its_path_is_encoded() {
    let cases = [
        ("/admin", true),
        ("/admin/x", true),
        ("/%61dmin/x", true),
        ("/admin%2Fx", false),
        ("/administrator", false),
        ("/admin%", false),
        ("/", false),
    ];
    for (path, expected) in cases {
        assert_eq!(pattern("/admin").covers(path), expected, "{path}");
    }
}
