//! Decodes any bytes as frames: each accepted frame has exactly one spelling.
//!
//! Leaves the meaning of frames to `parent` and `worker`.

use bytes::{Bytes, BytesMut};

use crate::protocol::{decode, encode, frame::Frame};

/// Reads frames until the bytes end or are refused. Checks that encoding each frame gives the same bytes, and
/// that bytes that arrive one by one give the same frames.
pub fn decode_frame(bytes: &[u8]) {
    let mut whole = BytesMut::from(bytes);
    let mut frames = Vec::new();
    let verdict = loop {
        let before = Bytes::copy_from_slice(&whole);
        match decode::take(&mut whole) {
            Ok(Some((stream, frame))) => {
                let mut again = BytesMut::new();
                put(&mut again, stream, &frame);
                assert_eq!(again, before[..before.len() - whole.len()], "{frame:?} has another spelling");
                frames.push((stream, frame));
            }
            Ok(None) => break Ok(()),
            Err(violation) => break Err(violation),
        }
    };
    let mut input = BytesMut::new();
    let mut frames = frames.into_iter();
    for byte in bytes {
        input.extend_from_slice(&[*byte]);
        match decode::take(&mut input) {
            Ok(None) => {}
            Ok(frame) => assert_eq!(frame, frames.next(), "a frame that arrived in single bytes"),
            Err(violation) => {
                assert_eq!(Err(violation), verdict);
                break;
            }
        }
    }
    assert_eq!(frames.next(), None, "a frame was lost");
}

/// Encodes any frame.
pub(crate) fn put(out: &mut BytesMut, stream: u32, frame: &Frame) {
    match frame {
        Frame::Hello(hello) => encode::put_hello(out, hello),
        Frame::Welcome(welcome) => encode::put_welcome(out, welcome),
        Frame::Ready(level) => encode::put_ready(out, level),
        Frame::Job(start) => encode::put_job(out, stream, start),
        Frame::Reply(answer) => encode::put_reply(out, stream, &answer.head, &answer.body, answer.complete),
        Frame::Data(chunk) => encode::put_data(out, stream, chunk),
        Frame::End => encode::put_end(out, stream),
        Frame::Credit(bytes) => encode::put_credit(out, stream, *bytes),
        Frame::Cancel => encode::put_cancel(out, stream),
        Frame::Fail(failure) => encode::put_fail(out, stream, failure),
        Frame::Ticket(number) => encode::put_ticket(out, stream, *number),
        Frame::Fetch => encode::put_fetch(out, stream),
        Frame::Extend(milliseconds) => encode::put_extend(out, stream, *milliseconds),
        Frame::Call(request) => {
            encode::put_call_header(out, stream, request);
            out.extend_from_slice(request);
        }
        Frame::Return(answer) => {
            encode::put_return_header(out, stream, answer.as_deref());
            out.extend_from_slice(answer.as_deref().unwrap_or_default());
        }
        Frame::Open => encode::put_open(out),
        Frame::Retire => encode::put_retire(out),
    }
}
