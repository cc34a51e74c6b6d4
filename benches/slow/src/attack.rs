//! The slow clients. They come from 127.0.0.2, so that a server can tell them from the others.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    runtime::Runtime,
    time::sleep,
};

/// Pause between two bytes, two reads, or two connections of a slow client.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes that a slow reader reads at once.
const READ_BYTES: usize = 1024;

/// A kind of slow client, the usual number of them, and what the others ask for meanwhile.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) count: usize,
    pub(crate) target: &'static str,
    pub(crate) about: &'static str,
    behavior: Behavior,
}

#[derive(Clone, Copy)]
enum Behavior {
    /// Sends these bytes and then nothing.
    Stalls(&'static str),
    /// Sends these bytes, and then one more byte after each pause.
    Drips(&'static str),
    Reads,
    Asks,
}

const BODY: &str = "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";

pub(crate) const KINDS: [Kind; 6] = [
    kind("silent", 10_000, "/", "connections without a byte", Behavior::Stalls("")),
    kind("byte", 10_000, "/", "connections with one byte", Behavior::Stalls("G")),
    kind("heads", 200, "/", "heads, a byte per second", Behavior::Drips("GET / HTTP/1.1\r\nHost: x\r\nX: ")),
    kind("bodies", 200, "/work", "bodies, a byte per second", Behavior::Drips(BODY)),
    kind("readers", 200, "/work", "readers of a stream of 8 MiB, 1 KiB per second", Behavior::Reads),
    kind("greedy", 200, "/work", "connections that ask for /work all the time", Behavior::Asks),
];

const fn kind(name: &'static str, count: usize, target: &'static str, about: &'static str, behavior: Behavior) -> Kind {
    Kind { name, count, target, about, behavior }
}

/// A running attack. It ends when this value is dropped.
pub(crate) struct Attack {
    _runtime: Runtime,
    open: Arc<AtomicUsize>,
}

impl Attack {
    /// Starts the clients and returns when most of them are connected, or after a few seconds.
    pub(crate) fn start(kind: &Kind, count: usize, address: SocketAddr) -> io::Result<Attack> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let open = Arc::new(AtomicUsize::new(0));
        for _ in 0..count {
            let (open, behavior) = (open.clone(), kind.behavior);
            runtime.spawn(async move {
                loop {
                    if let Ok(stream) = connect(address).await {
                        open.fetch_add(1, Relaxed);
                        // An error means that the server has closed the connection; the client comes back.
                        let _ = behave(behavior, stream).await;
                        open.fetch_sub(1, Relaxed);
                    }
                    sleep(PAUSE).await;
                }
            });
        }
        for _ in 0..50 {
            if open.load(Relaxed) >= count * 9 / 10 {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Attack { _runtime: runtime, open })
    }

    /// Returns how many of its connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0)))?;
    socket.connect(address).await
}

async fn behave(behavior: Behavior, mut stream: TcpStream) -> io::Result<()> {
    let mut piece = [0; READ_BYTES];
    match behavior {
        Behavior::Stalls(bytes) => {
            stream.write_all(bytes.as_bytes()).await?;
            while stream.read(&mut piece).await? > 0 {}
        }
        Behavior::Drips(bytes) => {
            stream.write_all(bytes.as_bytes()).await?;
            loop {
                sleep(PAUSE).await;
                stream.write_all(b"y").await?;
            }
        }
        Behavior::Reads => {
            stream.write_all(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await?;
            while stream.read(&mut piece).await? > 0 {
                sleep(PAUSE).await;
            }
        }
        Behavior::Asks => loop {
            stream.write_all(b"GET /work HTTP/1.1\r\nHost: x\r\n\r\n").await?;
            // The response fits into one piece.
            if stream.read(&mut piece).await? == 0 {
                break;
            }
        },
    }
    Ok(())
}
