//! Requests and responses as the layer sees them, before and after.
use std::{
    convert::Infallible,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use pixie_core::Body;

use super::{HttpRequest, HttpResponse, Wanted, injected, wanted};

const TAG: &str = "<script>";
const PAGE: &str = "<!doctype html><p>hi";

/// A body of which nobody knows the length.
struct Pieces(std::vec::IntoIter<&'static str>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }
}

fn stream(pieces: &[&'static str]) -> Body {
    let owned = pieces.to_vec();
    Body::new(Pieces(owned.into_iter()))
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> HttpResponse {
    let start = http::Response::builder().status(status);
    let builder = headers.iter().fold(start, |builder, (name, value)| builder.header(*name, *value));
    builder.body(body.into()).expect("a response")
}

fn pass(response: HttpResponse, wanted: Wanted) -> (http::response::Parts, String) {
    let (head, body) = injected(response, wanted, Bytes::from_static(TAG.as_bytes())).into_parts();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let bytes = runtime.block_on(pin!(body).collect()).expect("the body ends").to_bytes();
    (head, String::from_utf8_lossy(&bytes).into_owned())
}

const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

#[test]
fn a_page_gets_the_script_after_its_last_byte_and_is_not_kept() {
    let (head, text) = pass(answer(200, &[HTML, ("content-length", "20"), ("etag", "\"1\"")], PAGE), Wanted::Page);
    assert_eq!(text, format!("{PAGE}{TAG}"));
    assert_eq!(head.headers["content-length"], "28");
    assert_eq!(head.headers["cache-control"], "no-store");
    assert!(!head.headers.contains_key("etag"));
}

#[test]
fn a_streamed_page_gets_it_after_its_last_piece() {
    let (head, text) = pass(answer(200, &[HTML], stream(&["<html>", "", "hi"])), Wanted::Page);
    assert_eq!(text, "<html>hi<script>");
    assert!(!head.headers.contains_key("content-length"));
    let sized = answer(200, &[HTML, ("content-length", "8")], stream(&["<html>hi"]));
    let (head, text) = pass(sized, Wanted::Page);
    assert!(!head.headers.contains_key("content-length"));
    assert_eq!(text, "<html>hi<script>");
}

#[test]
fn where_the_client_does_not_say_the_first_bytes_decide() {
    let cases = [(PAGE, true), ("\n <HTML lang=en>", true), ("<li>one", false), ("", false)];
    for (text, is_page) in cases {
        assert_eq!(pass(answer(200, &[HTML], text), Wanted::Unsaid).1.ends_with(TAG), is_page, "{text}");
        let (head, body) = pass(answer(200, &[HTML, ("content-length", "9")], stream(&["", text])), Wanted::Unsaid);
        assert_eq!(body.ends_with(TAG), is_page, "{text}");
        assert!(!head.headers.contains_key("content-length"));
    }
}

#[test]
fn what_is_no_page_stays_as_it_is() {
    let json = [("content-type", "application/json")];
    let packed = [HTML, ("content-encoding", "gzip")];
    let cases: [(u16, &[(&str, &str)]); 6] =
        [(200, &json), (200, &[]), (200, &packed), (204, &[HTML]), (206, &[HTML]), (304, &[HTML])];
    for (status, headers) in cases {
        assert_eq!(pass(answer(status, headers, PAGE), Wanted::Page).1, PAGE, "{status} {headers:?}");
    }
    assert_eq!(pass(answer(200, &[HTML], PAGE), Wanted::Other).1, PAGE);
}

#[test]
fn only_requests_for_a_whole_page_are_meant() {
    type Headers<'h> = &'h [(&'h str, &'h str)];
    let cases: [(&str, Headers<'_>, Wanted); 6] = [
        ("GET", &[("sec-fetch-dest", "document")], Wanted::Page),
        ("POST", &[("sec-fetch-dest", "iframe")], Wanted::Page),
        ("GET", &[], Wanted::Unsaid),
        ("GET", &[("sec-fetch-dest", "empty")], Wanted::Other),
        ("GET", &[("sec-fetch-dest", "document"), ("range", "bytes=0-1")], Wanted::Other),
        ("HEAD", &[("sec-fetch-dest", "document")], Wanted::Other),
    ];
    for (method, headers, expected) in cases {
        let start = http::Request::builder().method(method);
        let builder = headers.iter().fold(start, |builder, (name, value)| builder.header(*name, *value));
        let request: HttpRequest = builder.body(Body::empty()).expect("a request");
        assert_eq!(wanted(&request), expected, "{method} {headers:?}");
    }
}
