//! `Representation`: a file as HTTP sees it, and the responses made from it.
//!
//! `pixie-core` decides about conditions and ranges. This file builds the response.
use std::{fs::File, io, ops::Range, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pixie_core::{Body, ETag, Extent, Request, Response, Result, Validators};

use super::{
    body::{self, FileBody},
    open::{OpenFile, Stamp},
};
use crate::files::coding::{self, Coding};

/// All facts about a file that the head of a response needs.
pub(super) struct Representation {
    pub(super) coding: Option<Coding>,
    length: u64,
    media: HeaderValue,
    validators: Validators,
    last_modified: Option<HeaderValue>,
}

/// The bytes of a file.
pub(super) enum Content {
    Memory(Bytes),
    Disk(File),
}

impl Representation {
    /// Describes an open file, and reads it if it is not longer than `bytes_max`.
    pub(super) fn read(opened: OpenFile, media: HeaderValue, bytes_max: u64) -> io::Result<(Representation, Content)> {
        let OpenFile { mut file, stamp, coding } = opened;
        let content = match stamp.length <= bytes_max {
            true => Content::Memory(body::read(&mut file, 0..stamp.length)?),
            false => Content::Disk(file),
        };
        let validators = validators(&stamp, coding, &content, SystemTime::now());
        let last_modified = validators.last_modified_value();
        Ok((Representation { coding, length: stamp.length, media, validators, last_modified }, content))
    }

    /// Returns the response: the whole file, a part, or 304 if the client's copy is current.
    pub(super) fn answer(&self, request: &Request, content: Content, cache_control: HeaderValue) -> Result<Response> {
        let mut response = self.head(cache_control);
        response.apply_conditions(request.method(), request.headers())?;
        if response.status() != StatusCode::OK {
            // Compression would weaken the tag of the whole file, so it must weaken this one too. It decides
            // by these headers, which are removed at the end.
            self.describe_content(response.headers_mut());
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(self.length));
            return Ok(response);
        }
        if *request.method() == Method::HEAD {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(self.length));
            return Ok(response);
        }
        match Extent::of(request.method(), request.headers(), &self.validators, self.length) {
            Extent::Part(part) => {
                response.set_part(&part, self.length);
                response.set_body(content.part(part));
            }
            Extent::Unsatisfiable => return Err(Extent::unsatisfiable(self.length)),
            _ => response.set_body(content.part(0..self.length)),
        }
        Ok(response)
    }

    fn head(&self, cache_control: HeaderValue) -> Response {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.reserve(8);
        self.describe_content(headers);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CACHE_CONTROL, cache_control);
        if let Some(etag) = &self.validators.etag {
            headers.insert(header::ETAG, etag.header_value().clone());
        }
        if let Some(date) = &self.last_modified {
            headers.insert(header::LAST_MODIFIED, date.clone());
        }
        // The header also belongs to uncompressed responses, because another client may get the compressed
        // file.
        if coding::is_compressible(&self.media) {
            coding::vary(headers, "accept-encoding");
        }
        response
    }

    fn describe_content(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, self.media.clone());
        if let Some(coding) = self.coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
        }
    }
}

impl Content {
    fn part(self, part: Range<u64>) -> Body {
        match self {
            Content::Memory(bytes) => Body::from(bytes.slice(part.start as usize..part.end as usize)),
            Content::Disk(file) => Body::new(FileBody::new(file, part)),
        }
    }
}

/// Returns the media type for the file's extension. Text is assumed to be UTF-8.
pub(super) fn media_type(path: &str) -> HeaderValue {
    let media = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    let with_charset = media.starts_with("text/").then(|| HeaderValue::try_from(format!("{media}; charset=utf-8")));
    with_charset.and_then(Result::ok).unwrap_or(HeaderValue::from_static(media))
}

fn validators(stamp: &Stamp, coding: Option<Coding>, content: &Content, now: SystemTime) -> Validators {
    let etag = match (stamp.modified, content) {
        (Some(modified), _) => {
            let nanos = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
            let suffix = coding.map_or("", Coding::as_str);
            let text = format!("{nanos:x}-{:x}{suffix}", stamp.length);
            // RFC 9110, section 8.8.1: a time is not a strong validator while a second change may go
            // undetected.
            if stamp.is_settled(now) { ETag::strong(&text) } else { ETag::weak(&text) }
        }
        (None, Content::Memory(bytes)) => Some(ETag::of(bytes)),
        (None, Content::Disk(_)) => None,
    };
    // RFC 9110, section 8.8.2.1: not later than the current time.
    Validators::new(etag, stamp.modified.map(|modified| modified.min(now)))
}
