//! `SignedCookies` and `PrivateCookies`: cookies that a client cannot change, or cannot even read. Feature `sealed-cookies`.
//!
//! Keys rotate: what is written is sealed with the first one, what is read may be sealed with any. Must stay true: a value
//! that was sealed for one cookie is worth nothing as another's, and no key ever reaches a log.
use std::{any::TypeId, fmt, sync::Arc};

use cookie::{Cookie, CookieJar, Key};
use http::header;

use crate::{Cookies, Error, FromRequest, Needs, Rejection, RejectionKind, Request, Result, StateMap};

/// RFC 2104, section 3: a key shorter than the hash (SHA-256) weakens it.
const SECRET_BYTES_MIN: usize = 32;
const REMEDY: &str = "give the app a secret of at least 32 random bytes with `App::keys`, or in the environment variable \
                      `PIXIE_SECRET` (`openssl rand -hex 32` makes one)";

/// The keys of an app's signed and private cookies, the newest first.
#[derive(Clone)]
pub struct CookieKeys(Arc<[Key]>);

impl CookieKeys {
    /// Derives the keys from secrets of at least 32 bytes each.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Result<CookieKeys> {
        let key = |(index, secret): (usize, S)| match secret.as_ref() {
            secret if secret.len() >= SECRET_BYTES_MIN => Ok(Key::derive_from(secret)),
            secret => Err(Error::internal(format!(
                "the secret number {} for cookies has {} bytes, but must have {SECRET_BYTES_MIN} or more: {REMEDY}",
                index + 1,
                secret.len()
            ))),
        };
        let keys = secrets.into_iter().enumerate().map(key).collect::<Result<Vec<_>>>()?;
        match keys.is_empty() {
            true => Err(Error::internal(format!("there is no secret for cookies: {REMEDY}"))),
            false => Ok(CookieKeys(keys.into())),
        }
    }

    fn newest(&self) -> &Key {
        &self.0[0]
    }

    fn needed(needs: &mut Needs) {
        needs.header(header::COOKIE);
        needs.provided(TypeId::of::<CookieKeys>(), "a key for cookies", REMEDY);
    }

    fn of(request: &Request) -> Result<CookieKeys, Rejection> {
        let keys = request.state().and_then(StateMap::get::<CookieKeys>);
        keys.map(|keys| (*keys).clone()).ok_or_else(|| Rejection::new(RejectionKind::Unavailable, REMEDY))
    }
}

impl fmt::Debug for CookieKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CookieKeys({} keys)", self.0.len())
    }
}

/// Cookies that the client can read but not change.
#[derive(Clone, Debug)]
pub struct SignedCookies {
    sent: Cookies,
    keys: CookieKeys,
}

impl SignedCookies {
    /// Returns the value of the first cookie of this name that the app has signed.
    pub fn get(&self, name: &str) -> Option<String> {
        let open = |jar: &CookieJar, key: &Key| jar.signed(key).get(name).map(|cookie| cookie.value().to_owned());
        let text = opened(&self.sent, name, &self.keys, open)?;
        // The signature is of the value alone, so the value says which cookie it is of.
        text.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
    }

    /// Signs a cookie, to be set with [`Response::cookie`](crate::Response::cookie).
    pub fn sign(&self, mut cookie: Cookie<'static>) -> Cookie<'static> {
        let text = format!("{}={}", cookie.name(), cookie.value());
        cookie.set_value(text);
        sealed(cookie, |jar, cookie| jar.signed_mut(self.keys.newest()).add(cookie))
    }
}

// A compiler message that lists extractors is the same with and without the feature.
#[diagnostic::do_not_recommend]
impl FromRequest for SignedCookies {
    fn needs(needs: &mut Needs) {
        CookieKeys::needed(needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(SignedCookies { sent: request.cookies(), keys: CookieKeys::of(request)? })
    }
}

/// Cookies that the client can neither read nor change.
#[derive(Clone, Debug)]
pub struct PrivateCookies {
    sent: Cookies,
    keys: CookieKeys,
}

impl PrivateCookies {
    /// Returns the value of the first cookie of this name that the app has encrypted.
    pub fn get(&self, name: &str) -> Option<String> {
        let open = |jar: &CookieJar, key: &Key| jar.private(key).get(name).map(|cookie| cookie.value().to_owned());
        opened(&self.sent, name, &self.keys, open)
    }

    /// Encrypts a cookie, to be set with [`Response::cookie`](crate::Response::cookie).
    pub fn encrypt(&self, cookie: Cookie<'static>) -> Cookie<'static> {
        sealed(cookie, |jar, cookie| jar.private_mut(self.keys.newest()).add(cookie))
    }
}

// A compiler message that lists extractors is the same with and without the feature.
#[diagnostic::do_not_recommend]
impl FromRequest for PrivateCookies {
    fn needs(needs: &mut Needs) {
        CookieKeys::needed(needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(PrivateCookies { sent: request.cookies(), keys: CookieKeys::of(request)? })
    }
}

/// Tries all cookies of a name with all keys: a forged one that a neighbouring site planted must not hide the true one.
fn opened(
    sent: &Cookies,
    name: &str,
    keys: &CookieKeys,
    open: impl Fn(&CookieJar, &Key) -> Option<String>,
) -> Option<String> {
    sent.iter().filter(|(sent, _)| *sent == name).find_map(|(name, value)| {
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::new(name.to_owned(), value.to_owned()));
        keys.0.iter().find_map(|key| open(&jar, key))
    })
}

fn sealed(cookie: Cookie<'static>, add: impl FnOnce(&mut CookieJar, Cookie<'static>)) -> Cookie<'static> {
    let name = cookie.name().to_owned();
    let mut jar = CookieJar::new();
    add(&mut jar, cookie);
    jar.get(&name).cloned().expect("a jar holds what was just put in")
}
