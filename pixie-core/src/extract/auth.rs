//! `Bearer` and `BasicAuth`: what the header `Authorization` says, and the answer to a request without it.
//!
//! Invariant: a refusal is 401 with `WWW-Authenticate` (RFC 9110, section 15.5.2), and neither `Debug` nor an
//! error shows a secret.

use std::{fmt, hint::black_box};

use http::{HeaderValue, StatusCode, header};

use crate::{Error, FromRequest, Needs, Request, Security};

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
///
/// A request without one gets 401 with `WWW-Authenticate: Bearer`. `Option<Bearer>` is then `None`.
///
/// ```
/// use pixie_core::{Bearer, Result};
/// fn orders(token: Bearer) -> Result<&'static str> {
///     if !token.is("7b1f") {
///         return Err(Bearer::refused());
///     }
///     Ok("two orders")
/// }
/// assert!(orders(Bearer("7b1f".to_owned())).is_ok());
/// assert_eq!(orders(Bearer("7b20".to_owned())).unwrap_err().status(), 401);
/// ```
#[doc(alias("auth", "token", "jwt", "authorization"))]
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(pub String);

impl Bearer {
    /// Compares the token with a secret. The time does not depend on which bytes differ.
    pub fn is(&self, secret: &str) -> bool {
        is_same(&self.0, secret)
    }

    /// Returns the error for a token that is unknown or has expired: 401, with the reason in
    /// `WWW-Authenticate` (RFC 6750, section 3.1).
    #[track_caller]
    pub fn refused() -> Error {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        Error::new(StatusCode::UNAUTHORIZED).with_header(header::WWW_AUTHENTICATE, challenge)
    }
}

/// Does not show the token.
impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(***)")
    }
}

impl FromRequest for Bearer {
    fn needs(needs: &mut Needs) {
        needs.header(header::AUTHORIZATION);
        needs.security("bearer", Security::BearerToken);
    }

    fn from_request(request: &mut Request) -> Result<Bearer, Error> {
        let token = credentials(request, "Bearer")?.filter(|token| is_token(token));
        let missing = || unauthorized("send the header `Authorization: Bearer TOKEN`", "Bearer");
        token.map(|token| Bearer(token.to_owned())).ok_or_else(missing)
    }
}

/// The name and the password of `Authorization: Basic …` (RFC 7617). Feature `basic-auth`.
///
/// A request without them gets 401 with `WWW-Authenticate: Basic`, and a browser asks its user. Use it over
/// HTTPS only, because the password is readable. `Option<BasicAuth>` is `None` without the header.
///
/// ```
/// use pixie_core::{BasicAuth, Result};
/// fn admin(login: BasicAuth) -> Result<&'static str> {
///     if !login.is("ada", "correct horse") {
///         return Err(BasicAuth::refused());
///     }
///     Ok("all orders")
/// }
/// # let login = BasicAuth { user: "ada".to_owned(), password: "correct horse".to_owned() };
/// # assert!(admin(login).is_ok());
/// ```
#[doc(alias("auth", "login", "password", "authorization"))]
#[cfg(feature = "basic-auth")]
#[derive(Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The name of the user, without a colon.
    pub user: String,
    /// The password.
    pub password: String,
}

/// The answer to a request without a name and a password. The name in `realm` is shown by some browsers.
#[cfg(feature = "basic-auth")]
const BASIC: &str = "Basic realm=\"sign in\", charset=\"UTF-8\"";

#[cfg(feature = "basic-auth")]
impl BasicAuth {
    /// Compares both with secrets. The time does not depend on which bytes differ.
    pub fn is(&self, user: &str, password: &str) -> bool {
        is_same(&self.user, user) & is_same(&self.password, password)
    }

    /// Returns the error for a wrong name or password: 401, so that a browser asks again.
    #[track_caller]
    pub fn refused() -> Error {
        let challenge = HeaderValue::from_static(BASIC);
        Error::new(StatusCode::UNAUTHORIZED).with_header(header::WWW_AUTHENTICATE, challenge)
    }
}

/// Does not show the password.
#[cfg(feature = "basic-auth")]
impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(feature = "basic-auth")]
impl FromRequest for BasicAuth {
    fn needs(needs: &mut Needs) {
        needs.header(header::AUTHORIZATION);
        needs.security("basic", Security::BasicLogin);
    }

    fn from_request(request: &mut Request) -> Result<BasicAuth, Error> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let bytes = credentials(request, "Basic")?.and_then(|text| BASE64_STANDARD.decode(text).ok());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = text.as_deref().and_then(|text| text.split_once(':'));
        let missing = || unauthorized("send a name and a password in the header `Authorization`", BASIC);
        let (user, password) = parts.ok_or_else(missing)?;
        Ok(BasicAuth { user: user.to_owned(), password: password.to_owned() })
    }
}

/// Returns what follows the scheme, which is compared without case (RFC 9110, section 11.1). `None` if the
/// header is missing or has another scheme. Two headers are an error, because two programs could read
/// different ones.
fn credentials<'r>(request: &'r Request, scheme: &str) -> Result<Option<&'r str>, Error> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    if values.next().is_some() {
        return Err(crate::abort(400).with_detail("send the header `Authorization` once"));
    }
    let parts = value.and_then(|value| value.split_once(' '));
    Ok(parts.filter(|(name, _)| name.eq_ignore_ascii_case(scheme)).map(|(_, rest)| rest.trim()))
}

/// Whether this is a `b64token` of RFC 6750, section 2.1.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

fn unauthorized(detail: &'static str, challenge: &'static str) -> Error {
    Error::missing(detail)
        .with_status(StatusCode::UNAUTHORIZED)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// Compares all bytes, so that the time tells nothing except for whether the lengths are the same.
fn is_same(one: &str, other: &str) -> bool {
    let different = one.bytes().zip(other.bytes()).fold(0, |different, (a, b)| black_box(different | (a ^ b)));
    one.len() == other.len() && different == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(values: &[&str]) -> Request {
        let mut request = Request::new(http::Method::GET, http::Uri::from_static("/"));
        for value in values {
            request.headers_mut().append(header::AUTHORIZATION, value.parse().expect("a header"));
        }
        request
    }

    #[test]
    fn a_token_is_read_and_everything_else_is_401_with_the_scheme() {
        let read = |values: &[&str]| Bearer::from_request(&mut request(values));
        for text in ["Bearer 7b1f", "bearer 7b1f", "BEARER  7b1f"] {
            assert!(read(&[text]).is_ok_and(|token| token.is("7b1f")), "{text}");
        }
        assert_eq!(read(&["Bearer a.b-c_d~e+f/g=="]).expect("it is a token").0, "a.b-c_d~e+f/g==");
        for text in ["", "Bearer", "Bearer ", "Bearer a b", "Bearer =", "Bearer é", "Basic YTpi", "Bearertoken"] {
            let error = read(&[text]).expect_err(text);
            assert_eq!((error.status().as_u16(), error.is_missing()), (401, true), "{text}");
            assert_eq!(error.headers()["www-authenticate"], "Bearer");
        }
        assert!(read(&[]).is_err_and(|error| error.is_missing()));
        assert_eq!(read(&["Bearer a", "Bearer b"]).expect_err("two").status().as_u16(), 400);
        assert_eq!(format!("{:?}", Bearer("secret".to_owned())), "Bearer(***)");
    }

    #[test]
    #[cfg(feature = "basic-auth")]
    fn a_name_and_a_password_are_read_and_everything_else_is_401_with_the_scheme() {
        let read = |value: &str| BasicAuth::from_request(&mut request(&[value]));
        // The example of RFC 7617, section 2, and the one with UTF-8 of section 2.1.
        assert!(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").is_ok_and(|login| login.is("Aladdin", "open sesame")));
        assert!(read("basic dGVzdDoxMjPCow==").is_ok_and(|login| login.is("test", "123£")));
        assert!(read("Basic YTo6OmI=").is_ok_and(|login| login.is("a", "::b")));
        for text in ["", "Basic", "Basic !", "Basic YQ==", "Basic //8=", "Bearer YTpi"] {
            let error = read(text).expect_err(text);
            assert_eq!((error.status().as_u16(), error.is_missing()), (401, true), "{text}");
            assert!(error.headers()["www-authenticate"].as_bytes().starts_with(b"Basic realm="));
        }
        let login = read("Basic YTpi").expect("it is right");
        assert_eq!(format!("{login:?}"), "BasicAuth { user: \"a\", .. }");
        assert!(!login.is("a", "c") && !login.is("b", "b") && !login.is("a", "bb"));
    }
}
