//! Adds the development script to pages. This is the innermost layer, so it runs before compression.
//!
//! The script is appended after the last byte of the page. Browsers accept that, and it works for streams.
//! Some responses are not changed: responses to HEAD, ranges, responses without content, other media types,
//! compressed content, and fragments of pages that a script has requested.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Frame;
use pixie_core::{Body, BoxError, HttpRequest, HttpResponse, Layered};

use crate::{dev::Dev, request::service::LayerFn};

/// Whether the client wants a whole page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Page,
    /// The client does not say. The first bytes of the content decide.
    Unsaid,
    Other,
}

pub(super) fn innermost(dev: Arc<Dev>) -> LayerFn {
    let Dev { token, build, .. } = dev.as_ref();
    let tag = Bytes::from(format!("<script src=\"/__pixie/dev.js?build={build}&token={token}\" defer></script>\n"));
    Box::new(move |inner| {
        Layered::new(move |mut request| {
            let wanted = wanted(&request);
            if wanted != Wanted::Other {
                // A page in the browser's cache has no script, or an old one.
                request.headers_mut().remove(header::IF_NONE_MATCH);
                request.headers_mut().remove(header::IF_MODIFIED_SINCE);
            }
            let (answer, tag) = (inner.answer(request), tag.clone());
            Box::pin(async move { injected(answer.await, wanted, tag) })
        })
    })
}

fn wanted(request: &HttpRequest) -> Wanted {
    let headers = request.headers();
    if request.method() == Method::HEAD || headers.contains_key(header::RANGE) {
        return Wanted::Other;
    }
    match headers.get("sec-fetch-dest").map(HeaderValue::as_bytes) {
        None => Wanted::Unsaid,
        Some(b"document" | b"iframe" | b"frame") => Wanted::Page,
        Some(_) => Wanted::Other,
    }
}

fn injected(response: HttpResponse, wanted: Wanted, tag: Bytes) -> HttpResponse {
    if wanted == Wanted::Other || !takes_script(response.status(), response.headers()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let added = tag.len() as u64;
    let body = match (body.into_bytes(), wanted) {
        (Ok(bytes), Wanted::Unsaid) if !begins_page(&bytes) => return HttpResponse::from_parts(head, bytes.into()),
        (Ok(bytes), _) => Body::from([bytes, tag].concat()),
        (Err(stream), _) => {
            // The headers are sent before it is known whether the length changes.
            head.headers.remove(header::CONTENT_LENGTH);
            Body::new(Appended { stream, tag: Some(tag), is_page: wanted == Wanted::Page })
        }
    };
    adjust(&mut head.headers, added);
    HttpResponse::from_parts(head, body)
}

fn takes_script(status: StatusCode, headers: &HeaderMap) -> bool {
    let without = [StatusCode::NO_CONTENT, StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED];
    let media = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_html = media.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"text/html"));
    is_html && !without.contains(&status) && !headers.contains_key(header::CONTENT_ENCODING)
}

/// Returns whether the text begins like a whole page, and not like a fragment.
fn begins_page(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    let starts = |mark: &[u8]| text.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    starts(b"<!doctype") || starts(b"<html")
}

/// Adds to the length and forbids caching: the next build may return another page.
fn adjust(headers: &mut HeaderMap, added: u64) {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length + added));
    }
    headers.remove(header::ETAG);
    headers.remove(header::LAST_MODIFIED);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// A streamed page, with the script after its last piece.
struct Appended {
    stream: Body,
    tag: Option<Bytes>,
    /// Whether this is known to be a whole page. If not, the first piece decides.
    is_page: bool,
}

impl http_body::Body for Appended {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.stream).poll_frame(cx)) else {
            let is_page = self.is_page;
            return Poll::Ready(self.tag.take().filter(|_| is_page).map(|tag| Ok(Frame::data(tag))));
        };
        // Trailers would come before the script, so they are left out.
        let piece = frame.map(|frame| frame.into_data().unwrap_or_default());
        match &piece {
            Ok(data) if data.is_empty() || self.is_page => {}
            Ok(data) if begins_page(data) => self.is_page = true,
            _ => self.tag = None,
        }
        Poll::Ready(Some(piece.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests;
