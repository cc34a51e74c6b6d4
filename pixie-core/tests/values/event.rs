//! The text of server-sent events, by the rules of the HTML standard.
use std::time::Duration;

use pixie_core::{Bytes, Event};

fn check(event: Event, expected: &str) {
    assert_eq!(Bytes::from(event), expected);
}

#[test]
fn each_field_is_a_line_and_an_empty_line_ends_the_event() {
    check(Event::data("hello"), "data: hello\n\n");
    check(Event::data(""), "data: \n\n");
    check(
        Event::data("x").event("note").id("7").retry(Duration::from_secs(3)),
        "data: x\nevent: note\nid: 7\nretry: 3000\n\n",
    );
    check(Event::comment("still here"), ": still here\n\n");
    check(Event::json(&[1, 2]).expect("numbers are JSON"), "data: [1,2]\n\n");
}

#[test]
fn each_kind_of_line_break_begins_a_line_of_data() {
    for text in ["one\ntwo", "one\rtwo", "one\r\ntwo"] {
        check(Event::data(text), "data: one\ndata: two\n\n");
    }
    check(Event::data("one\n\n"), "data: one\ndata: \ndata: \n\n");
    check(Event::comment("one\rdata: two"), ": one\n: data: two\n\n");
}

#[test]
fn a_value_cannot_begin_another_field() {
    check(Event::data("x").event("a\ndata: forged"), "data: x\nevent: adata: forged\n\n");
    check(Event::data("x").id("1\r\n\r\ndata: forged"), "data: x\nid: 1data: forged\n\n");
    check(Event::data("x").id("1\0"), "data: x\nid: 1\n\n");
}

#[test]
fn a_leading_space_of_a_value_survives() {
    check(Event::data(" x"), "data:  x\n\n");
}
