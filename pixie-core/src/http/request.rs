//! `Request`: what a client asked for, as a handler sees it.
//!
//! It owns the head, the body, the values of the path's wildcards and a handle to the app's state. It never reads from a
//! socket: for most handlers the body has been buffered before, for the others it is a stream that they poll.
use std::{borrow::Cow, net::SocketAddr, str::FromStr, sync::Arc};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Uri, Version, header::AsHeaderName, request::Parts};
use serde::de::DeserializeOwned;

use crate::{
    Body, BodyReader, Cookies, FormLimits, FromParam, FromRequest, Json, Params, Parts as FormParts, Rejection,
    RejectionKind, RequestId, RequestView, StateMap, extract::payload, form::multipart,
};

/// A request, from its head to its body.
#[derive(Debug)]
pub struct Request {
    head: Parts,
    body: Body,
    parts: Option<Box<FormParts>>,
    /// Boxed, because few handlers read so.
    reader: Option<Box<BodyReader>>,
    params: Params,
    peer: Option<SocketAddr>,
    id: Option<RequestId>,
    state: Option<Arc<StateMap>>,
    /// What hooks carried: the name of each value's type, and the value as JSON.
    carried: Vec<(Cow<'static, str>, Vec<u8>)>,
}

impl Request {
    /// Takes a request from the http crate's type.
    pub fn from_http(request: http::Request<Body>) -> Request {
        let (head, body) = request.into_parts();
        Request::from_parts(head, body)
    }

    /// Puts a request together from its head and its body.
    pub fn from_parts(head: Parts, body: Body) -> Request {
        Request {
            head,
            body,
            parts: None,
            reader: None,
            params: Params::default(),
            peer: None,
            id: None,
            state: None,
            carried: Vec::new(),
        }
    }

    /// Returns a request for `method` and `uri`, without headers or body.
    pub fn new(method: Method, uri: Uri) -> Request {
        let mut request = http::Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        Request::from_http(request)
    }

    /// Returns the method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// Returns the method's name, such as `GET`.
    pub fn verb(&self) -> &str {
        self.head.method.as_str()
    }

    /// Returns the target as it was sent.
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// Returns the path as it was sent, percent-encoded.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// Returns the query string without its `?`, percent-encoded.
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// Returns the query string's names and values, decoded.
    pub fn query_pairs(&self) -> Pairs {
        Pairs::parse(self.query().unwrap_or_default().as_bytes())
    }

    /// Returns the protocol's name, such as `HTTP/1.1`.
    pub fn protocol(&self) -> &'static str {
        match self.head.version {
            Version::HTTP_09 => "HTTP/0.9",
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_3 => "HTTP/3",
            _ => "HTTP/1.1",
        }
    }

    /// Returns the protocol's version.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// Returns all headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns a header as text, if it is there and is text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Returns the cookies that the client sent.
    pub fn cookies(&self) -> Cookies {
        Cookies::from_headers(self.headers())
    }

    /// Returns the body's bytes; a body that is still a stream shows none.
    pub fn body(&self) -> &[u8] {
        self.body.as_bytes().unwrap_or_default()
    }

    /// Says whether the body is here whole, not a stream that is still read.
    pub fn has_whole_body(&self) -> bool {
        self.body.as_bytes().is_some()
    }

    /// Returns the fields of a form, decoded; empty where the body is something else, or a form beyond the app's
    /// [`FormLimits`]: [`Request::parts`] tells which.
    pub fn form(&self) -> Pairs {
        match &self.parts {
            Some(parts) => parts.fields.clone(),
            None => self.read_parts().map(|parts| parts.fields).unwrap_or_default(),
        }
    }

    /// Returns the fields and files of a form. A multipart body that is still whole is read now, in memory, and within the app's
    /// [`FormLimits`], as any form is.
    pub fn parts(&mut self) -> Result<&FormParts, Rejection> {
        let parts = match self.parts.take() {
            Some(parts) => parts,
            None => Box::new(self.read_parts()?),
        };
        Ok(self.parts.insert(parts))
    }

    fn read_parts(&self) -> Result<FormParts, Rejection> {
        if multipart::is_multipart(self.headers()) {
            return FormParts::read(self.headers(), self.body.shared_bytes(), &self.form_limits());
        }
        payload::expect_media(self, "application/x-www-form-urlencoded or multipart/form-data", payload::is_form)?;
        Ok(FormParts { fields: Pairs::parse(self.urlencoded()?), files: Vec::new() })
    }

    /// Returns the text of an urlencoded form, if it is within the app's limits.
    pub(crate) fn urlencoded(&self) -> Result<&[u8], Rejection> {
        self.form_limits().check_urlencoded(self.body())?;
        Ok(self.body())
    }

    /// They are a value of the app like others, so that requests without a form do not carry them.
    fn form_limits(&self) -> Arc<FormLimits> {
        self.state().and_then(StateMap::get).unwrap_or_default()
    }

    /// Says whether the body is here as the parts of a form.
    pub fn has_parts(&self) -> bool {
        self.parts.is_some()
    }

    /// Takes the parts of a form out, if that is what the body is here as.
    pub fn take_parts(&mut self) -> Option<FormParts> {
        self.parts.take().map(|parts| *parts)
    }

    /// Puts in the parts that the body was read into.
    pub fn set_parts(&mut self, parts: FormParts) {
        self.parts = Some(Box::new(parts));
    }

    /// Puts in a reader of the body, in place of the body.
    pub fn set_reader(&mut self, reader: BodyReader) {
        self.reader = Some(Box::new(reader));
    }

    /// Takes the reader of the body out, if the body is read while it arrives.
    pub(crate) fn take_reader(&mut self) -> Option<BodyReader> {
        self.reader.take().map(|reader| *reader)
    }

    /// Says whether the body is a multipart form.
    pub fn is_multipart(&self) -> bool {
        multipart::is_multipart(self.headers())
    }

    /// Says whether the body is an urlencoded form.
    pub fn is_urlencoded(&self) -> bool {
        payload::is_form(self.headers())
    }

    /// Reads the body as JSON, as the [`Json`] extractor does.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, Rejection> {
        Json::from_request(self).map(|Json(value)| value)
    }

    /// Returns the address of the client, where it is known.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns the request as HTTP/1.1 text: request line, headers and the buffered body.
    ///
    /// It is written from the parsed request, so header names are in lower case.
    pub fn raw(&self) -> Vec<u8> {
        let target = self.head.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut raw = format!("{} {target} {}\r\n", self.verb(), self.protocol()).into_bytes();
        for (name, value) in self.headers() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                raw.extend_from_slice(part);
            }
        }
        raw.extend_from_slice(b"\r\n");
        raw.extend_from_slice(self.body());
        raw
    }

    /// Returns the decoded text of a `<wildcard>`.
    pub fn param_text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.params.get(name, self.path())
    }

    /// Returns the value of a `<wildcard>`; text that does not fit the type is rejected with 404.
    pub fn param<T: FromParam>(&self, name: &str) -> Result<T, Rejection> {
        let value = self.param_text(name).and_then(|text| T::from_param(&text));
        value.ok_or_else(|| Rejection::new(RejectionKind::Param, "there is no page at this address"))
    }

    /// Returns values that middleware attached to the request.
    pub fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }

    /// Returns values that middleware attached to the request, to change them.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.head.extensions
    }

    /// Returns the headers, to change them.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// Returns the app's values of this process.
    pub fn state(&self) -> Option<&StateMap> {
        self.state.as_deref()
    }

    /// Returns the head and the client's address, as after hooks see them.
    pub fn view(&self) -> RequestView<'_> {
        RequestView::of(&self.head, self.peer, self.id.as_ref())
    }

    /// Returns the JSON of a carried value, by the name of its type.
    pub(crate) fn carried(&self, name: &str) -> Option<&[u8]> {
        self.carried.iter().find(|(known, _)| known == name).map(|(_, json)| json.as_slice())
    }

    /// Goes through all carried values: the name of the type, and the value as JSON.
    pub fn carried_values(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.carried.iter().map(|(name, json)| (&**name, json.as_slice()))
    }

    /// Puts in a carried value, as it came from another process.
    pub fn set_carried(&mut self, name: Cow<'static, str>, json: Vec<u8>) {
        self.carried.retain(|(known, _)| *known != name);
        self.carried.push((name, json));
    }

    /// Takes the body out, whole or as a stream.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.body)
    }

    /// Takes the body's bytes out; a body that is still a stream gives none.
    pub fn take_bytes(&mut self) -> Bytes {
        self.take_body().into_bytes().unwrap_or_default()
    }

    /// Puts a body in.
    pub fn set_body(&mut self, body: Body) {
        self.body = body;
    }

    /// Puts in what the route match found in the path.
    pub fn set_params(&mut self, params: Params) {
        self.params = params;
    }

    /// Returns what the request is called in logs, where it has an id: see [`RequestId`].
    pub fn id(&self) -> Option<&RequestId> {
        self.id.as_ref()
    }

    /// Gives the request its id.
    pub fn set_id(&mut self, id: Option<RequestId>) {
        self.id = id;
    }

    /// Puts the client's address in.
    pub fn set_peer(&mut self, peer: Option<SocketAddr>) {
        self.peer = peer;
    }

    /// Puts the app's values in.
    pub fn set_state(&mut self, state: Arc<StateMap>) {
        self.state = Some(state);
    }

    /// Takes the request with its body and leaves its head behind, for the error page.
    pub(crate) fn take(&mut self) -> Request {
        Request {
            head: self.head.clone(),
            body: self.take_body(),
            parts: self.parts.take(),
            reader: self.reader.take(),
            params: self.params.clone(),
            peer: self.peer,
            id: self.id.clone(),
            state: self.state.clone(),
            carried: self.carried.clone(),
        }
    }
}

/// Names and values of a query string or a form, in their order; a name may come more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads `application/x-www-form-urlencoded` text by the rules of the URL standard; it never fails.
    pub fn parse(text: &[u8]) -> Pairs {
        Pairs(form_urlencoded::parse(text).into_owned().collect())
    }

    /// Writes them as `application/x-www-form-urlencoded` text.
    pub fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.iter()).finish()
    }

    /// Returns the first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Goes through all values of this name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Returns the first value of this name, read into a type of yours.
    pub fn parse_as<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    /// Goes through all names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Pairs {
        Pairs(pairs.into_iter().collect())
    }
}
