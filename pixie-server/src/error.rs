//! What can keep a server from starting, each with its remedy in the message.
//!
//! Nothing here happens because of a client: once it serves, a server only ends when it is told to.

use std::{fmt, io, net::SocketAddr};

use crate::PortOwner;

/// Why a server could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Another socket listens on the port already.
    PortTaken {
        /// The address that was asked for.
        address: SocketAddr,
        /// The process that holds it, where the system tells.
        owner: Option<PortOwner>,
        /// A port that was free a moment ago.
        free: Option<u16>,
    },
    /// The system does not let this user listen on the port.
    NotPermitted {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The machine has no such address.
    NoSuchAddress {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The host's name has no address.
    NoSuchHost {
        /// The name that was asked for.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The system refused for another reason.
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The socket that the parent process passed on cannot be used.
    Adopt {
        /// What is wrong with it.
        source: io::Error,
    },
    /// Signals cannot be listened to.
    Signals {
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::PortTaken { address, owner, free } => port_taken(f, *address, owner.as_ref(), *free),
            Error::NotPermitted { address } => write!(
                f,
                "port {} needs more rights than this user has; choose one above 1023, for example PIXIE_PORT=8000",
                address.port()
            ),
            Error::NoSuchAddress { address } => write!(
                f,
                "this machine has no address {}; use 127.0.0.1 (this machine only) or 0.0.0.0 (every network)",
                address.ip()
            ),
            Error::NoSuchHost { host, source } => {
                write!(f, "no address is known for the host `{host}` ({source}); use an IP address or `localhost`")
            }
            Error::Listen { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Error::Adopt { source } => write!(
                f,
                "the socket that LISTEN_FDS names cannot be used: {source}; start the program without LISTEN_FDS to let it bind itself"
            ),
            Error::Signals { source } => write!(f, "cannot listen to signals: {source}"),
        }
    }
}

fn port_taken(
    f: &mut fmt::Formatter<'_>,
    address: SocketAddr,
    owner: Option<&PortOwner>,
    free: Option<u16>,
) -> fmt::Result {
    write!(f, "port {} is used by ", address.port())?;
    match owner {
        Some(PortOwner { name, pid }) => write!(f, "`{name}` (pid {pid})")?,
        None => f.write_str("another process")?,
    }
    match free {
        Some(port) => write!(f, "; stop it or choose another with PIXIE_PORT={port}"),
        None => f.write_str("; stop it or choose another with PIXIE_PORT"),
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::NoSuchHost { source, .. }
            | Error::Listen { source, .. }
            | Error::Adopt { source }
            | Error::Signals { source } => Some(source),
            Error::PortTaken { .. } | Error::NotPermitted { .. } | Error::NoSuchAddress { .. } => None,
        }
    }
}
