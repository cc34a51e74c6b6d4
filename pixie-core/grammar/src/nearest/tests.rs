//! Which words are suggested, and which are not.
//!
//! The words are those of the attribute.
use super::nearest;

#[test]
fn a_slip_finds_the_word_and_another_word_finds_none() {
    let known = ["sync", "thread", "async", "pool", "stream", "GET", "DELETE"];
    let cases = [("snc", "sync"), ("theard", "thread"), ("Pool", "pool"), ("get", "GET"), ("steam", "stream")];
    for (word, meant) in cases {
        assert_eq!(nearest(word, &known), Some(meant), "{word}");
    }
    assert_eq!(nearest("hst", &["host", "hsts"]), Some("hsts"));
    for word in ["process", "x", "blocking", "row"] {
        assert_eq!(nearest(word, &known), None, "{word}");
    }
}
