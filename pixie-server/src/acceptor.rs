//! Accepts connections from all sockets of a `Listener`, on one runtime.
//!
//! An error never ends the acceptor. An error of one client is skipped. If the system has too few resources
//! (such as file descriptors), the acceptor pauses until connections close. At a shutdown it returns the
//! connections that wait in the kernel, and closes the sockets.

use std::{
    future::poll_fn,
    io, iter, net,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};

use crate::{
    Error, Listener,
    listener::{BACKLOG, unusable},
};

/// First pause after the system failed to accept (too many open files). Each further pause is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// Limits the pause, because a person who waits for a page accepts about this delay.
const PAUSE_LONGEST: Duration = Duration::from_secs(1);

pub(crate) struct Acceptor {
    sockets: Vec<TcpListener>,
    /// The socket that was polled first the last time. It changes each time, so that all sockets get their
    /// turn.
    turn: usize,
}

impl Acceptor {
    pub(crate) fn new(listener: Listener) -> Result<Acceptor, Error> {
        let sockets: io::Result<_> = listener.into_sockets().into_iter().map(TcpListener::from_std).collect();
        Ok(Acceptor { sockets: sockets.map_err(unusable)?, turn: 0 })
    }

    pub(crate) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let mut pause = PAUSE_FIRST;
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(accepted) => return accepted,
                Err(error) if is_about_one_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, ?pause, "cannot accept connections; trying again after a pause");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_LONGEST);
                }
            }
        }
    }

    /// Returns the connections that wait in the kernel's queues; closing a listening socket would reset them.
    ///
    /// Each socket is closed when its queue is empty or has given `BACKLOG + 1` connections (Linux keeps one
    /// above the limit). This asks the kernel directly, because tokio reports a waiting connection only after
    /// its reactor has run, and reports nothing after a task has used up its budget.
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

/// Returns a connection that waits in the kernel's queue.
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
