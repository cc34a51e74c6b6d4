//! Fuzz targets for the heads between this process and its workers. Each is a function that asserts what must
//! be true for any bytes.
//!
//! They are compiled only for tests and under `cargo fuzz`. The targets in `tests/fuzz` call these functions.
//! `cargo test` runs them with all inputs that the fuzzer has found. Invariant: both do the same with the
//! same bytes.
use http::{StatusCode, header};
use pixie_core::{Bytes, Headers, Needs, Parts};

use crate::jobs::wire::{
    JobBody, decode_parts, decode_request, decode_response, encode_parts, encode_request, encode_response,
};

/// A valid request head is the same after encoding and decoding.
pub fn wire_request(bytes: &[u8]) {
    let Ok((mut request, body)) = decode_request(bytes) else { return };
    if body == JobBody::Parts {
        request.plumbing_mut().parts = Some(Box::new(Parts::default()));
    }
    let needs = Needs::default().extractor::<Headers>();
    let head = encode_request(&request, &needs);
    let (again, again_body) = decode_request(&head).expect("what we write we can read");
    assert_eq!((again.verb(), again.uri(), again.peer()), (request.verb(), request.uri(), request.peer()));
    assert_eq!((again.headers(), again_body), (request.headers(), body));
    if again_body == JobBody::Bytes {
        assert_eq!(encode_request(&again, &needs), head);
    }
}

/// A valid response of a worker has a final status and no framing headers, and is the same after encoding and
/// decoding.
pub fn wire_response(bytes: &[u8]) {
    let Ok((response, _)) = decode_response(bytes) else { return };
    assert!((200..1000).contains(&response.status().as_u16()), "{} is an interim status", response.status());
    let of_the_server = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE];
    assert!(of_the_server.iter().all(|name| !response.headers().contains_key(name)), "{:?}", response.headers());
    let head = encode_response(&response);
    let (again, length) = decode_response(&head).expect("what we write we can read");
    assert_eq!(length, None, "a length outlived its head");
    assert_eq!((again.status(), again.headers()), (response.status(), response.headers()));
    assert_eq!(encode_response(&again), head);
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
