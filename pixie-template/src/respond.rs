//! A view as the response of a handler.
//!
//! The attribute `#[template]` implements `IntoResponse` with this. A view that fails to render is a 500 like every other error.

use pixie_core::{Error, HeaderValue, Response, header::CONTENT_TYPE};

use crate::{View, render};

/// Renders a view into a response that carries its content type.
pub fn respond<V: View>(view: &V) -> Response {
    match render(view) {
        Ok(text) => {
            let mut response = Response::new(text);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(V::CONTENT_TYPE));
            response
        }
        Err(error) => Error::from(error).into(),
    }
}
