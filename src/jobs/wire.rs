//! The wire format: the parts of a request on their way to a worker, and the head of a response on its way
//! back.
//!
//! A request contains only what the handler's extractors read. A response is read as untrusted input, because
//! an attacker may have taken over the worker: a malformed head is an error, and headers that frame a message
//! or belong to one connection are dropped.
use std::{net::SocketAddr, path::Path};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use pixie_core::{
    Body, Error, Needs, Parts, Request, RequestId, Response, Scheme, TraceContext, Upload,
    plumbing::{PartHead, SpooledFile},
};

use crate::table::sessions::{self, OpenSession};

/// The bytes from the other side are not a valid head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Tag of a field in a form.
const FIELD: u8 = 0;
const FILE: u8 = 1;
const SPOOLED: u8 = 2;

/// Headers of one connection (RFC 9110, section 7.6.1). They are dropped from a worker's response.
const OF_ONE_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// The body of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobBody {
    /// The body of the request as it was sent.
    Bytes,
    /// The parts of a form, as [`encode_parts`] writes them.
    Parts,
}

/// Encodes the parts of a request that the handler reads, and the trace that its lines in the log belong to.
pub(crate) fn encode_request(request: &Request, needs: &Needs, is_traced: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(128);
    put(&mut out, request.verb().as_bytes());
    put(&mut out, request.path().as_bytes());
    put_option(&mut out, request.query().filter(|_| needs.query).map(str::as_bytes));
    let peer = request.peer().filter(|_| needs.peer).map(|peer| peer.to_string());
    put_option(&mut out, peer.as_deref().map(str::as_bytes));
    let id = request.id().filter(|_| needs.id || needs.header_names().is_none());
    put_option(&mut out, id.map(|id| id.as_bytes()));
    out.put_u8(u8::from(request.scheme() == Scheme::Https));
    put_carried(&mut out, request, needs);
    match needs.header_names() {
        Some([]) if !is_traced => out.put_u16_le(0),
        Some(names) => {
            let is_trace = |name: &HeaderName| is_traced && *name == TraceContext::HEADER;
            let wanted = |(name, _): &(&HeaderName, &HeaderValue)| names.contains(name) || is_trace(name);
            put_headers(&mut out, request.headers().iter().filter(wanted));
        }
        None => put_headers(&mut out, request.headers().iter()),
    }
    out.put_u8(u8::from(request.plumbing().parts.is_some()));
    if sessions::is_read(needs)
        && let Some(session) = OpenSession::of(request)
    {
        out.put_slice(&session.encode());
    }
    out.freeze()
}

/// Decodes the parts of a request.
pub(crate) fn decode_request(head: &[u8]) -> Result<(Request, JobBody), Malformed> {
    let mut input = Input(head);
    let method = Method::from_bytes(input.take()?).map_err(|_| Malformed)?;
    let mut target = input.take()?.to_vec();
    // Other forms of a target would be changed by the encoding. A worker must read exactly what was routed.
    if !target.starts_with(b"/") {
        return Err(Malformed);
    }
    if let Some(query) = input.take_option()? {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    let peer = input.take_option()?.map(parse_peer).transpose()?;
    let id = input.take_option()?.map(parse_id).transpose()?;
    let scheme = match input.u8()? {
        0 => Scheme::Http,
        1 => Scheme::Https,
        _ => return Err(Malformed),
    };
    let mut request = Request::new(method, Uri::try_from(target).map_err(|_| Malformed)?);
    for _ in 0..input.u16()? {
        let name = String::from_utf8(input.take()?.to_vec()).map_err(|_| Malformed)?;
        request.plumbing_mut().carry(name.into(), input.take()?.to_vec());
    }
    *request.headers_mut() = input.headers()?;
    request.plumbing_mut().peer = peer;
    request.plumbing_mut().scheme = scheme;
    request.plumbing_mut().id = id;
    let body = match input.u8()? {
        0 => JobBody::Bytes,
        1 => JobBody::Parts,
        _ => return Err(Malformed),
    };
    if !input.0.is_empty() {
        OpenSession::receive(&mut request, input.0).ok_or(Malformed)?;
    }
    Ok((request, body))
}

/// Encodes the parts of a form: fields and small files with their content, large files with their path.
pub(crate) fn encode_parts(parts: &Parts) -> Bytes {
    let mut out = BytesMut::new();
    for (name, value) in parts.fields.iter() {
        out.put_u8(FIELD);
        put(&mut out, name.as_bytes());
        put(&mut out, value.as_bytes());
    }
    for file in &parts.files {
        let path = file.path().and_then(Path::to_str);
        out.put_u8(if path.is_some() { SPOOLED } else { FILE });
        put(&mut out, file.field().as_bytes());
        put(&mut out, file.raw_file_name().as_bytes());
        put_option(&mut out, file.content_type().map(str::as_bytes));
        match path {
            Some(path) => {
                out.put_u64_le(file.len());
                put(&mut out, path.as_bytes());
            }
            // The file is in memory, so reading cannot fail.
            None => put(&mut out, &file.bytes().unwrap_or_default()),
        }
    }
    out.freeze()
}

/// Decodes the parts of a form. The content of small files remains in `body`.
pub(crate) fn decode_parts(body: &Bytes) -> Result<Parts, Malformed> {
    let mut input = Input(body);
    let (mut fields, mut files) = (Vec::new(), Vec::new());
    while !input.0.is_empty() {
        match input.u8()? {
            FIELD => fields.push((input.text()?, input.text()?)),
            kind @ (FILE | SPOOLED) => {
                let (name, file_name) = (input.text()?, Some(input.text()?));
                let head = PartHead { name, file_name, content_type: input.text_option()? };
                files.push(match kind {
                    FILE => Upload::in_memory(head, body.slice_ref(input.take()?)),
                    _ => {
                        let len = input.u64()?;
                        Upload::in_file(head, SpooledFile::lent(input.text()?.into()), len)
                    }
                });
            }
            _ => return Err(Malformed),
        }
    }
    Ok(Parts::new(fields.into_iter().collect(), files))
}

/// Encodes the head of a response: status, headers, for an error its details, and what was changed in the
/// session.
pub(crate) fn encode_response(response: &Response, session: Option<&OpenSession>) -> Bytes {
    let mut out = BytesMut::with_capacity(128);
    out.put_u16_le(response.status().as_u16());
    put_headers(&mut out, response.headers().iter());
    match response.error() {
        None => out.put_u8(0),
        Some(error) => {
            out.put_u8(1);
            put_option(&mut out, error.detail().map(str::as_bytes));
            put_option(&mut out, error.place().map(str::as_bytes));
            let chain = error.chain();
            out.put_u16_le(u16::try_from(chain.len()).unwrap_or(u16::MAX));
            chain.iter().take(usize::from(u16::MAX)).for_each(|cause| put(&mut out, cause.as_bytes()));
            put_headers(&mut out, error.headers().iter());
            put_option(&mut out, error.cause_type().map(str::as_bytes));
            put_option(&mut out, error.data_json().as_deref());
        }
    }
    if let Some(session) = session {
        out.put_slice(&session.encode_changes());
    }
    out.freeze()
}

/// Decodes the head of a response, and separately the announced length, which must be checked against the
/// body. The changes are added to the session. A worker that was given no session cannot change it.
pub(crate) fn decode_response(
    head: &[u8],
    session: Option<&OpenSession>,
) -> Result<(Response, Option<u64>), Malformed> {
    let mut input = Input(head);
    let status = StatusCode::from_u16(input.u16()?).map_err(|_| Malformed)?;
    let mut headers = input.end_to_end_headers()?;
    let length = headers.remove(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut response = match input.u8()? {
        0 => Response::new(Body::empty()),
        1 => input.error(status)?.into(),
        _ => return Err(Malformed),
    };
    if !input.0.is_empty() {
        session.and_then(|session| session.accept(input.0)).ok_or(Malformed)?;
    }
    response.set_status(status);
    *response.headers_mut() = headers;
    Ok((response, length))
}

fn put(out: &mut BytesMut, bytes: &[u8]) {
    // More than 4 GiB cannot occur: hyper limits heads, and bodies are not encoded here.
    out.put_u32_le(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn put_option(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => out.put_u8(0),
        Some(bytes) => {
            out.put_u8(1);
            put(out, bytes);
        }
    }
}

fn put_headers<'h>(out: &mut BytesMut, headers: impl Iterator<Item = (&'h HeaderName, &'h HeaderValue)>) {
    let count_at = out.len();
    out.put_u16_le(0);
    let mut count = 0u16;
    for (name, value) in headers.take(usize::from(u16::MAX)) {
        put(out, name.as_str().as_bytes());
        put(out, value.as_bytes());
        count += 1;
    }
    out[count_at..count_at + 2].copy_from_slice(&count.to_le_bytes());
}

fn put_carried(out: &mut BytesMut, request: &Request, needs: &Needs) {
    let read =
        || request.plumbing().carried.iter().filter(|(name, _)| needs.reads_carried(name)).take(usize::from(u16::MAX));
    out.put_u16_le(read().count() as u16);
    for (name, json) in read() {
        put(out, name.as_bytes());
        put(out, json);
    }
}

fn parse_id(text: &[u8]) -> Result<RequestId, Malformed> {
    str::from_utf8(text).ok().and_then(RequestId::new).ok_or(Malformed)
}

fn parse_peer(text: &[u8]) -> Result<SocketAddr, Malformed> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

/// A cursor over bytes. Every read is checked against the rest.
struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    fn split(&mut self, length: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.split(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.split(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn take(&mut self) -> Result<&'b [u8], Malformed> {
        let length = self.split(4)?;
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        self.split(length as usize)
    }

    fn take_option(&mut self) -> Result<Option<&'b [u8]>, Malformed> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.take().map(Some),
            _ => Err(Malformed),
        }
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        let bytes = self.split(8)?.try_into().map_err(|_| Malformed)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn text(&mut self) -> Result<String, Malformed> {
        self.take().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn text_option(&mut self) -> Result<Option<String>, Malformed> {
        Ok(self.take_option()?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    fn headers(&mut self) -> Result<HeaderMap, Malformed> {
        let count = self.u16()?;
        let mut headers = HeaderMap::new();
        for _ in 0..count {
            let name = HeaderName::from_bytes(self.take()?).map_err(|_| Malformed)?;
            let value = HeaderValue::from_bytes(self.take()?).map_err(|_| Malformed)?;
            // `HeaderMap` holds 32 768 names and panics beyond that; `try_append` returns an error.
            headers.try_append(name, value).map_err(|_| Malformed)?;
        }
        Ok(headers)
    }

    fn end_to_end_headers(&mut self) -> Result<HeaderMap, Malformed> {
        let mut headers = self.headers()?;
        OF_ONE_HOP.iter().for_each(|name| drop(headers.remove(name)));
        Ok(headers)
    }

    fn error(&mut self, status: StatusCode) -> Result<Error, Malformed> {
        let detail = self.text_option()?;
        let place = self.text_option()?;
        let count = self.u16()?;
        let causes = (0..count).map(|_| self.take().map(|cause| String::from_utf8_lossy(cause).into_owned()));
        let chain = causes.collect::<Result<Vec<_>, _>>()?;
        let error = Error::new(status).with_place(place).with_chain(chain);
        let error = self
            .end_to_end_headers()?
            .iter()
            .fold(error, |error, (name, value)| error.with_header(name.clone(), value.clone()));
        let error = match self.text_option()? {
            Some(type_name) => error.with_cause_type(type_name),
            None => error,
        };
        let error = match self.take_option()? {
            Some(data) => error.with_data_json(data).ok_or(Malformed)?,
            None => error,
        };
        Ok(match detail {
            Some(detail) => error.with_detail(detail),
            None => error,
        })
    }
}

#[cfg(test)]
mod tests;
