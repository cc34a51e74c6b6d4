//! Intake: reading a request's body before its handler runs, up to the route's limit.
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use pixie_core::{Body, BodyUse, BoxError, Error, Handler, Request, abort};
use pixie_server::BodyError;

use crate::compose::Endpoint;

/// Says whether the handler may run now: nobody reads the body, it is here, or an async handler takes it as a stream.
pub(crate) fn is_ready(request: &Request, endpoint: &Endpoint) -> bool {
    match endpoint.route.reads().body {
        BodyUse::Unused => true,
        BodyUse::Stream if matches!(endpoint.route.handler(), Handler::Async(_)) => true,
        BodyUse::Stream | BodyUse::Whole => request.has_whole_body(),
    }
}

/// Reads the whole body.
pub(crate) async fn read_body(request: &mut Request, endpoint: &Endpoint) -> Result<(), Error> {
    let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let body = collect(request.take_body(), announced, endpoint.body_bytes_max).await?;
    request.set_body(Body::from(body));
    Ok(())
}

async fn collect(mut body: Body, announced: Option<usize>, bytes_max: usize) -> Result<Bytes, Error> {
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
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

fn too_large(bytes_max: usize) -> Error {
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
