//! Compresses responses while they are sent (feature `compression`).
//!
//! The head alone decides whether a response is compressed. Invariant: before the encoder waits for more of
//! the body, all encoded data is sent, so that a stream remains a stream. The `ETag` becomes weak, because
//! the bytes differ (RFC 9110, section 8.8.3.3).
use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;
use pixie_core::{Body, BoxError, ETag, Response};

use crate::files::coding::{self, Coding};

/// Minimum length of a compressed response, in bytes. A shorter one fits into one packet anyway.
const BYTES_MIN: u64 = 860;
/// Bytes that are encoded in one step, which takes about a millisecond. Then other requests run.
const CHUNK: usize = 32 * 1024;
// At these levels, encoding is about as fast as a network, and higher levels save little more.
const BROTLI_QUALITY: u32 = 4;
const BROTLI_WINDOW_BITS: u32 = 19;
const GZIP_LEVEL: u32 = 5;
const ZSTD_LEVEL: i32 = 3;

/// Compresses a response if that is worthwhile and its client accepts it.
pub(crate) fn compress_response(request: &HeaderMap, response: &mut Response) {
    if !is_worthwhile(response) {
        return;
    }
    coding::vary(response.headers_mut(), "accept-encoding");
    let Some(coding) = Coding::preferred(request, Coding::ALL) else { return };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::ACCEPT_RANGES);
    if let Some(etag) = headers.get(header::ETAG).and_then(ETag::parse) {
        headers.insert(header::ETAG, etag.weakened().into());
    }
    let body = response.take_body();
    // The response to HEAD has the headers of GET, and no body.
    if !body.is_empty() {
        response.set_body(Body::new(CompressedBody::new(body, coding)));
    }
}

fn is_worthwhile(response: &Response) -> bool {
    let headers = response.headers();
    let no_transform = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("no-transform"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length = announced.or_else(|| http_body::Body::size_hint(response.body()).exact());
    response.status() != StatusCode::PARTIAL_CONTENT
        && !headers.contains_key(header::CONTENT_ENCODING)
        && headers.get(header::CONTENT_TYPE).is_some_and(coding::is_compressible)
        && !headers.get_all(header::CACHE_CONTROL).iter().any(no_transform)
        && length.is_none_or(|length| length >= BYTES_MIN)
}

/// A body that is encoded while it is polled.
struct CompressedBody {
    body: Body,
    /// Data that the body has returned and the encoder has not taken.
    input: Bytes,
    /// `None` after the end of the encoded data was written.
    encoder: Option<Encoder>,
    /// Whether the encoder may hold data that it has not written yet.
    is_holding: bool,
}

impl CompressedBody {
    fn new(body: Body, coding: Coding) -> CompressedBody {
        CompressedBody { body, input: Bytes::new(), encoder: Some(Encoder::new(coding)), is_holding: false }
    }

    /// Encodes one chunk of the input. Returns the encoded data, or `None` if the encoder needs more input.
    fn encode(&mut self) -> io::Result<Option<Bytes>> {
        let Some(encoder) = &mut self.encoder else { return Ok(None) };
        let chunk = self.input.split_to(self.input.len().min(CHUNK));
        encoder.writer().write_all(&chunk)?;
        self.is_holding = true;
        Ok(encoder.take())
    }

    fn flush(&mut self) -> io::Result<Option<Bytes>> {
        let Some(encoder) = self.encoder.as_mut().filter(|_| self.is_holding) else { return Ok(None) };
        encoder.writer().flush()?;
        self.is_holding = false;
        Ok(encoder.take())
    }
}

impl http_body::Body for CompressedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            while !self.input.is_empty() {
                if let Some(output) = self.encode()? {
                    return Poll::Ready(Some(Ok(Frame::data(output))));
                }
            }
            if self.encoder.is_none() {
                return Poll::Ready(None);
            }
            // Trailers must come after the last encoded byte, so they cannot be passed on here.
            match self.body.poll_data(cx) {
                Poll::Pending => {
                    let output = self.flush()?;
                    return output.map_or(Poll::Pending, |output| Poll::Ready(Some(Ok(Frame::data(output)))));
                }
                Poll::Ready(Some(Ok(data))) => self.input = data,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    let rest = self.encoder.take().map(Encoder::finish).transpose()?;
                    return Poll::Ready(rest.map(|rest| Ok(Frame::data(rest))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }
}

/// An encoder with its own output buffer.
enum Encoder {
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    fn new(coding: Coding) -> Encoder {
        match coding {
            Coding::Brotli => {
                let writer = CompressorWriter::new(Vec::new(), 4096, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
                Encoder::Brotli(Box::new(writer))
            }
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))),
            Coding::Zstd => {
                let writer = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL);
                Encoder::Zstd(writer.expect("zstd accepts the level"))
            }
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Encoder::Brotli(writer) => writer,
            Encoder::Gzip(writer) => writer,
            Encoder::Zstd(writer) => writer,
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let buffer = match self {
            Encoder::Brotli(writer) => writer.get_mut(),
            Encoder::Gzip(writer) => writer.get_mut(),
            Encoder::Zstd(writer) => writer.get_mut(),
        };
        (!buffer.is_empty()).then(|| std::mem::take(buffer).into())
    }

    /// Ends the encoding and returns the remaining output.
    fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Encoder::Brotli(writer) => writer.into_inner(),
            Encoder::Gzip(writer) => writer.finish()?,
            Encoder::Zstd(writer) => writer.finish()?,
        }
        .into())
    }
}

#[cfg(test)]
mod tests;
