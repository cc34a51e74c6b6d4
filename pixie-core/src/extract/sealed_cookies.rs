//! `SignedCookies` and `PrivateCookies`: cookies that a client cannot change, or cannot read. Feature
//! `sealed-cookies`.
//!
//! Keys rotate: new cookies are sealed with the first key, and cookies sealed with any key can be read.
//! Invariant: a value that was sealed for one cookie is invalid in another cookie, and no key is written to a
//! log.
use std::{any::TypeId, fmt, sync::Arc};

use cookie::{Cookie, CookieJar, Key};
use http::header;

use crate::{Cookies, Error, FromRequest, Needs, Request, Result, StateMap, error::unprovided};

/// Limits the length of a secret, in bytes. A key that is shorter than the hash (SHA-256) is weak (RFC 2104,
/// section 3).
const SECRET_BYTES_MIN: usize = 32;
const REMEDY: &str = "give the app a secret of at least 32 random bytes with `App::keys`, or in the environment variable \
                      `PIXIE_SECRET` (`openssl rand -hex 32` makes one)";

/// The keys of an app's signed and private cookies, the newest first.
#[derive(Clone)]
pub struct CookieKeys(Arc<[Key]>);

impl CookieKeys {
    /// Derives the keys from secrets.
    ///
    /// # Errors
    ///
    /// Returns an error without a secret, or if a secret has less than 32 bytes.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Result<CookieKeys> {
        let key = |(index, secret): (usize, S)| match secret.as_ref() {
            secret if secret.len() >= SECRET_BYTES_MIN => Ok(Key::derive_from(secret)),
            secret => Err(Error::internal(format!(
                "secret number {} for cookies has {} bytes, but needs at least {SECRET_BYTES_MIN}: {REMEDY}",
                index + 1,
                secret.len()
            ))),
        };
        let keys = secrets.into_iter().enumerate().map(key).collect::<Result<Vec<_>>>()?;
        match keys.is_empty() {
            true => Err(Error::internal(format!("the app has no secret for cookies: {REMEDY}"))),
            false => Ok(CookieKeys(keys.into())),
        }
    }

    /// Returns the value of the first cookie with this name that was encrypted with one of the keys.
    #[doc(hidden)]
    pub fn decrypt(&self, sent: &Cookies, name: &str) -> Option<String> {
        self.open(sent, name, |jar, key| jar.private(key).get(name))
    }

    /// Encrypts the value of a cookie with the newest key.
    #[doc(hidden)]
    pub fn encrypt(&self, cookie: Cookie<'static>) -> Cookie<'static> {
        self.seal(cookie, |jar, key, cookie| jar.private_mut(key).add(cookie))
    }

    /// Tries all cookies with a name and all keys. A forged cookie of a neighboring site must not hide the
    /// valid one.
    fn open(
        &self,
        sent: &Cookies,
        name: &str,
        open: impl Fn(&CookieJar, &Key) -> Option<Cookie<'static>>,
    ) -> Option<String> {
        sent.iter().filter(|(sent, _)| *sent == name).find_map(|(name, value)| {
            let mut jar = CookieJar::new();
            jar.add_original(Cookie::new(name.to_owned(), value.to_owned()));
            self.0.iter().find_map(|key| open(&jar, key)).map(|cookie| cookie.value().to_owned())
        })
    }

    fn seal(
        &self,
        cookie: Cookie<'static>,
        add: impl FnOnce(&mut CookieJar, &Key, Cookie<'static>),
    ) -> Cookie<'static> {
        let name = cookie.name().to_owned();
        let mut jar = CookieJar::new();
        add(&mut jar, &self.0[0], cookie);
        jar.get(&name).cloned().expect("a jar holds what was just put in")
    }
}

impl fmt::Debug for CookieKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CookieKeys({} keys)", self.0.len())
    }
}

/// Cookies that the client can read but not change.
///
/// ```
/// use pixie_core::{Cookie, Response, SignedCookies};
/// fn visit(cookies: SignedCookies) -> Response {
///     let visits = cookies.get("visits").and_then(|text| text.parse().ok()).unwrap_or(0) + 1;
///     let signed = cookies.sign(Cookie::new("visits", visits.to_string()));
///     Response::new(format!("visit {visits}")).cookie(signed)
/// }
/// ```
#[doc(alias("cookie", "hmac"))]
#[derive(Clone, Debug)]
pub struct SignedCookies(Sealed);

impl SignedCookies {
    /// Returns the value of the first cookie with this name and a valid signature.
    pub fn get(&self, name: &str) -> Option<String> {
        let text = self.0.keys.open(&self.0.sent, name, |jar, key| jar.signed(key).get(name))?;
        // Only the value is signed, so the value contains the name of the cookie.
        text.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
    }

    /// Returns the signed cookie, for [`Response::cookie`](crate::Response::cookie).
    pub fn sign(&self, mut cookie: Cookie<'static>) -> Cookie<'static> {
        let text = format!("{}={}", cookie.name(), cookie.value());
        cookie.set_value(text);
        self.0.keys.seal(cookie, |jar, key, cookie| jar.signed_mut(key).add(cookie))
    }
}

// A compiler message that lists extractors is the same with and without the feature.
#[diagnostic::do_not_recommend]
impl FromRequest for SignedCookies {
    fn needs(needs: &mut Needs) {
        Sealed::needed(needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Sealed::of(request).map(SignedCookies)
    }
}

/// Cookies that the client cannot read or change.
///
/// ```
/// use pixie_core::{Cookie, PrivateCookies, Response};
/// fn remember(cookies: PrivateCookies) -> Response {
///     Response::new("remembered").cookie(cookies.encrypt(Cookie::new("account", "17")))
/// }
/// ```
#[doc(alias("cookie", "encrypted"))]
#[derive(Clone, Debug)]
pub struct PrivateCookies(Sealed);

impl PrivateCookies {
    /// Returns the value of the first cookie with this name that the app encrypted.
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.keys.decrypt(&self.0.sent, name)
    }

    /// Returns the encrypted cookie, for [`Response::cookie`](crate::Response::cookie).
    pub fn encrypt(&self, cookie: Cookie<'static>) -> Cookie<'static> {
        self.0.keys.encrypt(cookie)
    }
}

// A compiler message that lists extractors is the same with and without the feature.
#[diagnostic::do_not_recommend]
impl FromRequest for PrivateCookies {
    fn needs(needs: &mut Needs) {
        Sealed::needed(needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Sealed::of(request).map(PrivateCookies)
    }
}

/// The cookies of a request, and the keys of the app.
#[derive(Clone, Debug)]
struct Sealed {
    sent: Cookies,
    keys: Arc<CookieKeys>,
}

impl Sealed {
    fn needed(needs: &mut Needs) {
        needs.header(header::COOKIE);
        needs.provided(TypeId::of::<CookieKeys>(), "a key for cookies", REMEDY);
    }

    fn of(request: &Request) -> Result<Sealed, Error> {
        let keys = request.state().and_then(StateMap::get::<CookieKeys>);
        let keys = keys.ok_or_else(|| unprovided(REMEDY))?;
        Ok(Sealed { sent: request.cookies(), keys })
    }
}
