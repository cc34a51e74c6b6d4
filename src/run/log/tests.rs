//! A line of the log is one line, and its fields are those of the event, whatever their values hold.
use super::{harmless, is_plain, quoted};

#[test]
fn a_value_cannot_forge_a_line_or_a_field() {
    let line: String = "one\nERROR two\u{1b}[2J".chars().flat_map(harmless).collect();
    assert_eq!(line, "one\\nERROR two\\u{1b}[2J");
    let value: String = "x\" cause=\\ \n".chars().flat_map(quoted).collect();
    assert_eq!(value, "x\\\" cause=\\\\ \\n");
    for (text, plain) in [("SIGSEGV", true), ("1.5s", true), ("", false), ("a b", false), ("a=b", false), ("\"", false)]
    {
        assert_eq!(is_plain(text), plain, "{text:?}");
    }
}
