//! Extractors of the body: `Json`, `Bytes`, `Body`, `BodyReader` and the whole `Request`.
//!
//! The length of the body was checked before. This file checks the media type and the contents.
use bytes::Bytes;
use http::{HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Body, BodyReader, BodyUse, Error, FromRequest, IntoResponse, Needs, Notes, Request, Response, StatusCode,
    error::refused, extract::form::Unfit,
};

pub(crate) const JSON_MEDIA: &str = "application/json";
const BINARY_MEDIA: &str = "application/octet-stream";
const JSON: HeaderValue = HeaderValue::from_static(JSON_MEDIA);

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
        needs.notes.body::<T>(JSON_MEDIA);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        request.expect_media("application/json", is_json)?;
        let body = request.body();
        serde_json::from_slice(body).map(Json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => unfit::<T>(error, body),
            _ => refused(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")),
        })
    }
}

/// Returns the error of JSON that does not fit its type, with the field. The body is read again, because
/// noting the path of each value takes time.
fn unfit<T: DeserializeOwned>(error: serde_json::Error, body: &[u8]) -> Error {
    let mut json = serde_json::Deserializer::from_slice(body);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(error) => (error.path().to_string(), error.into_inner()),
        Ok(_) => (".".to_owned(), error),
    };
    let reason = error.to_string();
    let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
    Unfit::new(path, reason.to_owned()).refused(StatusCode::UNPROCESSABLE_ENTITY, "field", "JSON")
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => Response::with_type(Body::from(json), JSON),
            Err(error) => Error::from(error).into(),
        }
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<T>("200", JSON_MEDIA);
    }
}

impl FromRequest for Request {
    const BODY: BodyUse = BodyUse::Whole;

    fn needs(needs: &mut Needs) {
        needs.everything();
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(request.take())
    }
}

impl FromRequest for Body {
    const BODY: BodyUse = BodyUse::Stream;

    fn needs(needs: &mut Needs) {
        needs.notes.body::<[u8]>(BINARY_MEDIA);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(request.take_body())
    }
}

impl FromRequest for BodyReader {
    const BODY: BodyUse = BodyUse::Read;

    fn needs(needs: &mut Needs) {
        needs.notes.body::<[u8]>(BINARY_MEDIA);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        // In a route that is not a server's, such as in a test of the handler, the body is whole.
        let reader = request.plumbing_mut().reader.take();
        Ok(reader.map_or_else(|| BodyReader::from(request.take_bytes()), |reader| *reader))
    }
}

impl FromRequest for Bytes {
    const BODY: BodyUse = BodyUse::Whole;

    fn needs(needs: &mut Needs) {
        needs.notes.body::<[u8]>(BINARY_MEDIA);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(request.take_bytes())
    }
}

impl Request {
    /// Reads the body as JSON, like the [`Json`] extractor.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        Json::from_request(self).map(|Json(value)| value)
    }
}

pub(crate) fn is_json(media: &str) -> bool {
    media.eq_ignore_ascii_case("application/json") || media.to_ascii_lowercase().ends_with("+json")
}
