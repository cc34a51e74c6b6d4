//! `Address`: reads `redis://USER:PASSWORD@HOST:PORT/DATABASE?prefix=NAME&ca=FILE`.

use redis::{Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use crate::Error;

pub(crate) struct Address {
    pub(crate) client: Client,
    /// What keys begin with on the server: the name and a colon.
    pub(crate) prefix: String,
}

impl Address {
    pub(crate) fn parse(address: &str) -> Result<Address, Error> {
        let (server, query) = address.split_once('?').unwrap_or((address, ""));
        let (mut name, mut authority) = ("pixie", None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("prefix", value)) if is_name(value) => name = value,
                Some(("prefix", _)) => return Err(invalid("`prefix` is letters, digits, `-`, `_` and `.`")),
                Some(("ca", path)) if !path.is_empty() => authority = Some(path),
                _ => return Err(invalid("the only options are `prefix=NAME` and `ca=FILE`")),
            }
        }
        let info = server.into_connection_info().map_err(|error| invalid(&error.to_string()))?;
        // Messages of topics come on the same connection, which older protocols do not have.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        // With the algorithm of Nagle: without it 64 tasks on one connection took 1.4 times as long, measured with
        // `benches/store`, and a single task is as fast.
        let info = info.set_redis_settings(settings);
        let client = match server.starts_with("rediss:") {
            true => encrypted(info, authority)?,
            false if authority.is_some() => return Err(invalid("`ca` needs \"rediss://\"")),
            false => Client::open(info).map_err(|error| invalid(&error.to_string()))?,
        };
        Ok(Address { client, prefix: format!("{name}:") })
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Returns an error without the address, which may have a password in it.
fn invalid(reason: &str) -> Error {
    Error::open(format!("invalid address of Redis: {reason}; an example is \"redis://localhost:6379/0?prefix=shop\""))
}

#[cfg(any(feature = "redis-tls", feature = "redis-tls-ring"))]
fn encrypted(info: ConnectionInfo, authority: Option<&str>) -> Result<Client, Error> {
    use redis::TlsCertificates;
    use rustls::crypto::CryptoProvider;
    #[cfg(feature = "redis-tls")]
    use rustls::crypto::aws_lc_rs as provider;
    #[cfg(not(feature = "redis-tls"))]
    use rustls::crypto::ring as provider;

    // The client takes the provider of the process, and panics if there is none and rustls has two to choose from.
    if CryptoProvider::get_default().is_none() {
        // Fails if another thread was first.
        let _ = provider::default_provider().install_default();
    }
    let root_cert = match authority {
        Some(path) => {
            let read = std::fs::read(path);
            Some(read.map_err(|error| Error::open(format!("cannot read the certificate {path:?} of Redis: {error}")))?)
        }
        None => None,
    };
    Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
        .map_err(|error| invalid(&error.to_string()))
}

#[cfg(not(any(feature = "redis-tls", feature = "redis-tls-ring")))]
fn encrypted(_: ConnectionInfo, _: Option<&str>) -> Result<Client, Error> {
    Err(Error::open(
        "this program was built without TLS for Redis: enable the feature `redis-tls`, in pixie-web `store-redis-tls`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_prefix_and_no_other_options() {
        let prefix = |address: &str| Address::parse(address).map(|address| address.prefix);
        assert_eq!(prefix("redis://localhost").as_deref(), Ok("pixie:"));
        assert_eq!(prefix("redis://user:secret@[::1]:7000/3?prefix=shop-2.a_b").as_deref(), Ok("shop-2.a_b:"));
        let refused = [
            "redis://",
            "redis://localhost/database",
            "redis://localhost?prefix=",
            "redis://localhost?prefix=a*",
            "redis://localhost?prefix=a:secret",
            "redis://localhost?protocol=resp2",
            "redis://localhost?ca=/etc/ca.pem",
            "redis://:secret@local host",
        ];
        for address in refused {
            let error = prefix(address).expect_err(address);
            assert!(matches!(error, Error::Open { .. }), "{error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
