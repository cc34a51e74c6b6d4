//! Unix sockets: their file with its mode and owner, and the connections that they accept.
//!
//! Invariant: a file is removed only if no process listens on its socket.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, chown},
        net,
    },
    path::{Path, PathBuf},
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustix::net::{RecvFlags, recv};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::{
    io::{Interest, ReadBuf},
    net::{UnixListener, UnixStream},
};

use crate::{
    Address, Error,
    stream::{Stream, Transport},
};

/// A listening socket. Its file is removed when the last copy is dropped.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    // Closed before the file is removed.
    pub(crate) socket: net::UnixListener,
    file: Arc<SocketFile>,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl UnixSocket {
    /// Listens on a path. The socket is unreachable until its file has its mode and owner.
    pub(crate) fn open(path: &Path, mode: Option<u32>, owner: Option<&str>, backlog: i32) -> Result<UnixSocket, Error> {
        let refused = |what: String| Error::Refused(format!("cannot listen on {}: {what}", path.display()));
        let failed = |error: io::Error| refused(reason(&error));
        make_room(path).map_err(refused)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
        socket.bind(&SockAddr::unix(path).map_err(failed)?).map_err(failed)?;
        // Removes the file if the rest fails.
        let file = Arc::new(SocketFile(path.to_owned()));
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        }
        if let Some(owner) = owner {
            let (user, group) = ids(owner).map_err(refused)?;
            let explain = |error| {
                refused(format!("cannot give the file to `{owner}`: {error}; run as root, or leave `owner` out"))
            };
            chown(path, user, group).map_err(explain)?;
        }
        socket.listen(backlog).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(UnixSocket { socket: socket.into(), file })
    }

    /// Takes a socket that another process has opened.
    pub(crate) fn adopted(socket: net::UnixListener) -> UnixSocket {
        let path = socket.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
        UnixSocket { socket, file: Arc::new(SocketFile(path.unwrap_or_default())) }
    }

    pub(crate) fn address(&self) -> Address {
        Address::Unix(self.file.0.clone())
    }

    pub(crate) fn try_clone(&self) -> io::Result<UnixSocket> {
        Ok(UnixSocket { socket: self.socket.try_clone()?, file: self.file.clone() })
    }

    /// Returns a connection that waits in the kernel's queue.
    pub(crate) fn accept_now(&self) -> io::Result<(Stream, Address)> {
        let (stream, _) = self.socket.accept()?;
        stream.set_nonblocking(true)?;
        Ok(connected(UnixStream::from_std(stream)?))
    }
}

/// A socket that accepts connections on a runtime.
pub(crate) struct UnixAcceptor {
    socket: UnixListener,
    file: Arc<SocketFile>,
}

impl UnixAcceptor {
    pub(crate) fn new(socket: UnixSocket) -> io::Result<UnixAcceptor> {
        Ok(UnixAcceptor { socket: UnixListener::from_std(socket.socket)?, file: socket.file })
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        self.socket.poll_accept(cx).map_ok(|(stream, _)| connected(stream))
    }

    /// Returns a further descriptor of the socket.
    pub(crate) fn reserve(&self) -> io::Result<Socket> {
        SockRef::from(&self.socket).try_clone()
    }

    pub(crate) fn into_std(self) -> io::Result<UnixSocket> {
        Ok(UnixSocket { socket: self.socket.into_std()?, file: self.file })
    }
}

/// Clients of a Unix socket have no name.
fn connected(stream: UnixStream) -> (Stream, Address) {
    (Stream::Other(Box::new(stream)), Address::Unix(PathBuf::new()))
}

impl Transport for UnixStream {
    fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            match self.try_io(Interest::READABLE, || {
                recv(&*self, buf.initialize_unfilled(), RecvFlags::PEEK).map_err(Into::into)
            }) {
                Ok((_, count)) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }

    fn local(&self) -> io::Result<Address> {
        Ok(Address::Unix(self.local_addr()?.as_pathname().unwrap_or(Path::new("")).to_owned()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if is_left_over(&self.0) {
            // The next server replaces a file that cannot be removed now, or says why that is impossible.
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// Removes the file of a socket on which no process listens.
fn make_room(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(reason(&error)),
        Ok(file) if !file.file_type().is_socket() => {
            Err("there is a file that is not a socket; remove it or choose another path".to_owned())
        }
        Ok(_) if is_left_over(path) => fs::remove_file(path).map_err(|error| reason(&error)),
        Ok(_) => Err("another process listens there; stop it or choose another path".to_owned()),
    }
}

/// Returns whether a path is that of a socket on which no process listens.
fn is_left_over(path: &Path) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let asked = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // A full queue is not a reason to wait.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    asked().is_err_and(refused)
}

fn reason(error: &io::Error) -> String {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "; create the folder first",
        io::ErrorKind::PermissionDenied => "; choose a folder that this user can write to",
        io::ErrorKind::InvalidInput => "; choose a path of at most 107 bytes",
        _ => "",
    };
    format!("{error}{fix}")
}

/// Returns the numbers of `user:group`; each part may be missing.
fn ids(owner: &str) -> Result<(Option<u32>, Option<u32>), String> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    Ok((id(user, "/etc/passwd", "user")?, id(group, "/etc/group", "group")?))
}

/// Finds a name in a table whose lines are `name:password:number:…`.
fn id(name: &str, table: &str, what: &str) -> Result<Option<u32>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let text = fs::read_to_string(table).unwrap_or_default();
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.first() == Some(&name));
    let number = line.and_then(|fields| fields.get(2)?.parse().ok());
    number.map(Some).ok_or(format!("{table} has no {what} `{name}`; use a name from there, or a number"))
}
