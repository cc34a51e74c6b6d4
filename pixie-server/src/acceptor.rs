//! Accepts connections from all sockets of a `Listener`, on one runtime.
//!
//! No error ends it: what happened to one client is skipped, and when the system has run out of something it waits a
//! little for connections to close. At the stop it hands out what the kernel has for us, and closes the sockets.

use std::{
    future::poll_fn,
    io, iter, net,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};

use crate::{Error, Listener, listener::BACKLOG};

/// The first pause after the system refused a connection (too many open files); it doubles from there …
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// … up to this, which is still soon enough for a person.
const PAUSE_LONGEST: Duration = Duration::from_secs(1);

pub(crate) struct Acceptor {
    sockets: Vec<TcpListener>,
    /// The socket that is asked first, so that none starves another.
    turn: usize,
}

impl Acceptor {
    pub(crate) fn new(listener: Listener) -> Result<Acceptor, Error> {
        let mut sockets = Vec::new();
        for socket in listener.into_sockets() {
            let address = socket.local_addr().map_err(|source| Error::Adopt { source })?;
            sockets.push(TcpListener::from_std(socket).map_err(|source| Error::Listen { address, source })?);
        }
        Ok(Acceptor { sockets, turn: 0 })
    }

    pub(crate) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let mut pause = PAUSE_FIRST;
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(accepted) => return accepted,
                Err(error) if is_about_one_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, ?pause, "cannot accept connections; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_LONGEST);
                }
            }
        }
    }

    /// The connections that the kernel has shaken hands with already, which closing their socket would reset. Each socket is
    /// closed when it has no more, or as many as it can have kept for us were taken from it: Linux keeps one above the limit.
    ///
    /// The kernel is asked itself: to tokio nothing is there before its reactor has turned, or once a task's budget is spent.
    pub(crate) fn into_waiting(self) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
        let sockets = self.sockets.into_iter().filter_map(|socket| socket.into_std().ok());
        sockets.flat_map(|socket| iter::from_fn(move || accept_now(&socket)).take(BACKLOG as usize + 1))
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        for _ in 0..self.sockets.len() {
            self.turn = (self.turn + 1) % self.sockets.len();
            if let Poll::Ready(accepted) = self.sockets[self.turn].poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

/// A connection that is already there.
fn accept_now(socket: &net::TcpListener) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = socket.accept().and_then(|(stream, peer)| {
            stream.set_nonblocking(true)?;
            Ok((TcpStream::from_std(stream)?, peer))
        });
        match accepted {
            Ok(accepted) => return Some(accepted),
            Err(error) if is_about_one_client(&error) => {}
            Err(_) => return None,
        }
    }
}

fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
