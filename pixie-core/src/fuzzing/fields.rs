//! Fuzz target for header fields and query strings.
//!
//! Invariant: no input causes a panic, and a value that was read, written and read again stays the same.
use std::time::SystemTime;

use cookie::Cookie;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::percent_decode_str;

use crate::{Cookies, ETag, Extent, Media, Pairs, Response, Validators, http::cookies::set_cookie, preferred_encoding};

/// The fields that the input can choose.
const FIELDS: [HeaderName; 11] = [
    header::COOKIE,
    header::RANGE,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_ENCODING,
    header::IF_NONE_MATCH,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::CONTENT_DISPOSITION,
];

/// Reads the fields of a request. In each line, the first byte chooses the field, and the others are its
/// value.
pub fn request_fields(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(16) {
        let Some((choice, value)) = line.split_first() else { continue };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(&FIELDS[usize::from(*choice) % FIELDS.len()], value);
        }
    }
    cookies(&headers);
    ranges(&headers, bytes.len() as u64);
    offers(&headers);
    conditions(&headers);
    dispositions(&headers);
    pairs(bytes);
}

fn cookies(headers: &HeaderMap) {
    let cookies = Cookies::from_headers(headers);
    for (name, value) in cookies.iter() {
        assert!(cookies.get(name).is_some());
        let Some(set) = set_cookie(Cookie::new(name, value)) else { continue };
        let text = set.to_str().expect("what is written is ASCII");
        let pair = text.split(';').next().unwrap_or_default();
        let sent = HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(pair).expect("it was one before"))]);
        let read: Vec<_> = Cookies::from_headers(&sent).iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        assert_eq!(read, [(name.to_owned(), value.to_owned())], "{text}");
    }
}

fn ranges(headers: &HeaderMap, length: u64) {
    if let Extent::Part(part) = Extent::of(&Method::GET, headers, &Validators::default(), length) {
        assert!(part.start < part.end && part.end <= length, "{part:?}");
    }
}

fn offers(headers: &HeaderMap) {
    let codings = ["br", "gzip", "identity"];
    assert!(preferred_encoding(headers, &codings).is_none_or(|one| codings.contains(&one)));
    let _ = Media::preferred(headers.get_all(header::ACCEPT));
}

fn conditions(headers: &HeaderMap) {
    let stored = [ETag::strong("a"), ETag::weak("a"), None];
    for (etag, method) in stored.into_iter().zip([Method::GET, Method::PUT, Method::HEAD]) {
        let validators = Validators::new(etag, Some(SystemTime::UNIX_EPOCH));
        let _ = validators.check(&method, headers);
        let _ = validators.allow_range(headers);
    }
    for tag in headers.get_all(header::IF_MATCH).iter().filter_map(ETag::parse) {
        assert_eq!(ETag::parse(tag.header_value()), Some(tag));
    }
}

fn dispositions(headers: &HeaderMap) {
    for value in headers.get_all(header::CONTENT_DISPOSITION) {
        let name = String::from_utf8_lossy(value.as_bytes());
        let response = Response::new("").attachment(&name);
        let written = response.headers()[header::CONTENT_DISPOSITION].to_str().expect("what is written is ASCII");
        if let Some((_, encoded)) = written.rsplit_once("; filename*=UTF-8''") {
            assert_eq!(percent_decode_str(encoded).decode_utf8_lossy(), name, "{written}");
        }
    }
}

fn pairs(bytes: &[u8]) {
    let pairs = Pairs::parse(bytes);
    assert_eq!(Pairs::parse(pairs.encoded().as_bytes()), pairs);
}
