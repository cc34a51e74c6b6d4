//! Conditional requests: the `If-…` headers of a client, in the order of RFC 9110, section 13.2.2.
//!
//! Invariant: a malformed condition is not an error. As the RFC says, a malformed date counts as absent, and
//! a list without a valid tag has no match.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{Body, ETag, Error, Response, abort};

/// The entity tag and the date of one version of a representation.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Validators {
    /// The entity tag, if it has one.
    pub etag: Option<ETag>,
    /// The time of the last change, if it is known. Fractions of a second are ignored.
    pub last_modified: Option<SystemTime>,
}

impl Validators {
    /// Returns validators with this tag and this time of the last change.
    pub fn new(etag: Option<ETag>, last_modified: Option<SystemTime>) -> Validators {
        Validators { etag, last_modified }
    }

    /// Returns whether a request has a condition other than `If-Range`.
    pub fn matter_to(request: &HeaderMap) -> bool {
        const NAMES: [HeaderName; 4] =
            [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE];
        NAMES.iter().any(|name| request.contains_key(name))
    }

    /// Reads the validators from the headers of a response.
    pub fn of(headers: &HeaderMap) -> Validators {
        Validators {
            etag: headers.get(header::ETAG).and_then(ETag::parse),
            last_modified: date(headers, header::LAST_MODIFIED),
        }
    }

    /// Returns the value of `Last-Modified`, or `None` if HTTP cannot write the time.
    pub fn last_modified_value(&self) -> Option<HeaderValue> {
        self.last_modified.and_then(date_value)
    }

    /// Checks the conditions of a request for a representation that exists and has these validators. Returns
    /// the status that replaces the response: 304 if the client has this version already, 412 if the client
    /// expects another version, or `None` if the response is the same as without conditions.
    ///
    /// ```
    /// use pixie_core::{ETag, HeaderMap, Method, StatusCode, Validators};
    /// let stored = Validators::new(ETag::strong("v2"), None);
    /// let mut request = HeaderMap::new();
    /// request.insert("if-match", "\"v1\"".parse()?);
    /// assert_eq!(stored.check(&Method::PUT, &request), Some(StatusCode::PRECONDITION_FAILED));
    /// # Ok::<(), pixie_core::Error>(())
    /// ```
    pub fn check(&self, method: &Method, request: &HeaderMap) -> Option<StatusCode> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if request.contains_key(header::IF_MATCH) {
            let is_met = self.is_listed(request, header::IF_MATCH, ETag::is_strongly_in);
            if !is_met {
                return Some(StatusCode::PRECONDITION_FAILED);
            }
        } else if let (Some(changed), Some(date)) = (self.changed(), date(request, header::IF_UNMODIFIED_SINCE))
            && changed > date
        {
            return Some(StatusCode::PRECONDITION_FAILED);
        }
        if request.contains_key(header::IF_NONE_MATCH) {
            return match self.is_listed(request, header::IF_NONE_MATCH, ETag::is_weakly_in) {
                false => None,
                true if is_read => Some(StatusCode::NOT_MODIFIED),
                true => Some(StatusCode::PRECONDITION_FAILED),
            };
        }
        match (self.changed(), date(request, header::IF_MODIFIED_SINCE)) {
            (Some(changed), Some(date)) if is_read && changed <= date => Some(StatusCode::NOT_MODIFIED),
            _ => None,
        }
    }

    /// Returns whether `If-Range` allows the server to follow the `Range` of a request.
    ///
    /// A weak tag may stand for versions with different bytes. If the representation has one, its date is not
    /// trusted either.
    pub fn allow_range(&self, request: &HeaderMap) -> bool {
        let Some(condition) = request.get(header::IF_RANGE) else { return true };
        if ETag::parse(condition).is_some() {
            return self.etag.as_ref().is_some_and(|etag| etag.is_strongly_in(condition.as_bytes()));
        }
        let is_strong = !self.etag.as_ref().is_some_and(ETag::is_weak);
        is_strong && self.changed().is_some() && self.changed() == date(request, header::IF_RANGE)
    }

    /// Returns the 412 for a failed condition, with the current validators.
    pub fn failed(&self) -> Error {
        let mut error = abort(412).with_place(None).with_detail("this has changed since you read it: read it again");
        if let Some(etag) = &self.etag {
            error = error.with_header(header::ETAG, etag.header_value().clone());
        }
        if let Some(date) = self.last_modified_value() {
            error = error.with_header(header::LAST_MODIFIED, date);
        }
        error
    }

    fn is_listed(&self, request: &HeaderMap, name: HeaderName, is_in: fn(&ETag, &[u8]) -> bool) -> bool {
        request.get_all(name).iter().any(|list| {
            let is_any = list.as_bytes().trim_ascii() == b"*";
            is_any || self.etag.as_ref().is_some_and(|etag| is_in(etag, list.as_bytes()))
        })
    }

    fn changed(&self) -> Option<SystemTime> {
        self.last_modified.and_then(whole_seconds)
    }
}

impl Response {
    /// Sets a strong entity tag: two responses with the same tag have the same bytes. The text has no quotes.
    ///
    /// ```
    /// # use pixie_core::Response;
    /// assert_eq!(Response::new("page").etag("v1").headers()["etag"], "\"v1\"");
    /// ```
    #[track_caller]
    pub fn etag(self, text: &str) -> Response {
        self.with_tag(text, ETag::strong(text))
    }

    /// Sets a weak entity tag: two responses with the same tag have the same meaning, but may differ in their
    /// bytes.
    #[track_caller]
    pub fn weak_etag(self, text: &str) -> Response {
        self.with_tag(text, ETag::weak(text))
    }

    /// Sets a strong entity tag made of the body's bytes, unless the response has a tag or its body is a
    /// stream.
    pub fn with_etag(mut self) -> Response {
        self.tag();
        self
    }

    /// Sets the time of the last change.
    pub fn last_modified(mut self, time: SystemTime) -> Response {
        if let Some(value) = date_value(time) {
            self.headers_mut().insert(header::LAST_MODIFIED, value);
        }
        self
    }

    /// Sets the tag in place: see [`Response::with_etag`].
    pub fn tag(&mut self) {
        if self.error().is_some() || self.headers().contains_key(header::ETAG) {
            return;
        }
        if let Some(etag) = self.body().as_bytes().map(ETag::of) {
            self.headers_mut().insert(header::ETAG, etag.into());
        }
    }

    /// Applies the conditions of a GET or HEAD request to a 200 response with a validator. The response
    /// becomes a 304 if the client has this version. Other responses stay as they are.
    ///
    /// # Errors
    ///
    /// Returns a 412 if the client expects another version.
    pub fn apply_conditions(&mut self, method: &Method, request: &HeaderMap) -> Result<(), Error> {
        // A response has few headers, so that a scan is faster than two searches.
        let has_validator = self.headers().keys().any(|name| *name == header::ETAG || *name == header::LAST_MODIFIED);
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if self.status() != StatusCode::OK || !has_validator || !is_read || !Validators::matter_to(request) {
            return Ok(());
        }
        let validators = Validators::of(self.headers());
        match validators.check(method, request) {
            None => {}
            Some(StatusCode::NOT_MODIFIED) => self.set_not_modified(),
            Some(_) => return Err(validators.failed()),
        }
        Ok(())
    }

    fn set_not_modified(&mut self) {
        // A 304 keeps the headers for caches and cookies, and loses those that describe the body (RFC 9110,
        // section 15.4.5).
        let of_body =
            [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LENGTH, header::CONTENT_TYPE];
        for name in of_body {
            self.headers_mut().remove(name);
        }
        if self.headers().contains_key(header::ETAG) {
            self.headers_mut().remove(header::LAST_MODIFIED);
        }
        self.set_status(StatusCode::NOT_MODIFIED);
        self.set_body(Body::empty());
    }

    #[track_caller]
    fn with_tag(mut self, text: &str, etag: Option<ETag>) -> Response {
        match etag {
            Some(etag) => {
                self.headers_mut().insert(header::ETAG, etag.into());
                self
            }
            None => Error::internal(format!(
                "invalid entity tag `{text}`: use text without quotes, spaces and control characters"
            ))
            .into(),
        }
    }
}

/// Reads a date in one of the three forms of RFC 9110, section 5.6.7. Returns `None` if the header occurs
/// twice.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let text = lines.next()?.to_str().ok()?;
    lines.next().is_none().then(|| httpdate::parse_http_date(text).ok()).flatten()
}

fn date_value(time: SystemTime) -> Option<HeaderValue> {
    /// The last second of the year 9999. The format cannot write later times.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = time.duration_since(UNIX_EPOCH).ok().filter(|since| *since <= LAST)?;
    HeaderValue::try_from(httpdate::fmt_http_date(UNIX_EPOCH + since)).ok()
}

fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}
