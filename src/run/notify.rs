//! Reports the state of the program to the process that started it: `READY=1` when requests are answered,
//! `STOPPING=1` when the graceful stop begins.
//!
//! The protocol is that of systemd (`Type=notify`): a datagram to the socket named in `NOTIFY_SOCKET`. `pixie
//! dev` gets the same lines over its own connection. A process that another one has started in its place
//! (`restart.rs`) reports to its predecessor, which tells the service manager the new main process: systemd
//! listens only to the main process unless `NotifyAccess=all` is set. If the datagram cannot be sent, the
//! program continues.
use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    os::unix::{net::UnixDatagram, process::parent_id},
};

use crate::dev::Dev;
pub(crate) use crate::table::late::PREDECESSOR;

/// The message of a successor that is ready, and the start of one that cannot start.
pub(crate) const READY: &str = "READY=1";
pub(crate) const FAILED: &str = "FAILED=";

/// Reports that the program is ready.
pub(crate) fn tell_ready(dev: Option<&Dev>) {
    match predecessor() {
        Some(socket) => log_failure(READY, &socket, send(&socket, READY)),
        None => tell(dev, READY),
    }
}

/// Reports to a predecessor why the program cannot start.
pub(crate) fn tell_failure(error: &impl fmt::Display) {
    if let Some(socket) = predecessor() {
        // Afterwards the predecessor reads the exit status, which has to be enough.
        let _ = send(&socket, &format!("{FAILED}{error}"));
    }
}

/// Reports to `pixie dev` and to the service manager.
pub(crate) fn tell(dev: Option<&Dev>, word: &str) {
    if let Some(dev) = dev {
        dev.tell(word);
    }
    if let Some(name) = env::var_os("NOTIFY_SOCKET") {
        log_failure(word, &name, send(&name, word));
    }
}

/// Reports to the service manager that the program is started anew. The time tells it that this is the answer
/// to its latest signal (`Type=notify-reload`).
pub(crate) fn tell_reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    tell(None, &format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}

/// Reports to the service manager that another process is the main process of the service from now on.
pub(crate) fn tell_main(pid: u32) {
    tell(None, &format!("{READY}\nMAINPID={pid}\nSTATUS="));
}

/// Reports to the service manager that the present process continues.
pub(crate) fn tell_not_reloaded() {
    tell(None, &format!("{READY}\nSTATUS=could not start anew, see the log"));
}

/// Returns the socket of the process that this one replaces. Programs that this process starts inherit the
/// variable too, so it counts only in a child of the process that it names.
fn predecessor() -> Option<OsString> {
    let value = env::var(PREDECESSOR).ok()?;
    let (pid, socket) = value.split_once(':')?;
    (pid.parse() == Ok(parent_id())).then(|| socket.into())
}

/// Returns whether this process replaces another one.
pub(super) fn has_predecessor() -> bool {
    predecessor().is_some()
}

fn log_failure(word: &str, name: &OsStr, sent: io::Result<()>) {
    if let Err(error) = sent {
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
