//! `Listen`: one address to listen on, and what is spoken there.
//!
//! Plain data; `listener.rs` opens the sockets.

use std::{fmt, future::Future, io, path::PathBuf, pin::Pin, sync::Arc};

use crate::{Address, Error, Network, alt_svc::AltSvc, stream::Stream};

/// An address to listen on: TCP or a Unix socket, with or without TLS and the PROXY protocol.
///
/// ```
/// use pixie_server::{Listen, Listener};
///
/// let listener = Listener::open([Listen::tcp("127.0.0.1", 0), Listen::tcp("::1", 0).proxy_protocol(["fd00::/8"])]);
/// # let _ = listener;
/// ```
#[derive(Clone, Debug)]
pub struct Listen {
    pub(crate) at: At,
    pub(crate) entry: Entry,
    /// What is wrong with a value that was set.
    pub(crate) mistake: Option<String>,
}

/// Where a socket listens.
#[derive(Clone, Debug)]
pub(crate) enum At {
    Tcp { host: String, port: u16, is_shared: bool },
    Unix { path: PathBuf, mode: Option<u32>, owner: Option<String> },
}

/// What happens on the connections of a socket before the first request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// The proxies that send a header of the PROXY protocol. `None` means that the protocol is off.
    pub(crate) proxies: Option<Vec<Network>>,
    pub(crate) tls: Option<Arc<dyn Secure>>,
    /// The port of HTTPS to which all requests are redirected.
    pub(crate) redirect: Option<u16>,
    /// HTTP/3 beside TCP, if it was asked for.
    pub(crate) http3: Option<Arc<AltSvc>>,
}

/// How a connection is secured. `tls.rs` is the only one; the trait keeps it out of programs without TLS.
pub(crate) trait Secure: Send + Sync + fmt::Debug {
    /// Reads what the connections need, such as certificates.
    fn load(&self) -> Result<(), Error>;

    /// Makes the handshake with a client.
    fn handshake(&self, stream: Stream) -> BoxFuture<'_, Result<(Stream, TlsSession), Failed>>;

    /// Returns what connections of HTTP/3 use now. The value is another one only if its content is.
    #[cfg(feature = "http3")]
    fn quic(&self) -> Option<Arc<rustls::ServerConfig>>;

    /// Reads changed files again, until the future is dropped.
    fn watch(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// What a TLS handshake has agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsSession {
    /// Whether the client and the server have chosen HTTP/2 (ALPN, RFC 7301).
    pub is_http2: bool,
    /// The name that the client has asked for (SNI), if it has sent one.
    pub server_name: Option<String>,
    /// The client's certificate and those that lead to its authority, as DER. Empty if the client has sent no
    /// certificate. If not empty, the certificate was verified.
    pub client_certificates: Vec<Vec<u8>>,
}

pub(crate) type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// Why a connection ends before its first request.
pub(crate) enum Failed {
    /// The client has left or is silent. This is common, so it is not logged.
    Left,
    /// The client does something else than it has to.
    Wrong(String),
}

impl From<io::Error> for Failed {
    fn from(_: io::Error) -> Failed {
        Failed::Left
    }
}

impl Listen {
    /// Listens on a host and a port, as [`Listener::bind`](crate::Listener::bind) does.
    pub fn tcp(host: impl Into<String>, port: u16) -> Listen {
        Listen::at(At::Tcp { host: host.into(), port, is_shared: false })
    }

    /// Listens on a Unix socket. A file that an ended process has left there is replaced. The file is removed
    /// when the server ends, unless another process still listens on the socket.
    ///
    /// Clients of a Unix socket have no address, so no limit per client applies to them.
    pub fn unix(path: impl Into<PathBuf>) -> Listen {
        Listen::at(At::Unix { path: path.into(), mode: None, owner: None })
    }

    fn at(at: At) -> Listen {
        Listen { at, entry: Entry::default(), mistake: None }
    }

    /// Sets the mode of the Unix socket's file, such as `0o660`. A client needs the right to write. Default:
    /// as the umask of the process allows.
    pub fn mode(mut self, bits: u32) -> Listen {
        match &mut self.at {
            At::Unix { mode, .. } => *mode = Some(bits),
            At::Tcp { .. } => self.mistake = Some("`mode` is for Unix sockets: remove it".to_owned()),
        }
        self
    }

    /// Sets the user and the group of the Unix socket's file: `user:group`, `user` or `:group`, as names of
    /// `/etc/passwd` and `/etc/group` or as numbers. Default: those of the process.
    ///
    /// Another user needs root; a group needs a process that is its member.
    pub fn owner(mut self, name: impl Into<String>) -> Listen {
        match &mut self.at {
            At::Unix { owner, .. } => *owner = Some(name.into()),
            At::Tcp { .. } => self.mistake = Some("`owner` is for Unix sockets: remove it".to_owned()),
        }
        self
    }

    /// Lets other processes of the same user listen on the same port; the system spreads connections over
    /// them (`SO_REUSEPORT`). Default: no, so that a second server on the port is an error.
    ///
    /// Connections that wait for a process that ends are lost, so replace a process by passing its sockets
    /// instead.
    pub fn reuse_port(mut self) -> Listen {
        match &mut self.at {
            At::Tcp { is_shared, .. } => *is_shared = true,
            At::Unix { .. } => self.mistake = Some("`reuse_port` is for TCP: remove it".to_owned()),
        }
        self
    }

    /// Expects a header of the PROXY protocol (version 1 or 2) at the start of each connection from these
    /// addresses and networks. The client's address in it becomes that of the connection, for everything:
    /// limits, logs and handlers.
    ///
    /// A connection from another address is served as it is: if it sends a header, its request is invalid.
    /// From a trusted address, a connection without a valid header is closed. Clients of a Unix socket are
    /// all trusted. A header has at most 1024 bytes, and
    /// [`handshake_timeout`](crate::Config::handshake_timeout) limits its time. With `LOCAL` or `UNKNOWN`, as
    /// health checks send, the connection keeps the address of the proxy.
    pub fn proxy_protocol<N: AsRef<str>>(mut self, proxies: impl IntoIterator<Item = N>) -> Listen {
        let mut networks = Vec::new();
        for text in proxies {
            match text.as_ref().parse() {
                Ok(network) => networks.push(network),
                Err(fix) => self.mistake = Some(format!("`proxy_protocol([\"{}\"])`: {fix}", text.as_ref())),
            }
        }
        self.entry.proxies = Some(networks);
        self
    }

    /// Returns the host and the port, if this is TCP and requests are served there, not redirected.
    pub fn serves_at(&self) -> Option<(&str, u16)> {
        match &self.at {
            At::Tcp { host, port, .. } if self.entry.redirect.is_none() => Some((host, *port)),
            _ => None,
        }
    }

    /// Returns whether connections begin with a TLS handshake.
    pub fn has_tls(&self) -> bool {
        self.entry.tls.is_some()
    }

    /// Returns whether proxies send a header of the PROXY protocol.
    pub fn has_proxy_protocol(&self) -> bool {
        self.entry.proxies.is_some()
    }

    /// Answers every request with a redirect to the same host and path under `https`, on this port.
    ///
    /// The status is 308, not 301, so that a form that was sent to the old address is sent again and not
    /// lost.
    pub fn redirect_to_https(mut self, port: u16) -> Listen {
        self.entry.redirect = Some(port);
        self
    }
}

impl Entry {
    /// Returns whether something happens before the first request.
    pub(crate) fn is_opened(&self) -> bool {
        self.proxies.is_some() || self.tls.is_some()
    }

    /// Returns whether a client at this address sends a header of the PROXY protocol.
    pub(crate) fn is_proxy(&self, peer: &Address) -> bool {
        let trusts = |networks: &Vec<Network>| match peer.ip() {
            Some(ip) => networks.iter().any(|network| network.contains(ip)),
            None => true,
        };
        self.proxies.as_ref().is_some_and(trusts)
    }
}

/// The address and what is spoken there, such as `0.0.0.0:443 (tls, http3)`.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { proxies, tls, redirect, http3 } = &self.entry;
        let spoken = [
            ("tls", tls.is_some()),
            ("http3", http3.is_some()),
            ("proxy_protocol", proxies.is_some()),
            ("redirect_to_https", redirect.is_some()),
        ];
        let spoken: Vec<_> = spoken.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect();
        match &spoken[..] {
            [] => self.at.fmt(f),
            spoken => write!(f, "{} ({})", self.at, spoken.join(", ")),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            At::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}
