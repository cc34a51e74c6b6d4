//! `Cookies`: the cookies that a client sent, read from the `Cookie` header (RFC 6265, section 5.4).
//!
//! A malformed pair is skipped, as browsers' servers do, never an error. Setting a cookie belongs to
//! [`Response::cookie`](crate::Response::cookie).
use cookie::Cookie;
use http::{HeaderMap, header};

use crate::{FromRequest, Needs, Rejection, Request};

/// The cookies of a request, in the order in which they were sent.
#[derive(Clone, Debug, Default)]
pub struct Cookies(Vec<Cookie<'static>>);

impl Cookies {
    /// Reads all `Cookie` headers; values are percent-decoded.
    pub fn from_headers(headers: &HeaderMap) -> Cookies {
        let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.flat_map(Cookie::split_parse_encoded).flatten();
        Cookies(pairs.map(Cookie::into_owned).collect())
    }

    /// Returns the value of the first cookie of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Goes through all names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|cookie| (cookie.name(), cookie.value()))
    }
}

impl FromRequest for Cookies {
    fn needs(needs: &mut Needs) {
        needs.header(header::COOKIE);
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(request.cookies())
    }
}
