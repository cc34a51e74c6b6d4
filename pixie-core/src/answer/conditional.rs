//! Conditional requests: whether a client's `If-…` headers let a request pass, in the order of RFC 9110, section 13.2.2.
//!
//! It compares values and decides; nothing is sent or read here. Must stay true: a condition that cannot be read counts as
//! the RFC says, a date that is none as absent, a list without a tag as one without a match, and never as an error.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{Body, ETag, Error, Response, abort};

/// What tells one version of a representation from another.
#[derive(Clone, Debug, Default)]
pub struct Validators {
    /// The entity tag, if it has one.
    pub etag: Option<ETag>,
    /// The time of the last change, if it is known. Less than a second does not count.
    pub last_modified: Option<SystemTime>,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The request is answered as if it had none.
    Passed,
    /// The client has this version already: 304.
    NotModified,
    /// The client expects another version: 412.
    Failed,
}

impl Precondition {
    /// Says whether a request has any condition but that of a range.
    pub fn is_in(request: &HeaderMap) -> bool {
        const NAMES: [HeaderName; 4] =
            [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE];
        NAMES.iter().any(|name| request.contains_key(name))
    }
}

impl Validators {
    /// Reads the validators of a response's headers.
    pub fn of(headers: &HeaderMap) -> Validators {
        Validators {
            etag: headers.get(header::ETAG).and_then(ETag::parse),
            last_modified: date(headers, header::LAST_MODIFIED),
        }
    }

    /// Returns the header for the last change; a time that HTTP cannot write has none.
    pub fn last_modified_value(&self) -> Option<HeaderValue> {
        self.last_modified.and_then(date_value)
    }

    /// Judges the conditions of a request for a representation that exists and has these validators.
    ///
    /// ```
    /// use pixie_core::{ETag, HeaderMap, Method, Precondition, Validators};
    /// let stored = Validators { etag: ETag::strong("v2"), last_modified: None };
    /// let mut request = HeaderMap::new();
    /// request.insert("if-match", "\"v1\"".parse()?);
    /// assert_eq!(stored.check(&Method::PUT, &request), Precondition::Failed);
    /// # Ok::<(), pixie_core::Error>(())
    /// ```
    pub fn check(&self, method: &Method, request: &HeaderMap) -> Precondition {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if request.contains_key(header::IF_MATCH) {
            let is_met = self.is_listed(request, header::IF_MATCH, ETag::is_strongly_in);
            if !is_met {
                return Precondition::Failed;
            }
        } else if let (Some(changed), Some(date)) = (self.changed(), date(request, header::IF_UNMODIFIED_SINCE))
            && changed > date
        {
            return Precondition::Failed;
        }
        if request.contains_key(header::IF_NONE_MATCH) {
            return match self.is_listed(request, header::IF_NONE_MATCH, ETag::is_weakly_in) {
                false => Precondition::Passed,
                true if is_read => Precondition::NotModified,
                true => Precondition::Failed,
            };
        }
        match (self.changed(), date(request, header::IF_MODIFIED_SINCE)) {
            (Some(changed), Some(date)) if is_read && changed <= date => Precondition::NotModified,
            _ => Precondition::Passed,
        }
    }

    /// Says whether a request's `Range` may be followed, by its `If-Range`.
    ///
    /// A weak tag stands for versions that may differ in their bytes, so beside one no date is trusted either.
    pub fn allow_range(&self, request: &HeaderMap) -> bool {
        let Some(condition) = request.get(header::IF_RANGE) else { return true };
        if ETag::parse(condition).is_some() {
            return self.etag.as_ref().is_some_and(|etag| etag.is_strongly_in(condition.as_bytes()));
        }
        let is_strong = !self.etag.as_ref().is_some_and(ETag::is_weak);
        is_strong && self.changed().is_some() && self.changed() == date(request, header::IF_RANGE)
    }

    /// Returns the 412 of a condition that failed, with the validators of the version that is there.
    pub fn failed(&self) -> Error {
        let mut error = abort(412).with_place(None).with_detail("this has changed since: read it again");
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
    /// Names this version of the body with a strong entity tag, text without quotes: the same text, the same bytes.
    #[track_caller]
    pub fn etag(self, text: &str) -> Response {
        self.with_tag(text, ETag::strong(text))
    }

    /// Names this version of the body with a weak entity tag: the same text, bodies as good as each other.
    #[track_caller]
    pub fn weak_etag(self, text: &str) -> Response {
        self.with_tag(text, ETag::weak(text))
    }

    /// Names this version of the body by its bytes, unless it has a tag already or its body is a stream.
    pub fn with_etag(mut self) -> Response {
        self.tag();
        self
    }

    /// Sets when the body was last changed.
    pub fn last_modified(mut self, time: SystemTime) -> Response {
        if let Some(value) = date_value(time) {
            self.headers_mut().insert(header::LAST_MODIFIED, value);
        }
        self
    }

    /// Does what [`Response::with_etag`] does, in place.
    pub fn tag(&mut self) {
        if self.error().is_some() || self.headers().contains_key(header::ETAG) {
            return;
        }
        if let Some(etag) = self.body().as_bytes().map(ETag::of) {
            self.headers_mut().insert(header::ETAG, etag.into());
        }
    }

    /// Answers the conditions of a GET or HEAD request: a 200 with a validator becomes a 304 where the client has that
    /// version, and fails with 412 where it expects another. Every other response stays as it is.
    pub fn apply_conditions(&mut self, method: &Method, request: &HeaderMap) -> Result<(), Error> {
        let has_validator = [header::ETAG, header::LAST_MODIFIED].iter().any(|name| self.headers().contains_key(name));
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if self.status() != StatusCode::OK || !has_validator || !is_read || !Precondition::is_in(request) {
            return Ok(());
        }
        let validators = Validators::of(self.headers());
        match validators.check(method, request) {
            Precondition::Passed => {}
            Precondition::NotModified => self.set_not_modified(),
            Precondition::Failed => return Err(validators.failed()),
        }
        Ok(())
    }

    fn set_not_modified(&mut self) {
        // What describes the body goes with it, what steers caches and cookies stays (RFC 9110, section 15.4.5).
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
                "`{text}` is no entity tag: use text without quotes, spaces and control characters"
            ))
            .into(),
        }
    }
}

/// Reads a date in one of the three forms of RFC 9110, section 5.6.7. Two lines are none.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let text = lines.next()?.to_str().ok()?;
    lines.next().is_none().then(|| httpdate::parse_http_date(text).ok()).flatten()
}

fn date_value(time: SystemTime) -> Option<HeaderValue> {
    /// The last second of the year 9999, the last one that the format can write.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = time.duration_since(UNIX_EPOCH).ok().filter(|since| *since <= LAST)?;
    HeaderValue::try_from(httpdate::fmt_http_date(UNIX_EPOCH + since)).ok()
}

fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}
