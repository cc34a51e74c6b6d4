//! Accepts connections from all sockets of a `Listener`, on one runtime.
//!
//! No error ends it: what happened to one client is skipped, and when the system has run out of something it waits a
//! little for connections to close.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};

use crate::{Error, Listener};

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

    /// A connection that is already there.
    pub(crate) async fn accept_waiting(&mut self) -> Option<(TcpStream, SocketAddr)> {
        poll_fn(|cx| match self.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(accepted.ok()),
            Poll::Pending => Poll::Ready(None),
        })
        .await
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

fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
