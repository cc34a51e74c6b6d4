//! Heads survive the way there and back, and hostile bytes are an error, never a panic.
use http::{HeaderValue, Method, StatusCode, header};
use pixie_core::{
    Body, Bytes, Cookies, Error, Headers, Needs, Parts, Query, Request, RequestId, Response, Scheme, Upload,
    plumbing::{PartHead, SpooledFile},
};

use super::{
    JobBody, Malformed, decode_parts, decode_request, decode_response, encode_parts, encode_request, encode_response,
};

fn request() -> Request {
    let mut request = Request::new(Method::POST, "/a%20b?q=1".parse().expect("a target"));
    request.headers_mut().insert(header::COOKIE, HeaderValue::from_static("a=1"));
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("secret"));
    request.plumbing_mut().id = RequestId::new("7b1f-2");
    request.plumbing_mut().scheme = Scheme::Https;
    request.plumbing_mut().peer = Some("[::1]:80".parse().expect("an address"));
    request
}

fn travelled(needs: &Needs) -> Request {
    let (request, body) = decode_request(&encode_request(&request(), needs, false)).expect("our own head can be read");
    assert_eq!(body, JobBody::Bytes);
    request
}

#[test]
fn only_what_the_handler_reads_travels() {
    let bare = travelled(&Needs::default());
    assert_eq!((bare.verb(), bare.path(), bare.query(), bare.peer()), ("POST", "/a%20b", None, None));
    assert_eq!((bare.id(), bare.scheme()), (None, Scheme::Https));
    assert!(bare.headers().is_empty());
    let some = travelled(&Needs::default().extractor::<Cookies>().extractor::<Query<()>>());
    assert_eq!((some.query(), some.header("cookie"), some.header("authorization")), (Some("q=1"), Some("a=1"), None));
    let all = travelled(&Needs::default().extractor::<Headers>());
    assert_eq!(all.headers(), request().headers());
    assert_eq!((all.peer(), all.id()), (request().peer(), request().id()));
    let id = travelled(&Needs::default().extractor::<RequestId>());
    assert_eq!(id.id(), request().id());
}

fn parts() -> Parts {
    let head = |name: &str| PartHead { name: name.into(), file_name: Some("../f".into()), content_type: None };
    let spooled = SpooledFile::lent("/nowhere/spooled".into());
    let fields = [("a", "1"), ("a", "ü")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let small = PartHead { content_type: Some("text/plain".into()), ..head("small") };
    let files = vec![Upload::in_memory(small, Bytes::from("abc")), Upload::in_file(head("large"), spooled, 1 << 40)];
    Parts::new(fields.into_iter().collect(), files)
}

#[test]
fn the_parts_of_a_form_travel_a_large_file_as_its_path() {
    let mut request = request();
    request.plumbing_mut().parts = Some(Box::new(parts()));
    let (_, body) =
        decode_request(&encode_request(&request, &Needs::default(), false)).expect("our own head can be read");
    assert_eq!(body, JobBody::Parts);
    let read = decode_parts(&encode_parts(&parts())).expect("our own parts can be read");
    assert_eq!(read.fields, parts().fields);
    let seen = |file: &Upload| {
        (file.field().to_owned(), file.raw_file_name().to_owned(), file.content_type().map(str::to_owned), file.len())
    };
    assert_eq!(read.files.iter().map(seen).collect::<Vec<_>>(), parts().files.iter().map(seen).collect::<Vec<_>>());
    assert_eq!(read.files[0].bytes().expect("it is in memory"), "abc");
    assert_eq!(read.files[1].path(), parts().files[1].path());
}

#[test]
fn cut_and_changed_parts_never_panic() {
    let body = encode_parts(&parts());
    for length in 0..body.len() {
        let _ = decode_parts(&body.slice(..length));
    }
    for (at, bit) in (0..body.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut changed = body.to_vec();
        changed[at] ^= 1 << bit;
        let _ = decode_parts(&changed.into());
    }
    assert_eq!(decode_parts(&Bytes::from_static(&[9])).map(drop), Err(Malformed));
}

#[test]
fn an_answer_keeps_its_status_headers_and_failure() {
    let response = Response::new(Body::empty()).code(201).header("x-one", "1").header("set-cookie", "a=1");
    let (read, _) = decode_response(&encode_response(&response, None), None).expect("our own head can be read");
    assert_eq!((read.status(), read.headers()), (response.status(), response.headers()));
    let error = Error::new(StatusCode::CONFLICT).with_detail("taken").with_chain(vec!["one".into(), "two".into()]);
    let (read, _) = decode_response(&encode_response(&error.into(), None), None).expect("our own head can be read");
    let error = read.error().expect("it stands for a failure");
    assert_eq!((error.status(), error.detail(), error.chain().len()), (StatusCode::CONFLICT, Some("taken"), 2));
    assert!(error.place().is_some_and(|place| place.contains("tests.rs")));
}

#[test]
fn the_data_of_an_error_travel_and_of_its_cause_the_type() {
    let error = Error::from(std::io::Error::other("no disk")).with_data("disk", &7).with_field("size", "is too large");
    let (read, _) = decode_response(&encode_response(&error.into(), None), None).expect("our own head can be read");
    let error = read.error().expect("it stands for a failure");
    assert_eq!((error.data::<u8>("disk"), error.data::<String>("disk")), (Some(7), None));
    assert!(error.data::<serde_json::Value>("errors").is_some_and(|errors| errors["size"][0] == "is too large"));
    assert!(error.downcast_ref::<std::fmt::Error>().is_none() && error.missed_type().is_none());
    assert!(error.downcast_ref::<std::io::Error>().is_none());
    assert_eq!(error.missed_type(), Some("std::io::error::Error"));
}

#[test]
fn headers_that_frame_the_message_do_not_come_from_a_worker() {
    let hostile =
        Response::new(Body::empty()).header("content-length", "5").header("connection", "x-one").header("te", "a");
    let (read, length) = decode_response(&encode_response(&hostile, None), None).expect("it is well-formed");
    assert!(read.headers().is_empty(), "{:?}", read.headers());
    assert_eq!(length, Some(5), "what it announces is judged by its body");
}

#[test]
fn cut_and_changed_heads_never_panic() {
    let heads = [
        encode_request(&request(), &Needs::default().extractor::<Headers>(), false),
        encode_response(&Error::from(std::fmt::Error).with_data("a", &[1]).into(), None),
    ];
    for head in &heads {
        for length in 0..head.len() {
            let _ = decode_request(&head[..length]);
            let _ = decode_response(&head[..length], None);
        }
        for at in 0..head.len() {
            for bit in 0..8 {
                let mut changed = head.to_vec();
                changed[at] ^= 1 << bit;
                let _ = decode_request(&changed);
                let _ = decode_response(&changed, None);
            }
        }
    }
    assert_eq!(decode_response(&[], None).map(drop), Err(Malformed));
}

#[cfg(feature = "sessions")]
#[test]
fn a_session_travels_to_a_worker_that_reads_it_and_its_changes_travel_back() {
    use pixie_core::{FromRequest as _, Session};

    use crate::table::sessions::OpenSession;

    let read = |request: &mut Request| Session::from_request(request).ok();
    let (mut request, needs) = (request(), Needs::default().extractor::<Session>());
    let opened = OpenSession::receive(&mut request, br#"{"id":null,"values":{"a":1},"limit":null,"failure":null}"#);
    assert!(opened.is_some());
    let (mut without, _) = decode_request(&encode_request(&request, &Needs::default(), false)).expect("it is a head");
    assert!(read(&mut without).is_none());
    let (mut with, _) = decode_request(&encode_request(&request, &needs, false)).expect("it is a head");
    let session = read(&mut with).expect("it has a session");
    assert_eq!(session.get::<u8>("a").ok(), Some(Some(1)));
    session.set("b", "two").expect("it is open");
    let head = encode_response(&Response::new(""), OpenSession::of(&with).as_ref());
    assert!(session.set("c", "three").is_err(), "the head was encoded");
    assert_eq!(decode_response(&head, None).map(drop), Err(Malformed), "it was given no session");
    for length in 0..head.len() {
        let _ = decode_response(&head[..length], OpenSession::of(&request).as_ref());
    }
    assert!(decode_response(&head, OpenSession::of(&request).as_ref()).is_ok());
    let session = read(&mut request).expect("it has a session");
    assert_eq!(session.get::<String>("b").ok(), Some(Some("two".to_owned())));
}
