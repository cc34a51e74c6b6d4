//! Passwords, tokens, and the extractor of the user who asks.
//!
//! A token says which user it belongs to, and until when. Invariant: the password of a user is stored as its
//! argon2 hash only, and a hash is computed outside of transactions, because it takes some 20 ms.
use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use pixie_web::{Error, HeaderValue, Headers, Result, State, StatusCode, extractor, header};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

use crate::{database::Database, error::ApiError, users::Account};

/// The secret in development. Everyone knows it, so it is refused otherwise.
const DEVELOPMENT_SECRET: &str = "everyone knows this secret";
/// The shortest secret, in bytes: as long as the hash (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// Time until a token expires. The frontends of RealWorld have no way to renew one.
const LIFETIME: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// Signs tokens, and checks them.
pub(crate) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    is_for_development: bool,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    sub: String,
    exp: u64,
}

impl Tokens {
    /// Makes the keys from a secret, or from the one for development.
    pub(crate) fn new(secret: Option<&str>) -> Result<Tokens> {
        let fix = "use at least 32 characters, such as the output of `openssl rand -hex 32`";
        if secret.is_some_and(|secret| secret.len() < SECRET_BYTES_MIN) {
            return Err(Error::internal(format!("REALWORLD_SECRET is too short: {fix}")));
        }
        let key = secret.unwrap_or(DEVELOPMENT_SECRET).as_bytes();
        let (signing, checking) = (EncodingKey::from_secret(key)?, DecodingKey::from_secret(key)?);
        Ok(Tokens { signing, checking, is_for_development: secret.is_none() })
    }

    /// Refuses the secret of development in production.
    pub(crate) fn check(&self, is_development: bool) -> Result<()> {
        match self.is_for_development && !is_development {
            true => Err(Error::internal(
                "REALWORLD_SECRET is not set: set it to the output of `openssl rand -hex 32`, or try the app with PIXIE_DEV=1",
            )),
            false => Ok(()),
        }
    }

    /// Returns a token for a user.
    pub(crate) fn issue(&self, user: i64) -> Result<String> {
        let end = SystemTime::now().duration_since(UNIX_EPOCH)? + LIFETIME;
        let claims = Claims { sub: user.to_string(), exp: end.as_secs() };
        Ok(encode(&Header::new(Algorithm::HS256), &claims, &self.signing)?)
    }

    /// Returns the user whom a token belongs to.
    fn user(&self, token: &str) -> Result<i64, ApiError> {
        let checked = decode::<Claims>(token, &self.checking, &Validation::new(Algorithm::HS256));
        let claims = checked.map_err(|_| ApiError::Unauthorized)?.claims;
        claims.sub.parse().map_err(|_| ApiError::Unauthorized)
    }
}

/// The user who asks, from `Authorization: Token …`. As an argument `Option<Account>` it is `None` without the
/// header; a token that is wrong is 401 there too.
#[extractor(security = "token")]
fn account(headers: Headers, tokens: State<Tokens>, database: State<Database>) -> Result<Account, Error> {
    let Some(value) = headers.get(header::AUTHORIZATION).filter(|value| !value.is_empty()) else {
        return Err(Error::missing("send the header `Authorization: Token TOKEN`")
            .with_status(StatusCode::UNAUTHORIZED)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Token")));
    };
    let parts = value.to_str().ok().and_then(|value| value.split_once(' '));
    let is_known = |scheme: &str| ["token", "bearer"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let (_, token) = parts.filter(|(scheme, _)| is_known(scheme)).ok_or(ApiError::Unauthorized)?;
    let id = tokens.user(token.trim())?;
    let found = database.read(|transaction| Ok(Account::with_id(transaction, id).optional()?))?;
    Ok(found.ok_or(ApiError::Unauthorized)?)
}

/// Returns the hash of a password.
pub(crate) fn hashed(password: &str) -> Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
}

/// Returns whether a password has this hash. Without a hash it takes as long, so that the time does not tell
/// which users exist.
pub(crate) fn is_right(password: &str, hash: Option<&str>) -> Result<bool> {
    static OTHER: LazyLock<String> = LazyLock::new(|| hashed("any").unwrap_or_default());
    let is_same = |hash: &str| -> Result<bool> {
        Ok(Argon2::default().verify_password(password.as_bytes(), &PasswordHash::new(hash)?).is_ok())
    };
    match hash {
        Some(hash) => is_same(hash),
        None => is_same(&OTHER).map(|_| false),
    }
}
