//! Telling the one who started the program how far it is: `READY=1` once requests are answered, `STOPPING=1` when the
//! orderly stop begins.
//!
//! The words are systemd's (`Type=notify`: a datagram to the socket that `NOTIFY_SOCKET` names); `pixie dev` gets the same
//! words over its own connection. Nobody listening is no reason to stop.
use std::env;

use crate::dev::Dev;

/// Says that the program is ready or stopping.
pub(crate) fn tell(dev: Option<&Dev>, word: &str) {
    if let Some(dev) = dev {
        dev.tell(word);
    }
    if let Some(name) = env::var_os("NOTIFY_SOCKET")
        && let Err(error) = platform::send(&name, word)
    {
        tracing::warn!("could not tell {} that {word}: {error}", name.display());
    }
}

#[cfg(unix)]
mod platform {
    //! A datagram socket by path, or on Linux by a name without a file, which starts with `@`.
    use std::{ffi::OsStr, io, os::unix::net::UnixDatagram};

    pub(super) fn send(name: &OsStr, word: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        #[cfg(target_os = "linux")]
        if let Some(name) = std::os::unix::ffi::OsStrExt::as_bytes(name).strip_prefix(b"@") {
            use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
            return socket.send_to_addr(word.as_bytes(), &SocketAddr::from_abstract_name(name)?).map(drop);
        }
        socket.send_to(word.as_bytes(), name).map(drop)
    }
}

#[cfg(not(unix))]
mod platform {
    //! Elsewhere there is no such service manager.
    pub(super) fn send(_: &std::ffi::OsStr, _: &str) -> std::io::Result<()> {
        Ok(())
    }
}
