//! Why a server cannot start; each message contains the fix.
//!
//! A client cannot cause these errors. Once started, a server ends only at a shutdown.

use std::{fmt, net::SocketAddr};

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
    /// This user may not listen on the port.
    PortForbidden {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The system refused a socket or the signal handlers. Contains the reason and how to fix it.
    Refused(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::PortTaken { address, owner, free } => port_taken(f, *address, owner.as_ref(), *free),
            Error::PortForbidden { address } => {
                write!(f, "this user may not listen on port {}; use a port above 1023, such as 8000", address.port())
            }
            Error::Refused(message) => f.write_str(message),
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
        Some(port) => write!(f, "; stop it or use another port, such as {port}"),
        None => f.write_str("; stop it or use another port"),
    }
}

impl std::error::Error for Error {}
