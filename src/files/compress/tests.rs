//! A stream stays a stream: nothing is held back while the next piece is awaited.
use std::{io::Read, task::Waker};

use http_body::Body as _;

use super::*;

/// Gives one piece at every second poll, and is not ready in between.
struct Slow {
    pieces: Vec<&'static str>,
    is_ready: bool,
}

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.is_ready = !self.is_ready;
        match self.is_ready {
            true => Poll::Ready(self.pieces.pop().map(|piece| Ok(Frame::data(piece.into())))),
            false => Poll::Pending,
        }
    }
}

/// Decodes as much as these bytes tell; that they end too early is no error here.
fn decoded(coding: Coding, bytes: &[u8]) -> String {
    let mut decoder: Box<dyn Read> = match coding {
        Coding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
        Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
        Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).expect("a decoder")),
    };
    let (mut text, mut buffer) = (Vec::new(), [0; 64]);
    while let Ok(length @ 1..) = decoder.read(&mut buffer) {
        text.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(text).expect("text")
}

#[test]
fn a_piece_can_be_read_before_the_next_one_is_there() {
    for coding in Coding::ALL {
        let slow = Slow { pieces: vec!["two", "one"], is_ready: false };
        let mut body = CompressedBody::new(Body::new(slow), coding);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut bytes, mut seen) = (Vec::new(), Vec::new());
        loop {
            match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Ready(Some(frame)) => bytes.extend(frame.expect("no error").into_data().expect("data")),
                Poll::Ready(None) => break,
                Poll::Pending => {}
            }
            seen.push(decoded(coding, &bytes));
        }
        seen.retain(|text| !text.is_empty());
        seen.dedup();
        assert_eq!(seen, ["one", "onetwo"], "{coding:?}");
        assert_eq!(decoded(coding, &bytes), "onetwo");
    }
}
