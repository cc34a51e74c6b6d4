//! `WebSocket`: an async route takes over its connection and exchanges messages with its client.
//!
//! The extractor checks the handshake, and the response starts one task, which runs the handler and the
//! connection together. Invariant: the task ends with its handler, and soon after its client has left.
mod handshake;
mod link;
mod socket;

use std::{
    any::{TypeId, type_name},
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use http::{StatusCode, Uri};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use pixie_core::{BodyUse, ByteSize, Error, FromRequest, Needs, Request, RequestId, Response, Result, StateMap};
use pixie_server::Shutdown;
use tokio::{io::DuplexStream, time::timeout};

pub use self::socket::{Closed, Message, Receiver, Sender, Socket};
use self::{
    handshake::Handshake,
    link::{Bounds, Link, Wire},
};
pub(crate) use self::{handshake::ask, link::End};
use crate::table::panics;

/// Limits the time that a handler has after its client has left. Enough to save something.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// What the client is told when a handler fails. The cause is in the log.
const FAILED: &str = "the server failed";

/// The argument of an async route that speaks WebSocket (RFC 6455) with its client.
///
/// [`WebSocket::run`] makes the response. Then its function runs as a task, with an open [`Socket`]. The
/// WebSocket ends with the function: `Ok` closes it with the code 1000. An error or a panic closes it with
/// 1011 and is logged; the client is not told the cause.
///
/// ```standalone_crate
/// use pixie_web::{App, Response, WebSocket, get};
///
/// #[get("/echo")]
/// async fn echo(ws: WebSocket) -> Response {
///     ws.run(async |mut socket| {
///         while let Some(message) = socket.next().await {
///             socket.send(message).await?;
///         }
///         Ok(())
///     })
/// }
///
/// let client = App::collect().test()?;
/// let mut socket = client.websocket("/echo");
/// socket.send("hello");
/// assert_eq!(socket.receive_text(), "hello");
/// # Ok::<(), pixie_web::Error>(())
/// ```
///
/// Another request than a WebSocket handshake gets 426, or 400 if the handshake has a mistake. Take
/// `Option<WebSocket>` to answer other requests as well. A page of another site gets 403, as with a forged
/// request: see [`App::trust_origin`](crate::App::trust_origin), and the route option `csrf` to allow all.
#[doc(alias("ws", "upgrade", "socket"))]
pub struct WebSocket {
    handshake: Handshake,
    line: Line,
    protocol: Option<&'static str>,
    bounds: Bounds,
    asked: Asked,
    mistake: Option<Error>,
}

/// What the log says about a WebSocket, and when the server stops.
struct Asked {
    uri: Uri,
    id: Option<RequestId>,
    shutdown: Arc<Shutdown>,
}

/// The connection that becomes the WebSocket after the response.
enum Line {
    Upgrade(OnUpgrade),
    InProcess(InProcess),
}

/// The server's end of a WebSocket of the test client.
#[derive(Clone)]
pub(crate) struct InProcess(pub(crate) Arc<Mutex<Option<DuplexStream>>>);

impl WebSocket {
    /// Sets the protocols that the server speaks, its favorite first. The first one that the client offers is
    /// chosen; [`WebSocket::protocol`] returns it. Without a common one, the WebSocket opens without a
    /// protocol.
    pub fn protocols(mut self, protocols: impl IntoIterator<Item = &'static str>) -> WebSocket {
        let protocols: Vec<_> = protocols.into_iter().collect();
        self.protocol = self.handshake.choose(&protocols);
        self
    }

    /// Returns the subprotocol that was chosen.
    pub fn protocol(&self) -> Option<&'static str> {
        self.protocol
    }

    /// Sets the longest message that the client may send, as one frame or in several: a number of bytes, or
    /// text such as `"64KB"`. A longer one closes the WebSocket with 1009 before it is in memory. Default: 1
    /// MiB, far above a chat or JSON message, and a thousand of them fit into memory.
    #[track_caller]
    pub fn message_limit(mut self, limit: impl Into<ByteSize>) -> WebSocket {
        match limit.into().bytes() {
            Ok(bytes) => self.bounds.message_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX),
            Err(why) => self.mistake = Some(Error::internal(format!("`message_limit`: {why}"))),
        }
        self
    }

    /// Sets the time without a byte from the client after which the WebSocket ends. After half of it, the
    /// server sends a ping, which every browser answers. It does not count while the handler leaves a message
    /// unread. Zero means no limit and no pings. Default: 60 s, because proxies close a connection that is
    /// silent for as long.
    pub fn idle_timeout(mut self, silence: Duration) -> WebSocket {
        self.bounds.idle_timeout = silence;
        self
    }

    /// Sets the time in which the client must have taken a message that was sent. After it the WebSocket
    /// ends, so that a slow reader holds neither memory nor the handler. Default: 30 s.
    pub fn write_timeout(mut self, patience: Duration) -> WebSocket {
        self.bounds.write_timeout = patience;
        self
    }

    /// Returns the response that opens the WebSocket, after which `handler` runs with it.
    ///
    /// The handler and the connection share a task, so code that blocks belongs in `spawn_blocking`. When the
    /// client has left, `next` returns `None` and `send` fails; the handler then has 10 s before it is
    /// dropped. When the server stops, the client gets 1012 at once, and the handler has the [grace
    /// period](crate::ServerConfig::shutdown_grace).
    pub fn run<F>(self, handler: impl FnOnce(Socket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let WebSocket { handshake, line, protocol, bounds, asked, mistake } = self;
        if let Some(mistake) = mistake {
            return mistake.into();
        }
        tokio::spawn(async move {
            // It fails if a hook has replaced the response, or the client has left.
            let Some(wire) = line.open().await else { return };
            let shutdown = asked.shutdown.clone();
            let stop = Box::pin(async move { shutdown.wait().await });
            let (link, socket) = Link::new(End::Server, wire, bounds, stop, protocol);
            serve(link, async move { handler(socket).await }, &asked).await;
        });
        handshake.response(protocol)
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WebSocket { handshake, protocol, bounds, .. } = self;
        let mut shown = f.debug_struct("WebSocket");
        shown.field("handshake", handshake).field("protocol", protocol).field("bounds", bounds).finish_non_exhaustive()
    }
}

impl FromRequest for WebSocket {
    const BODY: BodyUse = BodyUse::Connection;

    fn needs(needs: &mut Needs) {
        // Its state has the handle that stops the server.
        needs.state(TypeId::of::<Shutdown>(), type_name::<Shutdown>());
    }

    fn from_request(request: &mut Request) -> Result<WebSocket, Error> {
        let handshake = Handshake::of(request)?;
        let unable = || {
            let detail = "the server below the app cannot switch protocols: serve it with `App::run`, or with upgrades";
            Error::internal(detail).with_status(StatusCode::NOT_IMPLEMENTED).with_place(None)
        };
        let extensions = request.extensions_mut();
        let upgrade = extensions.remove().map(Line::Upgrade);
        let line = upgrade.or_else(|| extensions.remove().map(Line::InProcess)).ok_or_else(unable)?;
        let state = request.state();
        let shutdown = state.and_then(StateMap::get).unwrap_or_default();
        let asked = Asked { uri: request.uri().clone(), id: request.id().cloned(), shutdown };
        let bounds = Bounds::default();
        Ok(WebSocket { handshake, line, protocol: None, bounds, asked, mistake: None })
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            message_bytes_max: 1024 * 1024,
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
        }
    }
}

impl Line {
    async fn open(self) -> Option<Box<dyn Wire>> {
        match self {
            Line::Upgrade(upgrade) => Some(Box::new(TokioIo::new(upgrade.await.ok()?))),
            Line::InProcess(InProcess(wire)) => {
                let wire = wire.lock().unwrap_or_else(PoisonError::into_inner).take()?;
                Some(Box::new(wire))
            }
        }
    }
}

/// Runs a handler and its connection until both have ended.
async fn serve(mut link: Link, handler: impl Future<Output = Result<()>> + Send + 'static, asked: &Asked) {
    let mut handler = pin!(panics::caught_async(Box::pin(handler), Err));
    let mut is_open = true;
    let both = poll_fn(|cx| match handler.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => link.poll_ended(cx).map(|()| None),
    });
    let result = match both.await {
        Some(result) => result,
        None => {
            is_open = false;
            // The link keeps the connection's place meanwhile, so that a stop waits for the handler.
            timeout(LEAVE_TIMEOUT, handler).await.unwrap_or_else(|_| {
                Err(Error::internal(format!("the handler still ran {LEAVE_TIMEOUT:?} after the WebSocket had ended")))
            })
        }
    };
    report(&result, link.closed(), asked);
    if is_open {
        let (code, reason) = if result.is_ok() { (1000, "") } else { (1011, FAILED) };
        link.finish(Closed::new(code, reason));
        poll_fn(|cx| link.poll_ended(cx)).await;
    }
    link.discard_rest().await;
}

/// Logs the error of a handler, unless it is that the WebSocket has ended: `?` on a failed `send`.
fn report(result: &Result<()>, closed: Option<&Closed>, asked: &Asked) {
    let Err(error) = result else { return };
    let (path, request) = (asked.uri.path(), asked.id.as_deref());
    let is_its_end = closed.is_some_and(|closed| error.chain().contains(&closed.to_string()));
    match is_its_end {
        true => tracing::debug!(path, request, "a handler ended with its WebSocket: {error}"),
        false => tracing::error!(path, request, place = error.place(), "the handler of a WebSocket failed: {error}"),
    }
}

/// Returns the client's end of a WebSocket on a connection, and the future that runs it.
pub(crate) fn client(wire: DuplexStream) -> (Socket, impl Future<Output = ()> + Send) {
    let bounds = Bounds { message_bytes_max: usize::MAX, idle_timeout: Duration::ZERO, ..Bounds::default() };
    let (mut link, socket) = Link::new(End::Client, Box::new(wire), bounds, Box::pin(std::future::pending()), None);
    (socket, async move { poll_fn(|cx| link.poll_ended(cx)).await })
}

#[cfg(test)]
mod tests;
