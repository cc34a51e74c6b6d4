//! The UDP sockets of HTTP/3, each beside a TCP socket with the same address.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    Error,
    listen::{At, Entry, Listen},
};

/// The bytes that the system keeps for us, if it allows so many: some milliseconds of a fast upload.
const RECEIVE_BYTES: usize = 1024 * 1024;

/// A UDP socket, and what is spoken there.
#[derive(Debug)]
#[cfg_attr(not(feature = "http3"), expect(dead_code, reason = "only HTTP/3 uses it"))]
pub(crate) struct Udp {
    pub(crate) address: SocketAddr,
    /// `None` while the process that this one replaces still uses the address.
    pub(crate) socket: Option<UdpSocket>,
    pub(crate) entry: Arc<Entry>,
}

impl Udp {
    /// Opens the socket beside a TCP socket. `is_passed` tells whether a process that ends soon has passed
    /// that.
    pub(crate) fn open(address: SocketAddr, entry: &Arc<Entry>, is_passed: bool) -> io::Result<Udp> {
        let socket = match bind(address) {
            Err(error) if is_passed && error.kind() == io::ErrorKind::AddrInUse => None,
            bound => Some(bound?),
        };
        Ok(Udp { address, socket, entry: entry.clone() })
    }
}

/// Returns why HTTP/3 is not possible on an address.
pub(crate) fn mistake(listen: &Listen) -> Option<&'static str> {
    listen.entry.http3.as_ref()?;
    match (&listen.at, &listen.entry) {
        (At::Unix { .. }, _) => Some("`http3` is for TCP: remove it"),
        (At::Tcp { is_shared: true, .. }, _) => {
            Some("the packets of an `http3` connection would reach several processes: remove `reuse_port` or `http3`")
        }
        (_, Entry { proxies: Some(_), .. }) => {
            Some("`http3` has no header of the PROXY protocol: remove `proxy_protocol` or `http3`")
        }
        (_, Entry { tls: None, .. }) => Some("`http3` needs a certificate: add `tls`"),
        _ => None,
    }
}

/// Returns the error for a socket that cannot be opened.
pub(crate) fn refused(address: SocketAddr, source: &io::Error) -> Error {
    let fix = match source.kind() {
        io::ErrorKind::AddrInUse => "; another program uses this UDP port: stop it, or remove `http3`",
        io::ErrorKind::PermissionDenied => "; a port below 1024 needs the right CAP_NET_BIND_SERVICE",
        _ => "",
    };
    Error::Refused(format!("cannot listen on {address} (UDP) for HTTP/3: {source}{fix}"))
}

/// Returns the error for a socket on which QUIC is not possible.
#[cfg(feature = "http3")]
pub(crate) fn unusable(address: SocketAddr) -> Error {
    Error::Refused(format!("cannot serve HTTP/3 on {address}: its TLS cannot secure QUIC; remove `http3`"))
}

pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // As for TCP: the address [::] includes IPv4.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // The system may allow fewer bytes.
    let _ = socket.set_recv_buffer_size(RECEIVE_BYTES);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
