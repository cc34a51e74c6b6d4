//! Names that cargo or a later build would refuse, and the suggestions.

use super::{refusal, suggestion};

#[test]
fn names_that_work_are_accepted() {
    for name in ["blog", "my-app", "my_app", "a", "App2", "tests", "pixie-blog"] {
        assert_eq!(refusal(name), None, "{name}");
    }
}

#[test]
fn a_refused_name_comes_with_one_that_is_accepted() {
    let cases = [
        ("", "my-app"),
        ("-", "my-app"),
        ("...", "my-app"),
        ("_", "my-app"),
        ("fn", "fn-app"),
        ("self", "self-app"),
        ("gen", "gen-app"),
        ("test", "test-app"),
        ("std", "std-app"),
        ("proc-macro", "proc-macro-app"),
        ("deps", "deps-app"),
        ("CON", "con-app"),
        ("123abc", "app-123abc"),
        ("My App", "my-app"),
        ("foo.bar", "foo-bar"),
        ("lock Firmware", "lock-firmware"),
        ("naïve", "nave"),
        ("-x", "x"),
        ("日本", "my-app"),
    ];
    for (name, expected) in cases {
        assert!(refusal(name).is_some(), "{name}");
        assert_eq!(suggestion(name), expected, "for {name}");
        assert_eq!(refusal(&suggestion(name)), None, "for {name}");
    }
}
