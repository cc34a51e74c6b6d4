//! Intake: reads a request's body before its handler runs, up to the route's limit.
//!
//! A multipart form is read into its parts while it arrives, and its large files go to the spool. If the
//! reading ends early, because of a limit or of the client, the spool removes what was written. Invariant: a
//! body that the head alone refuses is not read, so that a client which waits for `100 Continue` keeps it.
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode, header};
use pixie_core::{
    Body, Error, Parts, Request,
    plumbing::{FormReader, FormStep},
};

use crate::table::{
    Composed, Endpoint, Intake,
    refusal::{self, refuse_with},
    spool::SpoolWriter,
};

/// Returns whether the handler can run now, because it has all of the body that it gets before it runs.
pub(crate) fn is_ready(request: &Request, endpoint: &Endpoint) -> bool {
    match endpoint.intake {
        Intake::Unused | Intake::Arriving => true,
        // Reading refuses its content coding.
        _ if request.headers().contains_key(header::CONTENT_ENCODING) => false,
        // A layer or a test can set a whole body, which the limit applies to as well.
        Intake::Whole => request.has_whole_body() && request.body().len() <= endpoint.body_bytes_max,
        // An empty body has no parts and is below every limit.
        Intake::Form => request.has_whole_body() && request.body().is_empty(),
    }
}

/// Reads the body: whole, or a multipart form into its parts.
pub(crate) async fn read_body(app: &Composed, request: &mut Request, endpoint: &Endpoint) -> Result<(), Error> {
    let bytes_max = endpoint.body_bytes_max;
    match endpoint.intake {
        Intake::Unused | Intake::Arriving => Ok(()),
        // The extractor rejects the request without the body.
        _ if request.headers().contains_key(header::EXPECT) && endpoint.route.reads().refuse_media(request) => Ok(()),
        Intake::Form if request.is_multipart() => {
            // Boxed, because its future is large, and other bodies must not pay for that.
            let parts = Box::pin(read_form(app, request, bytes_max)).await?;
            request.plumbing_mut().parts = Some(Box::new(parts));
            Ok(())
        }
        Intake::Form | Intake::Whole => read_whole(request, bytes_max).await,
    }
}

async fn read_whole(request: &mut Request, bytes_max: usize) -> Result<(), Error> {
    check_head(request, bytes_max)?;
    let body = collect(request.take_body(), bytes_max).await?;
    request.set_body(Body::from(body));
    Ok(())
}

async fn read_form(app: &Composed, request: &mut Request, bytes_max: usize) -> Result<Parts, Error> {
    check_head(request, bytes_max)?;
    let mut reader = FormReader::new(request.headers(), app.settings.form_limits.clone())?;
    let mut body = request.take_body();
    let mut bytes = 0;
    let mut file = None;
    while let Some(data) = body.next_data().await {
        let data = data.map_err(refusal::unreadable)?;
        bytes += data.len();
        if bytes > bytes_max {
            return Err(refusal::too_large(bytes_max));
        }
        reader.push(data);
        while let Some(step) = reader.step()? {
            match (step, file.take()) {
                (FormStep::Write(bytes), Some(open)) => file = Some(SpoolWriter::write(open, bytes).await?),
                (FormStep::Write(bytes), None) => file = Some(app.spool.writer().write(bytes).await?),
                (FormStep::Close, Some(open)) => reader.spooled(open.close().await?),
                (FormStep::Close, None) => {}
            }
        }
    }
    reader.finish()
}

/// Refuses a body that is encoded or whose announced length is too large, before any of it is read.
///
/// This server does not decode: a short body may hold a very long one. A layer or a before hook that decodes
/// a body removes the header.
pub(crate) fn check_head(request: &Request, bytes_max: usize) -> Result<(), Error> {
    let mut codings = request.headers().get_all(header::CONTENT_ENCODING).into_iter();
    let is_plain =
        |coding: &[u8]| coding.trim_ascii().is_empty() || coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    let are_plain = codings.all(|line| line.as_bytes().split(|byte| *byte == b',').all(is_plain));
    let is_empty = request.has_whole_body() && request.body().is_empty();
    if !are_plain && !is_empty {
        // RFC 9110, sections 12.5.3 and 15.5.16.
        let refused = refuse_with(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has a content coding: send it without");
        return Err(refused.with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    }
    let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    match announced.is_some_and(|length: usize| length > bytes_max) {
        true => Err(refusal::too_large(bytes_max)),
        false => Ok(()),
    }
}

async fn collect(mut body: Body, bytes_max: usize) -> Result<Bytes, Error> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(data) = body.next_data().await {
        let data = data.map_err(refusal::unreadable)?;
        if first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len() > bytes_max {
            return Err(refusal::too_large(bytes_max));
        }
        // Most bodies come in one piece, and that piece is kept without a copy.
        match &first {
            None => first = Some(data),
            Some(_) => rest.extend_from_slice(&data),
        }
    }
    let first = first.unwrap_or_default();
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}
