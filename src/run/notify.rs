//! Reports the state of the program to the process that started it: `READY=1` when requests are answered,
//! `STOPPING=1` when the graceful stop begins.
//!
//! The protocol is that of systemd (`Type=notify`): a datagram to the socket named in `NOTIFY_SOCKET`. `pixie
//! dev` gets the same lines over its own connection. If the datagram cannot be sent, the program continues.
use std::{env, ffi::OsStr, io, os::unix::net::UnixDatagram};

use crate::dev::Dev;

/// Reports that the program is ready or stopping.
pub(crate) fn tell(dev: Option<&Dev>, word: &str) {
    if let Some(dev) = dev {
        dev.tell(word);
    }
    if let Some(name) = env::var_os("NOTIFY_SOCKET")
        && let Err(error) = send(&name, word)
    {
        tracing::warn!("cannot send {word} to {}: {error}", name.display());
    }
}

/// Sends to a datagram socket with a path, or, on Linux, with a name that starts with `@` and has no file.
fn send(name: &OsStr, word: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::unix::ffi::OsStrExt::as_bytes(name).strip_prefix(b"@") {
        use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
        return socket.send_to_addr(word.as_bytes(), &SocketAddr::from_abstract_name(name)?).map(drop);
    }
    socket.send_to(word.as_bytes(), name).map(drop)
}
