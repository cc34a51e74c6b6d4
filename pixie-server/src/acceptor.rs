//! Accepts connections from all sockets of a `Listener`, on one runtime.
//!
//! An error never ends the acceptor. An error of one client is skipped. If there are too many open files, the
//! acceptor keeps one in reserve, with which clients are refused. At a shutdown it returns the connections
//! that wait in the kernel, and closes the sockets.

use std::{
    future::poll_fn,
    io, iter,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::{
    Address, Error, Listener, Throttle,
    clients::Client,
    listen::Entry,
    listener::{BACKLOG, Bound, Port, unusable},
    registry::Registry,
    stream::Stream,
    unix::UnixAcceptor,
};

/// First pause after the system failed to accept (too many open files). Each further pause is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// Limits the pause. Short, because the connections that are closed meanwhile make room.
const PAUSE_LONGEST: Duration = Duration::from_millis(100);
/// How many idle connections are closed when there are too many open files. More than one, because workers,
/// files and uploads need some too.
const CLOSED: usize = 32;

/// The error numbers of too many open files in the process and in the system (`EMFILE`, `ENFILE`), the same
/// on every Unix.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// An accepted connection.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: Address,
    pub(crate) entry: Arc<Entry>,
}

impl Accepted {
    /// Returns for whom the connection is counted. Returns `None` for a proxy that names its client later.
    pub(crate) fn client(&self) -> Option<Client> {
        self.peer.ip().and_then(Client::at).filter(|_| !self.entry.is_proxy(&self.peer))
    }
}

/// A listening socket on a runtime, and what is spoken there.
struct Door {
    socket: Socket,
    entry: Arc<Entry>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixAcceptor),
}

pub(crate) struct Acceptor {
    doors: Vec<Door>,
    /// Closed to accept a connection when there are too many open files.
    reserve: Option<socket2::Socket>,
    warnings: Throttle,
    /// The socket that was polled first the last time. It changes each time, so that all sockets get their
    /// turn.
    turn: usize,
}

impl Acceptor {
    pub(crate) fn new(listener: Listener) -> Result<Acceptor, Error> {
        let doors: io::Result<_> = listener.ports.into_iter().map(Door::open).collect();
        Ok(Acceptor { doors: doors.map_err(unusable)?, reserve: None, warnings: Throttle::of_warnings(), turn: 0 })
    }

    /// Accepts a connection. Closes idle connections when there are too many open files. Returns `Err` with a
    /// client that is refused, because the process has no further file.
    pub(crate) async fn accept(&mut self, registry: &Registry) -> Result<Accepted, Accepted> {
        let mut pause = PAUSE_FIRST;
        loop {
            // Without the reserve, the last free file would go to a client, and no further one could be
            // refused.
            let accepted = match self.hold_reserve() {
                Ok(()) => poll_fn(|cx| self.poll_accept(cx)).await,
                Err(error) => Err(error),
            };
            match accepted {
                Ok(accepted) => return Ok(accepted),
                Err(error) if is_about_one_client(&error) => {}
                Err(error) => {
                    // Closed connections are the better help, but it takes a moment until they are closed.
                    let waits = pause == PAUSE_FIRST && registry.close_idle(CLOSED, None) > 0;
                    if !waits
                        && error.raw_os_error().is_some_and(|number| TOO_MANY_FILES.contains(&number))
                        && self.reserve.take().is_some()
                        && let Ok(accepted) = poll_fn(|cx| self.poll_accept(cx)).await
                    {
                        return Err(accepted);
                    }
                    if self.warnings.is_due() {
                        tracing::warn!(%error, "cannot accept connections: closing idle ones, trying again");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_LONGEST);
                }
            }
        }
    }

    fn hold_reserve(&mut self) -> io::Result<()> {
        if let (None, Some(door)) = (&self.reserve, self.doors.first()) {
            self.reserve = Some(match &door.socket {
                Socket::Tcp(socket) => SockRef::from(socket).try_clone()?,
                Socket::Unix(socket) => socket.reserve()?,
            });
        }
        Ok(())
    }

    /// Returns the connections that wait in the kernel's queues; closing a listening socket would reset them.
    ///
    /// Each socket is closed when its queue is empty or has given `BACKLOG + 1` connections (Linux keeps one
    /// above the limit). This asks the kernel directly, because tokio reports a waiting connection only after
    /// its reactor has run, and reports nothing after a task has used up its budget.
    pub(crate) fn into_waiting(self) -> impl Iterator<Item = Accepted> {
        let ports = self.doors.into_iter().filter_map(|door| door.close().ok());
        ports.flat_map(|port| iter::from_fn(move || accept_now(&port)).take(BACKLOG as usize + 1))
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        for _ in 0..self.doors.len() {
            self.turn = (self.turn + 1) % self.doors.len();
            let door = &self.doors[self.turn];
            if let Poll::Ready(accepted) = door.poll_accept(cx) {
                return Poll::Ready(accepted.map(|(stream, peer)| Accepted {
                    stream,
                    peer,
                    entry: door.entry.clone(),
                }));
            }
        }
        Poll::Pending
    }
}

impl Door {
    fn open(port: Port) -> io::Result<Door> {
        let socket = match port.socket {
            Bound::Tcp(socket) => Socket::Tcp(TcpListener::from_std(socket)?),
            Bound::Unix(socket) => Socket::Unix(UnixAcceptor::new(socket)?),
        };
        Ok(Door { socket, entry: port.entry })
    }

    /// Returns the socket without its runtime.
    fn close(self) -> io::Result<Port> {
        let socket = match self.socket {
            Socket::Tcp(socket) => Bound::Tcp(socket.into_std()?),
            Socket::Unix(socket) => Bound::Unix(socket.into_std()?),
        };
        Ok(Port { socket, entry: self.entry })
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        match &self.socket {
            Socket::Tcp(socket) => socket.poll_accept(cx).map_ok(|(stream, peer)| (Stream::Tcp(stream), peer.into())),
            Socket::Unix(socket) => socket.poll_accept(cx),
        }
    }
}

/// Returns a connection that waits in the kernel's queue.
fn accept_now(port: &Port) -> Option<Accepted> {
    loop {
        let accepted = match &port.socket {
            Bound::Unix(socket) => socket.accept_now(),
            Bound::Tcp(socket) => socket.accept().and_then(|(stream, peer)| {
                stream.set_nonblocking(true)?;
                Ok((Stream::Tcp(TcpStream::from_std(stream)?), peer.into()))
            }),
        };
        match accepted {
            Ok((stream, peer)) => return Some(Accepted { stream, peer, entry: port.entry.clone() }),
            Err(error) if is_about_one_client(&error) => {}
            Err(_) => return None,
        }
    }
}

fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
