//! Why a server cannot start; each message contains the fix.
//!
//! A client cannot cause these errors. Once started, a server ends only at a shutdown.

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
        /// The process that uses the port, if the system reports it.
        owner: Option<PortOwner>,
        /// A port that was free when this error was made.
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
        /// The error of the resolver.
        source: io::Error,
    },
    /// The system refused for another reason.
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// A socket from the parent process (`LISTEN_FDS`) cannot be used.
    Adopt {
        /// The reason.
        source: io::Error,
    },
    /// The handlers of signals cannot be installed.
    Signals {
        /// The error of the system.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::PortTaken { address, owner, free } => port_taken(f, *address, owner.as_ref(), *free),
            Error::NotPermitted { address } => write!(
                f,
                "this user may not listen on port {}; choose a port above 1023, for example PIXIE_PORT=8000",
                address.port()
            ),
            Error::NoSuchAddress { address } => write!(
                f,
                "this machine does not have the address {}; use 127.0.0.1 (this machine only) or 0.0.0.0 (every network)",
                address.ip()
            ),
            Error::NoSuchHost { host, source } => {
                write!(f, "cannot find the address of the host `{host}`: {source}; use an IP address or `localhost`")
            }
            Error::Listen { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Error::Adopt { source } => write!(
                f,
                "cannot use the socket from LISTEN_FDS: {source}; remove LISTEN_FDS to let the program open its own socket"
            ),
            Error::Signals { source } => write!(f, "cannot install signal handlers: {source}"),
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
