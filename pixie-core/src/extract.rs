//! `FromRequest`: how the argument of a handler is made from a request.
//!
//! The body is read before extraction, if an extractor asks for it. So the same extractor works on the
//! connection's thread, on a blocking thread, on the runtime and in a worker process.
pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod carried;
#[cfg(feature = "garde")]
pub(crate) mod checked;
pub(crate) mod flash;
pub(crate) mod form;
pub(crate) mod head;
#[cfg(feature = "sealed-cookies")]
pub(crate) mod sealed_cookies;
#[cfg(feature = "sessions")]
pub(crate) mod session;
pub(crate) mod state;
#[cfg(feature = "store")]
mod store;
pub(crate) mod upload;

use crate::{BodyUse, Carried, Error, Extension, Form, Json, Needs, Query, Request, State};

/// Makes the argument of a handler from a request.
///
/// `from_request` is not async, because it also runs in workers and on threads without a runtime. What has to
/// wait, such as a query of a database, belongs into the handler, or into an async hook that adds an
/// [`Extension`].
///
/// If the value is made from other extractors, write a function with the attribute `extractor` of `pixie-web`,
/// which implements this trait.
///
/// ```
/// use pixie_core::{Error, FromRequest, Needs, Request, Result};
/// struct ApiKey(String);
///
/// impl FromRequest for ApiKey {
///     fn needs(needs: &mut Needs) {
///         needs.header(http::HeaderName::from_static("x-api-key"));
///     }
///
///     fn from_request(request: &mut Request) -> Result<ApiKey> {
///         let missing = || Error::missing("send the header `X-Api-Key`").with_status(http::StatusCode::UNAUTHORIZED);
///         request.header("x-api-key").map(|key| ApiKey(key.to_owned())).ok_or_else(missing)
///     }
/// }
///
/// fn usage(key: ApiKey) -> String {
///     format!("the key has {} bytes", key.0.len())
/// }
/// let request = http::Request::get("/").header("x-api-key", "7b1f").body("".into())?;
/// assert_eq!(usage(ApiKey::from_request(&mut Request::from_http(request))?), "the key has 4 bytes");
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a route's handler",
    label = "neither a `<wildcard>` of the path nor an extractor",
    note = "an argument is bound by its name to a `<name>` in the path, or its type is an extractor: `Query<T>`, `Form<T>`, `Json<T>`, `Upload`, `Uploads`, `Bytes`, `Body`, `BodyReader`, `Request`, `Headers`, `Cookies`, `Flash`, `Peer`, `Scheme`, `Origin`, `RequestId`, `TraceContext`, `LastEventId`, `State<T>`, `Carried<T>`, `Extension<T>`, `Urls`, `TimeLimit`, `AfterResponse`, `Bearer`, with a feature `BasicAuth`, `Checked<T>`, `Session`, `SignedCookies`, `PrivateCookies`, `Store` and `WebSocket`, and `Option<T>` or `Result<T>` of one of them",
    note = "to make `{Self}` an extractor, write `#[extractor]` above a function that returns it, or implement `FromRequest`"
)]
#[doc(alias("extractor", "FromRequestParts", "guard"))]
pub trait FromRequest: Sized {
    /// How this extractor uses the body of the request. Only one argument of a handler may use the body.
    const BODY: BodyUse = BodyUse::Unused;

    /// Adds what this extractor reads except for the body. A worker gets only that. For extractors that
    /// [`from_request`](FromRequest::from_request) calls, call their `needs`: the start of the app checks whether
    /// the values that they read exist. [`Needs::everything`] adds all parts of the request, but no state.
    fn needs(needs: &mut Needs);

    /// Makes the value.
    ///
    /// # Errors
    ///
    /// Returns [`Error::missing`] if the request lacks the value, so that `Option<Self>` is `None`. Returns
    /// an error with another status, detail, header or data if the value is wrong.
    fn from_request(request: &mut Request) -> Result<Self, Error>;

    /// Makes the value for the argument with this name. The name matters only to extractors of one field,
    /// such as [`Upload`](crate::Upload).
    fn from_argument(request: &mut Request, _name: &str) -> Result<Self, Error> {
        Self::from_request(request)
    }
}

impl<T: FromRequest> FromRequest for Option<T> {
    const BODY: BodyUse = T::BODY;

    fn needs(needs: &mut Needs) {
        needs.optionally(T::needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        unless_missing(T::from_request(request))
    }

    fn from_argument(request: &mut Request, name: &str) -> Result<Self, Error> {
        unless_missing(T::from_argument(request, name))
    }
}

impl<T: FromRequest> FromRequest for Result<T, Error> {
    const BODY: BodyUse = T::BODY;

    fn needs(needs: &mut Needs) {
        needs.optionally(T::needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(T::from_request(request))
    }

    fn from_argument(request: &mut Request, name: &str) -> Result<Self, Error> {
        Ok(T::from_argument(request, name))
    }
}

macro_rules! derefs_to_its_value {
    ($($extractor:ident),*) => {$(
        impl<T> std::ops::Deref for $extractor<T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.0
            }
        }
    )*};
}

derefs_to_its_value!(Carried, Extension, Form, Json, Query, State);

fn unless_missing<T>(extracted: Result<T, Error>) -> Result<Option<T>, Error> {
    match extracted {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Needs {
    /// Adds what the type of one argument needs, with its use of the body.
    pub fn extractor<T: FromRequest>(mut self) -> Needs {
        self.body = self.body.and(T::BODY);
        T::needs(&mut self);
        self
    }

    /// Adds what the type of an argument with this name needs. The name matters as in
    /// [`FromRequest::from_argument`].
    pub fn argument<T: FromRequest>(mut self, name: &'static str) -> Needs {
        self.notes.set_argument(name);
        self.extractor::<T>()
    }

    /// Returns whether the extractors reject a request for the media type of its body, without reading the
    /// body.
    pub fn refuse_media(&self, request: &Request) -> bool {
        let is_form = || request.is_urlencoded() || request.is_multipart();
        let Some(media) = request.media_type() else { return false };
        (self.json && !body::is_json(media)) || (self.body == BodyUse::Form && !is_form())
    }
}
