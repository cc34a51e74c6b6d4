//! Intake: reading a request's body before its handler runs, up to the route's limit.
//!
//! A multipart form is read into its parts as it arrives; its large files go to the spool. Whatever ends the reading, a
//! limit, a client that leaves or is too slow, drops what was written.
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use pixie_core::{
    Body, BodyUse, BoxError, Error, Parts, Request, abort,
    plumbing::{FormReader, FormStep},
};
use pixie_server::BodyError;

use crate::{
    app::compose::{Composed, Endpoint},
    table::spool::SpoolWriter,
};

/// Says whether the handler may run now: nobody reads the body, it is here, or the handler takes it while it arrives.
pub(crate) fn is_ready(request: &Request, endpoint: &Endpoint) -> bool {
    match endpoint.route.reads().body {
        BodyUse::Unused => true,
        early if early.is_early(endpoint.route.kind()) => true,
        // A layer or a test may have put a whole body in, which is measured too.
        BodyUse::Stream | BodyUse::Whole | BodyUse::Read => {
            request.has_whole_body() && request.body().len() <= endpoint.body_bytes_max
        }
        // Nothing is left to be read into parts, or to be measured.
        BodyUse::Form => request.has_whole_body() && request.body().is_empty(),
    }
}

/// Reads the body: whole, or a multipart form into its parts.
pub(crate) async fn read_body(app: &Composed, request: &mut Request, endpoint: &Endpoint) -> Result<(), Error> {
    let bytes_max = endpoint.body_bytes_max;
    if endpoint.route.reads().body == BodyUse::Form && request.is_multipart() {
        // Boxed, so that other bodies do not pay for the size of its future.
        let parts = Box::pin(read_form(app, request, bytes_max)).await?;
        request.plumbing_mut().parts = Some(Box::new(parts));
        return Ok(());
    }
    read_whole(request, bytes_max).await
}

async fn read_whole(request: &mut Request, bytes_max: usize) -> Result<(), Error> {
    check_announced(request, bytes_max)?;
    let body = collect(request.take_body(), bytes_max).await?;
    request.set_body(Body::from(body));
    Ok(())
}

async fn read_form(app: &Composed, request: &mut Request, bytes_max: usize) -> Result<Parts, Error> {
    check_announced(request, bytes_max)?;
    let mut reader = FormReader::new(request.headers(), app.settings.form_limits.clone())?;
    let mut body = request.take_body();
    let mut bytes = 0;
    let mut file = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
        bytes += data.len();
        if bytes > bytes_max {
            return Err(too_large(bytes_max));
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
    Ok(reader.finish()?)
}

/// Refuses a body whose announced length is too large, before any of it is read.
pub(crate) fn check_announced(request: &Request, bytes_max: usize) -> Result<(), Error> {
    let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    match announced.is_some_and(|length: usize| length > bytes_max) {
        true => Err(too_large(bytes_max)),
        false => Ok(()),
    }
}

async fn collect(mut body: Body, bytes_max: usize) -> Result<Bytes, Error> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are not part of the content.
        let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
        if first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max));
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

/// The error of a body that is longer than its route takes.
pub(crate) fn too_large(bytes_max: usize) -> Error {
    abort(413)
        .with_place(None)
        .with_detail(format!("the body is longer than the {bytes_max} bytes that are accepted here"))
}

/// The error of a body that broke off: too slow is 408, anything else is the client's 400.
pub(crate) fn unreadable(error: BoxError) -> Error {
    let close = HeaderValue::from_static("close");
    let refused = match error.downcast_ref() {
        Some(BodyError::Timeout) => abort(408).with_detail("the body came too slowly"),
        _ => abort(400).with_detail("the body could not be read").with_chain(vec![error.to_string()]),
    };
    refused.with_place(None).with_header(header::CONNECTION, close)
}
