//! Fuzz targets for the heads between this process and its workers, and for the headers of proxies. Each is a
//! function that asserts what must be true for any bytes.
//!
//! They are compiled only for tests and under `cargo fuzz`. The targets in `tests/fuzz` call these functions.
//! `cargo test` runs them with all inputs that the fuzzer has found. Invariant: both do the same with the
//! same bytes.
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pixie_core::{Bytes, Headers, Needs, Parts, Scheme};

use crate::{
    jobs::wire::{
        JobBody, decode_parts, decode_request, decode_response, encode_parts, encode_request, encode_response,
    },
    table::forwarded::{self, Reported},
};

/// A valid request head is the same after encoding and decoding.
pub fn wire_request(bytes: &[u8]) {
    let Ok((mut request, body)) = decode_request(bytes) else { return };
    if body == JobBody::Parts {
        request.plumbing_mut().parts = Some(Box::new(Parts::default()));
    }
    let needs = Needs::default().extractor::<Headers>();
    let head = encode_request(&request, &needs, false);
    let (again, again_body) = decode_request(&head).expect("what we write we can read");
    assert_eq!((again.verb(), again.uri(), again.peer()), (request.verb(), request.uri(), request.peer()));
    assert_eq!(again.scheme(), request.scheme());
    assert_eq!((again.headers(), again_body), (request.headers(), body));
    if again_body == JobBody::Bytes {
        assert_eq!(encode_request(&again, &needs, false), head);
    }
}

/// What a client may send as `Forwarded` or `X-Forwarded-For`: the address that a trusted proxy appends to it
/// is that of the client.
pub fn proxy_headers(bytes: &[u8]) {
    let is_trusted = |ip: IpAddr| ip.is_loopback();
    for (name, appended) in [
        (header::FORWARDED, r#"for="[2001:db8::1]:7";host="a,b.example\\";proto=https"#),
        (HeaderName::from_static("x-forwarded-for"), "[2001:db8::1]:7"),
    ] {
        let Ok(sent) = HeaderValue::from_bytes(bytes) else { return };
        let list = HeaderValue::from_bytes(&[bytes, b", ", appended.as_bytes()].concat());
        let as_list = HeaderMap::from_iter([(name.clone(), list.expect("both are values"))]);
        let mut as_lines = HeaderMap::from_iter([(name.clone(), sent)]);
        let alone = read(&as_lines, is_trusted);
        as_lines.append(&name, HeaderValue::from_static(appended));
        for headers in [as_list, as_lines] {
            let reported = read(&headers, is_trusted);
            assert_eq!(reported.client, Some(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 7).into()));
            assert!(name != header::FORWARDED || reported.scheme == Some(Scheme::Https));
        }
        // If the proxy reports another trusted one, the client is whom the text before it reports.
        let nearer = if name == header::FORWARDED { ", for=127.0.0.1" } else { ", 127.0.0.1" };
        let list = HeaderValue::from_bytes(&[bytes, nearer.as_bytes()].concat()).expect("both are values");
        let reported = read(&HeaderMap::from_iter([(name, list)]), is_trusted);
        assert_eq!(reported.client, alone.client.or(Some(([127, 0, 0, 1], 0).into())));
    }
}

fn read(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool + Copy) -> Reported {
    let read = forwarded::standard(headers, is_trusted).or_else(|| forwarded::customary(headers, is_trusted));
    read.expect("the request has the header")
}

/// A valid response of a worker has a final status and no framing headers, and is the same after encoding and
/// decoding.
pub fn wire_response(bytes: &[u8]) {
    let Ok((response, _)) = decode_response(bytes, None) else { return };
    assert!((200..1000).contains(&response.status().as_u16()), "{} is an interim status", response.status());
    let of_the_server = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE];
    assert!(of_the_server.iter().all(|name| !response.headers().contains_key(name)), "{:?}", response.headers());
    let head = encode_response(&response, None);
    let (again, length) = decode_response(&head, None).expect("what we write we can read");
    assert_eq!(length, None, "a length outlived its head");
    assert_eq!((again.status(), again.headers()), (response.status(), response.headers()));
    assert_eq!(encode_response(&again, None), head);
    if again.status() != StatusCode::INTERNAL_SERVER_ERROR {
        assert_eq!(again.error().is_some(), response.error().is_some());
    }
}

/// The parts of a valid form are the same after encoding and decoding.
pub fn wire_parts(bytes: &[u8]) {
    let Ok(parts) = decode_parts(&Bytes::copy_from_slice(bytes)) else { return };
    let written = encode_parts(&parts);
    let again = decode_parts(&written).expect("what we write we can read");
    assert_eq!(again.fields, parts.fields);
    assert_eq!(again.files.len(), parts.files.len());
    for (again, file) in again.files.iter().zip(&parts.files) {
        assert_eq!((again.field(), again.raw_file_name()), (file.field(), file.raw_file_name()));
        assert_eq!((again.content_type(), again.len(), again.path()), (file.content_type(), file.len(), file.path()));
        assert!(file.path().is_some() || again.bytes().ok() == file.bytes().ok());
    }
    assert_eq!(encode_parts(&again), written);
}

#[cfg(test)]
mod tests;
