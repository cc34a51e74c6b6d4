//! `Proxies`: the proxies whose reports about their clients are believed.
//!
//! `forwarded.rs` reads the reports. Invariant: a report is read only if the connection comes from a trusted
//! address, so that a client that connects directly cannot choose its own address.
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue, Request, Uri, header};
use pixie_core::Scheme;
use pixie_server::Network;

use crate::{
    error::StartError,
    table::forwarded::{self, Reported},
};

/// Which headers the proxy in front of the app sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaders {
    /// Either kind. A request with both is refused with 400 unless both say the same: one of them was sent by
    /// the client, and passed on by a proxy that sets only the other.
    #[default]
    Any,
    /// Only `Forwarded` (RFC 7239). `X-Forwarded-For`, `-Proto` and `-Host` are ignored.
    Forwarded,
    /// Only `X-Forwarded-For`, `-Proto` and `-Host`. `Forwarded` is ignored.
    XForwarded,
}

/// How a request came to the app: over a connection, or as a trusted proxy reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sender {
    /// The address of the client, if it is known.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) scheme: Scheme,
}

/// A request has the headers of both kinds, and they differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conflict;

/// The trusted proxies.
pub(crate) struct Proxies {
    networks: Vec<Network>,
    /// Whether a connection without an address is trusted.
    unix: bool,
    headers: ProxyHeaders,
}

impl Proxies {
    /// Parses addresses, networks and `unix`.
    pub(crate) fn parse(proxies: &[String], headers: ProxyHeaders) -> Result<Proxies, StartError> {
        let wrong = |(text, fix)| StartError::new(format!("`App::behind_proxy([\"{text}\"])`: {fix}"));
        Ok(Proxies {
            networks: Proxies::networks(proxies).map_err(wrong)?,
            unix: proxies.iter().any(|text| text == "unix"),
            headers,
        })
    }

    /// Parses the addresses and networks, without `unix`. An error has the faulty text and how to fix it.
    pub(crate) fn networks(proxies: &[String]) -> Result<Vec<Network>, (&str, String)> {
        let texts = proxies.iter().filter(|text| *text != "unix");
        texts.map(|text| text.parse::<Network>().map_err(|fix| (text.as_str(), fix))).collect()
    }

    /// Replaces the sender and the host of a request by what a trusted proxy reports.
    pub(crate) fn apply<B>(&self, sender: Sender, request: &mut Request<B>) -> Result<Sender, Conflict> {
        if !sender.peer.map_or(self.unix, |peer| self.trusts(peer.ip())) {
            return Ok(sender);
        }
        let Some(reported) = self.reported(request.headers())? else { return Ok(sender) };
        if let Some(host) = reported.host.and_then(|host| HeaderValue::try_from(host.as_str()).ok()) {
            request.headers_mut().insert(header::HOST, host);
            // The host of a target takes precedence over the header, so it must not stay.
            if request.uri().authority().is_some()
                && let Some(target) = request.uri().path_and_query().cloned()
            {
                *request.uri_mut() = Uri::from(target);
            }
        }
        let Sender { peer, scheme } = sender;
        Ok(Sender { peer: reported.client.or(peer), scheme: reported.scheme.unwrap_or(scheme) })
    }

    fn reported(&self, headers: &HeaderMap) -> Result<Option<Reported>, Conflict> {
        let is_trusted = |ip| self.trusts(ip);
        let standard = || forwarded::standard(headers, is_trusted);
        let customary = || forwarded::customary(headers, is_trusted);
        match self.headers {
            ProxyHeaders::Forwarded => Ok(standard()),
            ProxyHeaders::XForwarded => Ok(customary()),
            ProxyHeaders::Any => match (standard(), customary()) {
                (Some(one), Some(other)) if !one.agrees(&other) => Err(Conflict),
                (one, other) => Ok(one.or(other)),
            },
        }
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(ip))
    }
}

#[cfg(test)]
mod tests;
