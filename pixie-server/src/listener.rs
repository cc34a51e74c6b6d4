//! The listening sockets: bound by ourselves or taken over from the process that started us.
//!
//! It leaves accepting to `acceptor.rs`. A `Listener` is bound without a runtime, so that a program can fail with a
//! clear message before it starts anything; it belongs to no runtime until it is served.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs},
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{Error, PortOwner};

/// How many connections the kernel keeps for us until we accept them; above what std asks for (128), because a burst of
/// browsers opens six each. The kernel cuts it to its own limit.
pub(crate) const BACKLOG: i32 = 1024;

/// How often another port is tried when port 0 was asked for and the one we got on IPv4 is taken on IPv6.
const PORT_ATTEMPTS: usize = 8;

/// One or more sockets that listen on the same port.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
}

impl Listener {
    /// Listens on a host (an IP address, a name, or `localhost` for both loopback addresses) and a port (0: any).
    pub fn bind(host: &str, port: u16) -> Result<Listener, Error> {
        if host.eq_ignore_ascii_case("localhost") {
            return bind_localhost(port);
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = (bare, port)
            .to_socket_addrs()
            .map_err(|source| Error::NoSuchHost { host: host.to_owned(), source })?
            .collect();
        let Some(&address) = addresses.first() else {
            let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            return Err(Error::NoSuchHost { host: host.to_owned(), source });
        };
        Ok(Listener { sockets: vec![bind(address).map_err(|source| refused(address, source))?] })
    }

    /// Takes over the sockets that the parent process passed on (`LISTEN_FDS`, as systemd does), if there are any.
    ///
    /// The variable is removed and the sockets are not passed on again, so a second call returns `None`.
    pub fn adopted() -> Result<Option<Listener>, Error> {
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::with_capacity(passed.len());
        for index in 0..passed.len() {
            let socket = passed.take_tcp_listener(index).map_err(|source| Error::Adopt { source })?;
            sockets.extend(socket);
        }
        for socket in &sockets {
            check_listens(socket).map_err(|source| Error::Adopt { source })?;
        }
        Ok((!sockets.is_empty()).then_some(Listener { sockets }))
    }

    /// The addresses that are listened on, with the real port where 0 was asked for.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Makes a second handle to the same sockets, to serve them from another runtime at the same time.
    pub fn try_clone(&self) -> Result<Listener, Error> {
        let sockets: io::Result<_> = self.sockets.iter().map(TcpListener::try_clone).collect();
        Ok(Listener { sockets: sockets.map_err(|source| Error::Adopt { source })? })
    }

    /// Gives up the sockets, to pass them on to another process; they do not block.
    pub fn into_sockets(self) -> Vec<TcpListener> {
        self.sockets
    }
}

/// Browsers and tools disagree on whether `localhost` is 127.0.0.1 or ::1, so both are listened on.
fn bind_localhost(port: u16) -> Result<Listener, Error> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let first = bind(v4).map_err(|source| refused(v4, source))?;
        let chosen = first.local_addr().map_err(|source| refused(v4, source))?.port();
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, chosen));
        match bind(v6) {
            Ok(second) => {
                return Ok(Listener { sockets: vec![first, second] });
            }
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                return Ok(Listener { sockets: vec![first] });
            }
            Err(_) if port == 0 && attempt < PORT_ATTEMPTS => {}
            Err(error) => return Err(refused(v6, error)),
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if cfg!(unix) {
        // Lets a restarted server bind while old connections are in TIME_WAIT. On Windows the same option would let a
        // stranger take the port over.
        socket.set_reuse_address(true)?;
    }
    if let IpAddr::V6(ip) = address.ip() {
        // [::] means every address, IPv4 too; the system's setting may say otherwise.
        socket.set_only_v6(!ip.is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn refused(address: SocketAddr, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            Error::PortTaken { address, owner: PortOwner::find(address.port()), free: next_free(address) }
        }
        io::ErrorKind::PermissionDenied => Error::NotPermitted { address },
        io::ErrorKind::AddrNotAvailable => Error::NoSuchAddress { address },
        _ => Error::Listen { address, source },
    }
}

fn next_free(taken: SocketAddr) -> Option<u16> {
    let mut candidates = (1..=20).filter_map(|step| taken.port().checked_add(step));
    candidates.find(|&port| bind(SocketAddr::new(taken.ip(), port)).is_ok())
}

fn check_listens(socket: &TcpListener) -> io::Result<()> {
    if SockRef::from(socket).peer_addr().is_ok() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a connection and does not listen"));
    }
    socket.set_nonblocking(true)
}
