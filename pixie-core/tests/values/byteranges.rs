//! The framing of partial bodies (RFC 9110, section 14.6).
use std::ops::Range;

use pixie_core::{Bytes, HeaderValue, PartialBody, Response};

const MEDIA: HeaderValue = HeaderValue::from_static("text/plain");

fn partial(parts: &[Range<u64>]) -> (Response, Bytes) {
    let plan = PartialBody::new(parts, 10, Some(&MEDIA), "xyz");
    let body = plan.collect(&Bytes::from_static(b"0123456789"));
    assert_eq!(plan.length(), body.len() as u64, "the length is known before the body");
    let mut response = Response::new("").content_type("text/plain");
    plan.write_head(&mut response);
    assert_eq!(response.status().as_u16(), 206);
    (response, body)
}

#[test]
fn one_part_is_sent_as_it_is() {
    let (response, body) = partial(&[Range { start: 2, end: 5 }]);
    assert_eq!(body, "234");
    assert_eq!(response.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(response.headers()["content-type"], "text/plain");
}

#[test]
fn several_parts_are_framed_with_their_own_heads() {
    let (response, body) = partial(&[0..1, 8..10]);
    assert_eq!(
        body,
        "\r\n--xyz\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-0/10\r\n\r\n0\
         \r\n--xyz\r\ncontent-type: text/plain\r\ncontent-range: bytes 8-9/10\r\n\r\n89\
         \r\n--xyz--\r\n"
    );
    assert_eq!(response.headers()["content-type"], "multipart/byteranges; boundary=xyz");
    assert!(!response.headers().contains_key("content-range"));
}
