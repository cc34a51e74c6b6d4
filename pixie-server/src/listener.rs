//! The listening sockets: opened by this process, or received from the process that started it.
//!
//! `acceptor.rs` accepts the connections. A `Listener` does not need a runtime until it is served, so a
//! program can report a wrong address before it starts anything else.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs},
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{Error, PortOwner};

/// Limits the connections that wait in the kernel until we accept them. Larger than the 128 of std, because
/// each of many browsers opens six connections at once. The kernel reduces the number to its own limit.
pub(crate) const BACKLOG: i32 = 1024;

/// Limits the attempts to find a port that is free on IPv4 and on IPv6, when port 0 was asked for. Each
/// attempt fails only by chance, so a few are enough.
const PORT_ATTEMPTS: usize = 8;

/// One or more sockets that listen on the same port.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
}

impl Listener {
    /// Listens on a host and a port.
    ///
    /// The host is an IP address, a name, or `localhost` for both loopback addresses. With port 0 the system
    /// chooses a free port.
    ///
    /// ```
    /// use pixie_server::Listener;
    ///
    /// let listener = Listener::bind("127.0.0.1", 0)?;
    /// assert_ne!(listener.local_addrs()[0].port(), 0);
    /// # Ok::<(), pixie_server::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host is unknown, the port is used, or the system refuses; the message contains the fix.
    pub fn bind(host: &str, port: u16) -> Result<Listener, Error> {
        if host.eq_ignore_ascii_case("localhost") {
            return bind_localhost(port);
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let found = (bare, port).to_socket_addrs().and_then(|mut addresses| addresses.next().ok_or_else(none));
        let address = found.map_err(|source| {
            Error::Refused(format!(
                "cannot find the address of the host `{host}`: {source}; use an IP address or `localhost`"
            ))
        })?;
        Ok(Listener { sockets: vec![bind(address).map_err(|source| refused(address, source))?] })
    }

    /// Takes the sockets that the parent process (for example systemd) has passed by `LISTEN_FDS`, if there
    /// are any.
    ///
    /// Removes the variable, and does not pass the sockets to child processes. So a second call returns
    /// `None`.
    ///
    /// # Errors
    ///
    /// Fails if a passed descriptor is not a listening TCP socket.
    pub fn adopted() -> Result<Option<Listener>, Error> {
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::with_capacity(passed.len());
        for index in 0..passed.len() {
            let socket = passed.take_tcp_listener(index).map_err(unusable)?;
            socket.iter().try_for_each(check_listens).map_err(unusable)?;
            sockets.extend(socket);
        }
        Ok((!sockets.is_empty()).then_some(Listener { sockets }))
    }

    /// Returns the addresses of the sockets, with the real port if port 0 was asked for.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Returns a second handle to the same sockets, to serve them from another runtime at the same time.
    ///
    /// # Errors
    ///
    /// Fails if the process has too many open files.
    pub fn try_clone(&self) -> Result<Listener, Error> {
        let sockets: io::Result<_> = self.sockets.iter().map(TcpListener::try_clone).collect();
        Ok(Listener { sockets: sockets.map_err(unusable)? })
    }

    /// Returns the sockets, for example to pass them to another process. The sockets are in non-blocking
    /// mode.
    pub fn into_sockets(self) -> Vec<TcpListener> {
        self.sockets
    }
}

/// Listens on 127.0.0.1 and on ::1, because browsers and tools differ in which of them `localhost` is.
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
        // Lets a restarted server bind while old connections are in TIME_WAIT. On Windows, the same option
        // would let another process take the port.
        socket.set_reuse_address(true)?;
    }
    if let IpAddr::V6(ip) = address.ip() {
        // The address [::] includes IPv4, also on systems where that is not the default.
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
        io::ErrorKind::PermissionDenied => Error::Refused(format!(
            "this user may not listen on port {}; choose a port above 1023, for example PIXIE_PORT=8000",
            address.port()
        )),
        io::ErrorKind::AddrNotAvailable => Error::Refused(format!(
            "this machine does not have the address {}; use 127.0.0.1 (this machine only) or 0.0.0.0 (every network)",
            address.ip()
        )),
        _ => Error::Refused(format!("cannot listen on {address}: {source}")),
    }
}

/// Returns the error for a socket that was opened before.
pub(crate) fn unusable(source: io::Error) -> Error {
    Error::Refused(format!(
        "cannot use a socket: {source}; if it comes from LISTEN_FDS, remove LISTEN_FDS to let the program open its own"
    ))
}

fn next_free(taken: SocketAddr) -> Option<u16> {
    let mut candidates = (1..=20).filter_map(|step| taken.port().checked_add(step));
    candidates.find(|&port| bind(SocketAddr::new(taken.ip(), port)).is_ok())
}

fn check_listens(socket: &TcpListener) -> io::Result<()> {
    if SockRef::from(socket).peer_addr().is_ok() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is a connection, not a listening socket"));
    }
    socket.set_nonblocking(true)
}
