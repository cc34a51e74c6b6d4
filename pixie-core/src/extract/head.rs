//! Extractors that read only a request's head: the query string, headers, cookies, the client's address and
//! ids.

use std::{net::SocketAddr, ops::Deref};

use http::{HeaderMap, HeaderName, header};
use serde::de::DeserializeOwned;

use crate::{
    Cookies, Error, FromRequest, Needs, Origin, Request, RequestId, Scheme, StatusCode, TraceContext, extract::form,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The query string, read into a type of yours. A name that occurs several times is read into a `Vec`.
///
/// ```
/// use pixie_core::{FromRequest, Method, Query, Request, Uri};
/// #[derive(serde::Deserialize)]
/// struct Page { number: u32 }
///
/// let mut request = Request::new(Method::GET, Uri::from_static("/?number=2"));
/// let Query(page) = Query::<Page>::from_request(&mut request)?;
/// assert_eq!(page.number, 2);
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[doc(alias("query string", "search params"))]
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    fn needs(needs: &mut Needs) {
        needs.query = true;
        needs.notes.query::<T>();
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let query = request.query().unwrap_or_default();
        form::read_pairs(query.as_bytes()).map(Query).map_err(|unfit| {
            let error = unfit.refused(StatusCode::BAD_REQUEST, "parameter", "query string");
            if query.is_empty() { error.of_something_missing() } else { error }
        })
    }
}

/// All headers of the request.
///
/// ```
/// use pixie_core::Headers;
/// fn language(headers: Headers) -> String {
///     headers.get("accept-language").and_then(|value| value.to_str().ok()).unwrap_or("en").to_owned()
/// }
/// assert_eq!(language(Headers(Default::default())), "en");
/// ```
#[derive(Clone, Debug)]
pub struct Headers(pub HeaderMap);

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        &self.0
    }
}

impl FromRequest for Headers {
    fn needs(needs: &mut Needs) {
        needs.everything();
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(Headers(request.headers().clone()))
    }
}

/// The address of the client, or of the proxy in front of the app. Behind a proxy that `App::behind_proxy`
/// trusts, it is the address that the proxy reports; the port is 0 if the proxy does not report it.
///
/// ```
/// use pixie_core::Peer;
/// fn greet(Peer(address): Peer) -> String {
///     format!("Hello {}", address.ip())
/// }
/// assert_eq!(greet(Peer(([127, 0, 0, 1], 80).into())), "Hello 127.0.0.1");
/// ```
#[doc(alias("client ip", "remote address", "connect_info"))]
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl FromRequest for Peer {
    fn needs(needs: &mut Needs) {
        needs.peer = true;
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let unknown = || Error::missing("the client's address is not known");
        request.peer().map(Peer).ok_or_else(unknown)
    }
}

impl FromRequest for Scheme {
    fn needs(_: &mut Needs) {}

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(request.scheme())
    }
}

impl FromRequest for Origin {
    fn needs(needs: &mut Needs) {
        needs.header(header::HOST);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let unknown = || Error::missing("the request names no host");
        let host = request.host().filter(|host| !host.is_empty()).ok_or_else(unknown)?;
        Ok(Origin { scheme: request.scheme(), host: host.to_owned() })
    }
}

impl FromRequest for TraceContext {
    fn needs(needs: &mut Needs) {
        needs.header(TraceContext::HEADER);
        needs.header(TraceContext::STATE_HEADER);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let none = || Error::missing("the request has no valid `traceparent`");
        TraceContext::from_headers(request.headers()).ok_or_else(none)
    }
}

impl FromRequest for Cookies {
    fn needs(needs: &mut Needs) {
        needs.header(header::COOKIE);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(request.cookies())
    }
}

impl FromRequest for RequestId {
    fn needs(needs: &mut Needs) {
        needs.id = true;
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let none = || Error::missing("the request has no id");
        request.id().cloned().ok_or_else(none)
    }
}

/// The id of the last event that a client got before it reconnected. Take `Option<LastEventId>`, because a
/// client has no id the first time.
///
/// ```
/// use pixie_core::{Event, LastEventId, Pieces};
/// fn count(last: Option<LastEventId>) -> Pieces {
///     let first = last.and_then(|LastEventId(id)| id.parse().ok()).map_or(0, |id: u32| id + 1);
///     Pieces::events((first..3).map(|number| Event::data(number.to_string()).id(number.to_string())))
/// }
/// # let _ = count(Some(LastEventId("1".to_owned())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastEventId(pub String);

impl FromRequest for LastEventId {
    fn needs(needs: &mut Needs) {
        needs.header(LAST_EVENT_ID);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let missing = || Error::missing("the request has no Last-Event-ID");
        let value = request.headers().get(LAST_EVENT_ID).ok_or_else(missing)?;
        // Browsers send ids as UTF-8, which header values need not be.
        Ok(LastEventId(String::from_utf8_lossy(value.as_bytes()).into_owned()))
    }
}
