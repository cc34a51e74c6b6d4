//! Extractors of the body: `Json`, `Bytes`, `Body`, `BodyReader` and the whole `Request`.
//!
//! The length of the body was checked before. This file checks the media type and the contents.
use bytes::Bytes;
use http::{HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Body, BodyReader, BodyUse, Error, FromRequest, IntoResponse, Needs, Rejection, RejectionKind, Request, Response,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// JSON. As an argument, it is the body of the request, read into a type of yours. As a return value, it is
/// the body of the response.
///
/// ```
/// use pixie_core::{FromRequest, Json, Request};
/// #[derive(serde::Deserialize)]
/// struct Point { x: i32, y: i32 }
///
/// fn sum(Json(point): Json<Point>) -> Json<i32> {
///     Json(point.x + point.y)
/// }
/// let request = http::Request::post("/").header("content-type", "application/json").body(r#"{"x":1,"y":2}"#.into())?;
/// let point = Json::from_request(&mut Request::from_http(request))?;
/// assert_eq!(sum(point).0, 3);
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Json<T> {
    const BODY: BodyUse = BodyUse::Whole;

    fn needs(needs: &mut Needs) {
        needs.header(header::CONTENT_TYPE);
        needs.json = true;
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        request.expect_media("application/json", is_json)?;
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

impl FromRequest for Request {
    const BODY: BodyUse = BodyUse::Whole;

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(request.take())
    }
}

impl FromRequest for Body {
    const BODY: BodyUse = BodyUse::Stream;

    fn needs(_: &mut Needs) {}

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(request.take_body())
    }
}

impl FromRequest for BodyReader {
    const BODY: BodyUse = BodyUse::Read;

    fn needs(_: &mut Needs) {}

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        // In a route that is not a server's, such as in a test of the handler, the body is whole.
        let reader = request.plumbing_mut().reader.take();
        Ok(reader.map_or_else(|| BodyReader::from(request.take_bytes()), |reader| *reader))
    }
}

impl FromRequest for Bytes {
    const BODY: BodyUse = BodyUse::Whole;

    fn needs(_: &mut Needs) {}

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(request.take_bytes())
    }
}

impl Request {
    /// Reads the body as JSON, like the [`Json`] extractor.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, Rejection> {
        Json::from_request(self).map(|Json(value)| value)
    }
}

pub(crate) fn is_json(media: &str) -> bool {
    media.eq_ignore_ascii_case("application/json") || media.to_ascii_lowercase().ends_with("+json")
}

pub(crate) fn unprocessable(detail: String) -> Rejection {
    Rejection::new(RejectionKind::Invalid, detail).with_status(http::StatusCode::UNPROCESSABLE_ENTITY)
}
