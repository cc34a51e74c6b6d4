//! Responses as servers write them.

use super::{Answer, Expected};

const EXPECTED: Expected = Expected { content_type: "text/plain", body: "4711" };

fn check(text: &str) -> bool {
    Answer { text: text.to_owned() }.check(EXPECTED).is_ok()
}

#[test]
fn the_right_answer_passes() {
    assert!(check("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\n4711"));
}

#[test]
fn a_wrong_answer_fails() {
    for wrong in [
        "",
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n4711",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n4711",
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n4712",
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\n4711",
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n4711",
    ] {
        assert!(!check(wrong), "{wrong}");
    }
}
