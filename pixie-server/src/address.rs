//! `Address`: one end of a connection, an IP address with a port or a Unix socket.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// The address of a client or of a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// An IP address with a port.
    Ip(SocketAddr),
    /// The file of a Unix socket. Empty for a socket without a name, as clients have.
    Unix(PathBuf),
}

impl Address {
    /// Returns the IP address and the port. Returns `None` for a Unix socket.
    pub fn ip_and_port(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// Returns the IP address. Returns `None` for a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip_and_port().map(|address| address.ip())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
