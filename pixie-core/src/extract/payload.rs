//! `Json` and the plain extractors that read the whole body, and the media types that bodies are accepted in.
//!
//! The body's length was limited before it was buffered; here only its type and its contents are judged.
use std::ops::Deref;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Body, BodyUse, Error, FromRequest, IntoResponse, Needs, Rejection, RejectionKind, Request, Response};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// JSON: as an argument the request's body read into a type of yours, as a return value the response's body.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Json<T> {
    const BODY: BodyUse = BodyUse::Whole;

    fn needs(needs: &mut Needs) {
        needs.header(header::CONTENT_TYPE);
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        expect_media(request, "application/json", is_json)?;
        serde_json::from_slice(request.body()).map(Json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => unprocessable(format!("the JSON does not fit: {error}")),
            _ => Rejection::new(RejectionKind::Invalid, format!("the body is not JSON: {error}")),
        })
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => Response::with_type(Body::from(json), JSON),
            Err(error) => Error::from(error).into(),
        }
    }
}

impl FromRequest for Bytes {
    const BODY: BodyUse = BodyUse::Whole;

    fn needs(_: &mut Needs) {}

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(request.take_bytes())
    }
}

/// Says whether the body is an urlencoded form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| media.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let is_json = |media: &str| media == "application/json" || media.ends_with("+json");
    media_type(headers).is_some_and(|media| is_json(&media.to_ascii_lowercase()))
}

/// Returns the media type without its parameters (RFC 9110, section 8.3.1).
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

pub(crate) fn expect_media(request: &Request, wanted: &str, fits: fn(&HeaderMap) -> bool) -> Result<(), Rejection> {
    if fits(request.headers()) {
        return Ok(());
    }
    let Some(found) = media_type(request.headers()) else {
        let detail = format!("the request has no Content-Type: send the body as {wanted}");
        let kind = if request.body().is_empty() { RejectionKind::Missing } else { RejectionKind::MediaType };
        return Err(Rejection::new(kind, detail));
    };
    let detail = format!("the body is {found}: send it as {wanted}");
    Err(Rejection::new(RejectionKind::MediaType, detail))
}

pub(crate) fn unprocessable(detail: String) -> Rejection {
    Rejection::new(RejectionKind::Invalid, detail).with_status(http::StatusCode::UNPROCESSABLE_ENTITY)
}
