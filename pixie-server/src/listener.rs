//! The listening sockets: opened by this process, or received from the process that started it.
//!
//! `acceptor.rs` accepts the connections. A `Listener` does not need a runtime until it is served, so a
//! program can report a wrong address before it starts anything else.

use std::{
    env, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{
    Address, Error, Listen, PortOwner,
    listen::{At, Entry, Secure},
    udp::{self, Udp},
    unix::UnixSocket,
};

/// Limits the connections that wait in the kernel until we accept them. Larger than the 128 of std, because
/// each of many browsers opens six connections at once. The kernel reduces the number to its own limit.
pub(crate) const BACKLOG: i32 = 1024;

/// Limits the attempts to find a port that is free on IPv4 and on IPv6, when port 0 was asked for. Each
/// attempt fails only by chance, so a few are enough.
const PORT_ATTEMPTS: usize = 8;

/// One or more listening sockets.
#[derive(Debug)]
pub struct Listener {
    pub(crate) ports: Vec<Port>,
    /// The UDP sockets of HTTP/3.
    pub(crate) udp: Vec<Udp>,
}

/// A listening socket, and what is spoken there.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) socket: Bound,
    pub(crate) entry: Arc<Entry>,
}

#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(TcpListener),
    Unix(UnixSocket),
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
        Listener::open([Listen::tcp(host, port)])
    }

    /// Listens on several addresses.
    ///
    /// # Errors
    ///
    /// As [`bind`](Listener::bind), and if a certificate cannot be read; the message contains the fix.
    pub fn open(listens: impl IntoIterator<Item = Listen>) -> Result<Listener, Error> {
        Listener::open_beside(listens, None)
    }

    /// Listens on several addresses, and uses the sockets of a parent process (see
    /// [`adopted`](Listener::adopted)) for those addresses that they already listen on.
    ///
    /// # Errors
    ///
    /// As [`open`](Listener::open), and if a passed socket listens on an address that is not in the list.
    pub fn open_beside(listens: impl IntoIterator<Item = Listen>, passed: Option<Listener>) -> Result<Listener, Error> {
        let mut passed = passed.map_or(Vec::new(), |listener| listener.ports);
        let (mut ports, mut udp) = (Vec::new(), Vec::new());
        for listen in listens {
            let refused = |what| Error::Refused(format!("cannot listen on {}: {what}", listen.at));
            listen.mistake.clone().map_or(Ok(()), |mistake| Err(refused(mistake)))?;
            if let Some(tls) = &listen.entry.tls {
                tls.load()?;
            }
            udp::mistake(&listen).map_or(Ok(()), |mistake| Err(refused(mistake.to_owned())))?;
            let (fitting, rest) = passed.into_iter().partition(|port| listen.at.is(&port.socket.address()));
            passed = rest;
            let entry = Arc::new(listen.entry);
            let sockets = match Vec::from_iter(fitting) {
                none if none.is_empty() => open_beside_udp(&listen.at, &entry, &mut udp)?,
                fitting => {
                    let sockets: Vec<Bound> = fitting.into_iter().map(|port| port.socket).collect();
                    udp.extend(
                        open_udp(&sockets, &entry, true).map_err(|(address, source)| udp::refused(address, &source))?,
                    );
                    sockets
                }
            };
            ports.extend(sockets.into_iter().map(|socket| Port { socket, entry: entry.clone() }));
        }
        match passed.first() {
            None => Ok(Listener { ports, udp }),
            Some(port) => Err(Error::Refused(format!(
                "a socket for {} was passed by LISTEN_FDS, but the program does not listen there: pass a socket for one of \
                 its addresses, or add this address",
                port.socket.address()
            ))),
        }
    }

    /// Takes the sockets that the parent process (for example systemd) has passed by `LISTEN_FDS`, if there
    /// are any. They speak plain HTTP, unless they are given to [`open_beside`](Listener::open_beside).
    ///
    /// Removes the variable, and does not pass the sockets to child processes. So a second call returns
    /// `None`.
    ///
    /// # Errors
    ///
    /// Fails if a passed descriptor is not a listening TCP or Unix socket, or if a variable is not a number.
    pub fn adopted() -> Result<Option<Listener>, Error> {
        let mistake = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDS_FIRST_FD"].iter().find_map(|name| not_a_number(name));
        mistake.map_or(Ok(()), |mistake| Err(Error::Refused(mistake)))?;
        let mut passed = ListenFd::from_env();
        let mut ports = Vec::with_capacity(passed.len());
        for index in 0..passed.len() {
            if let Some(socket) = take(&mut passed, index).map_err(unusable)? {
                ports.push(Port { socket, entry: Arc::default() });
            }
        }
        Ok((!ports.is_empty()).then_some(Listener { ports, udp: Vec::new() }))
    }

    /// Returns the addresses of the TCP sockets, with the real port if port 0 was asked for.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.ports.iter().filter_map(|port| port.socket.address().ip_and_port()).collect()
    }

    /// Returns the addresses of all sockets as URLs, such as `https://127.0.0.1:443` and
    /// `unix:/run/app.sock`.
    pub fn urls(&self) -> Vec<(Address, &'static str)> {
        let scheme = |port: &Port| if port.entry.tls.is_some() { "https" } else { "http" };
        self.ports.iter().map(|port| (port.socket.address(), scheme(port))).collect()
    }

    /// Returns what secures the sockets.
    pub(crate) fn secured(&self) -> impl Iterator<Item = Arc<dyn Secure>> {
        self.ports.iter().filter_map(|port| port.entry.tls.clone())
    }

    /// Returns a second handle to the same sockets, to serve them from another runtime at the same time.
    /// HTTP/3 stays with this handle, because the packets of a connection must not reach different runtimes.
    ///
    /// # Errors
    ///
    /// Fails if the process has too many open files.
    pub fn try_clone(&self) -> Result<Listener, Error> {
        let copy = |port: &Port| Ok(Port { socket: port.socket.try_clone()?, entry: port.entry.clone() });
        let ports: io::Result<_> = self.ports.iter().map(copy).collect();
        Ok(Listener { ports: ports.map_err(unusable)?, udp: Vec::new() })
    }

    /// Returns the TCP sockets, for example to pass them to another process. The sockets are in non-blocking
    /// mode.
    pub fn into_sockets(self) -> Vec<TcpListener> {
        let tcp = |port: Port| match port.socket {
            Bound::Tcp(socket) => Some(socket),
            Bound::Unix(_) => None,
        };
        self.ports.into_iter().filter_map(tcp).collect()
    }
}

#[cfg(unix)]
impl Listener {
    /// Returns the descriptors of all sockets, to pass them to a process that takes over.
    pub fn into_fds(self) -> Vec<std::os::fd::OwnedFd> {
        let descriptor = |port: Port| match port.socket {
            Bound::Tcp(socket) => socket.into(),
            Bound::Unix(socket) => socket.socket.into(),
        };
        self.ports.into_iter().map(descriptor).collect()
    }
}

impl Bound {
    pub(crate) fn address(&self) -> Address {
        match self {
            // The system always knows the address of a socket that was bound.
            Bound::Tcp(socket) => socket.local_addr().unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).into(),
            Bound::Unix(socket) => socket.address(),
        }
    }

    fn try_clone(&self) -> io::Result<Bound> {
        Ok(match self {
            Bound::Tcp(socket) => Bound::Tcp(socket.try_clone()?),
            Bound::Unix(socket) => Bound::Unix(socket.try_clone()?),
        })
    }
}

impl At {
    /// Returns whether a socket with this address is the one that was asked for.
    fn is(&self, address: &Address) -> bool {
        match (self, address) {
            (At::Unix { path, .. }, Address::Unix(other)) => path == other,
            (At::Tcp { host, port, .. }, Address::Ip(address)) => {
                let is_host = match host.eq_ignore_ascii_case("localhost") {
                    true => address.ip().is_loopback(),
                    false => resolve(host, *port).is_ok_and(|wanted| wanted.ip() == address.ip()),
                };
                is_host && (*port == 0 || *port == address.port())
            }
            _ => false,
        }
    }
}

fn open(at: &At) -> Result<Vec<Bound>, Error> {
    match at {
        At::Unix { path, mode, owner } => {
            Ok(vec![Bound::Unix(UnixSocket::open(path, *mode, owner.as_deref(), BACKLOG)?)])
        }
        At::Tcp { host, port, is_shared } if host.eq_ignore_ascii_case("localhost") => {
            bind_localhost(*port, *is_shared)
        }
        At::Tcp { host, port, is_shared } => {
            let address = resolve(host, *port)?;
            let socket = bind(address, *is_shared).map_err(|source| refused(address, source))?;
            Ok(vec![Bound::Tcp(socket)])
        }
    }
}

/// Opens the sockets of an address, and those of HTTP/3 with the same ports.
fn open_beside_udp(at: &At, entry: &Arc<Entry>, udp: &mut Vec<Udp>) -> Result<Vec<Bound>, Error> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let sockets = open(at)?;
        match open_udp(&sockets, entry, false) {
            Ok(opened) => {
                udp.extend(opened);
                return Ok(sockets);
            }
            // The system has chosen a port that is free for TCP only.
            Err(_) if matches!(at, At::Tcp { port: 0, .. }) && attempt < PORT_ATTEMPTS => {}
            Err((address, source)) => return Err(udp::refused(address, &source)),
        }
    }
}

fn open_udp(sockets: &[Bound], entry: &Arc<Entry>, is_passed: bool) -> Result<Vec<Udp>, (SocketAddr, io::Error)> {
    if entry.http3.is_none() {
        return Ok(Vec::new());
    }
    let addresses = sockets.iter().filter_map(|socket| socket.address().ip_and_port());
    addresses.map(|address| Udp::open(address, entry, is_passed).map_err(|error| (address, error))).collect()
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, Error> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let found = (bare, port).to_socket_addrs().and_then(|mut addresses| addresses.next().ok_or_else(none));
    found.map_err(|source| {
        Error::Refused(format!(
            "cannot find the address of the host `{host}`: {source}; use an IP address or `localhost`"
        ))
    })
}

/// Listens on 127.0.0.1 and on ::1, because browsers and tools differ in which of them `localhost` is.
fn bind_localhost(port: u16, is_shared: bool) -> Result<Vec<Bound>, Error> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let first = bind(v4, is_shared).map_err(|source| refused(v4, source))?;
        let chosen = first.local_addr().map_err(|source| refused(v4, source))?.port();
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, chosen));
        match bind(v6, is_shared) {
            Ok(second) => return Ok(vec![Bound::Tcp(first), Bound::Tcp(second)]),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Ok(vec![Bound::Tcp(first)]),
            Err(_) if port == 0 && attempt < PORT_ATTEMPTS => {}
            Err(error) => return Err(refused(v6, error)),
        }
    }
}

fn bind(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if cfg!(unix) {
        // Lets a restarted server bind while old connections are in TIME_WAIT. On Windows, the same option
        // would let another process take the port.
        socket.set_reuse_address(true)?;
    }
    if is_shared {
        share_port(&socket)?;
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
        io::ErrorKind::PermissionDenied => Error::PortForbidden { address },
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
    candidates.find(|&port| bind(SocketAddr::new(taken.ip(), port), false).is_ok())
}

#[cfg(unix)]
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(unix))]
fn share_port(_: &Socket) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot share a port; remove `reuse_port`"))
}

/// Returns what is wrong with a variable about passed sockets. Without this check, a program whose parent has
/// passed sockets would listen elsewhere.
fn not_a_number(name: &str) -> Option<String> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    let is_number = value.to_str().is_some_and(|text| text.parse::<u32>().is_ok());
    (!is_number).then(|| {
        format!("{name} is `{}`, which is not a number: correct or remove the variable", value.to_string_lossy())
    })
}

/// Takes a socket that the parent process has passed.
#[cfg(unix)]
fn take(passed: &mut ListenFd, index: usize) -> io::Result<Option<Bound>> {
    let Ok(socket) = passed.take_unix_listener(index) else {
        return take_tcp(passed, index);
    };
    socket.iter().try_for_each(|socket| check_listens(SockRef::from(socket)))?;
    Ok(socket.map(UnixSocket::adopted).map(Bound::Unix))
}

#[cfg(not(unix))]
fn take(passed: &mut ListenFd, index: usize) -> io::Result<Option<Bound>> {
    take_tcp(passed, index)
}

fn take_tcp(passed: &mut ListenFd, index: usize) -> io::Result<Option<Bound>> {
    let socket = passed.take_tcp_listener(index)?;
    socket.iter().try_for_each(|socket| check_listens(SockRef::from(socket)))?;
    Ok(socket.map(Bound::Tcp))
}

fn check_listens(socket: SockRef<'_>) -> io::Result<()> {
    if socket.peer_addr().is_ok() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is a connection, not a listening socket"));
    }
    socket.set_nonblocking(true)
}
