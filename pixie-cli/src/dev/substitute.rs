//! Answers while there is no program: a small 503 page that shows the reason and reloads itself.
//!
//! It shares the listening sockets with the programs and accepts connections only while it is on. So
//! connections are never refused and never left waiting.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{ServerConfig, ServerConnection};

use crate::dev::progress::Progress;

/// How often the thread checks whether it was switched off.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Limits how long a client may take to send its request or to read the response.
const PATIENCE: Duration = Duration::from_secs(2);
/// Limits the open connections, because each has a thread; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 32;
/// Limits how much of a request is read, in bytes. Only its method matters.
const HEAD_BYTES_MAX: usize = 16 * 1024;

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:12vh auto;\
    max-width:64rem;padding:0 1.5rem}progress{width:100%;max-width:32rem;accent-color:#5b3fd6}\
    .note{color:light-dark(#5a6577,#9ba6b6)}pre{font:14px/1.5 ui-monospace,monospace;white-space:pre-wrap;\
    overflow-wrap:anywhere;padding:1rem;border-left:4px solid #c2342b;background:#8881}";

/// Why there is no program.
pub(crate) enum Notice<'t> {
    /// The first build is under way.
    Building(Option<Progress>),
    /// A build or a start has failed. Terminal colors in the text are removed.
    Failed { title: &'t str, text: &'t str },
}

/// The substitute for the program.
#[derive(Clone)]
pub(crate) struct Substitute(Arc<Shared>);

struct Shared {
    page: Mutex<Option<Arc<str>>>,
    switched: Condvar,
    connections: AtomicUsize,
    /// What HTTPS needs, if the program serves HTTPS.
    tls: Option<Arc<ServerConfig>>,
}

impl Substitute {
    /// Starts the thread, switched off.
    pub(crate) fn start(sockets: Vec<TcpListener>, tls: Option<Arc<ServerConfig>>) -> Substitute {
        let connections = AtomicUsize::new(0);
        let shared = Shared { page: Mutex::default(), switched: Condvar::new(), connections, tls };
        let substitute = Substitute(Arc::new(shared));
        let server = substitute.clone();
        thread::spawn(move || server.serve(&sockets));
        substitute
    }

    /// Answers from now on with the page of this notice.
    pub(crate) fn answer(&self, notice: &Notice<'_>) {
        *self.lock() = Some(page(notice).into());
        self.0.switched.notify_one();
    }

    /// Stops answering, so that a program can use the sockets.
    pub(crate) fn rest(&self) {
        *self.lock() = None;
    }

    fn serve(&self, sockets: &[TcpListener]) {
        loop {
            let page = self.0.switched.wait_while(self.lock(), |page| page.is_none());
            drop(page);
            let mut waiting: Vec<_> = sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
            if poll(&mut waiting, Some(&PAUSE)).is_err() {
                continue;
            }
            // The lock is held while accepting, so that no connection is accepted after `rest` has returned.
            let page = self.lock();
            let Some(page) = page.as_ref() else { continue };
            for socket in sockets {
                self.accept(socket, page);
            }
        }
    }

    fn accept(&self, socket: &TcpListener, page: &Arc<str>) {
        while self.0.connections.load(Relaxed) < CONNECTIONS_MAX
            && let Ok((stream, _)) = socket.accept()
        {
            let (page, shared) = (page.clone(), self.0.clone());
            shared.connections.fetch_add(1, Relaxed);
            thread::spawn(move || {
                // It fails if the client disconnects early.
                let _ = exchange(stream, shared.tls.clone(), &page);
                shared.connections.fetch_sub(1, Relaxed);
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.0.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn exchange(mut stream: TcpStream, tls: Option<Arc<ServerConfig>>, page: &str) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match tls {
        None => answer(&mut stream, page)?,
        Some(tls) => {
            let mut session = ServerConnection::new(tls).map_err(io::Error::other)?;
            let mut secured = rustls::Stream::new(&mut session, &mut stream);
            answer(&mut secured, page)?;
            secured.conn.send_close_notify();
            secured.flush()?;
        }
    }
    stream.shutdown(Shutdown::Write)?;
    // Closing with unread bytes would reset the connection, and the client would lose the response.
    let (mut read, mut buffer) = (0, [0; 2048]);
    while read < 1024 * 1024 {
        match stream.read(&mut buffer)? {
            0 => break,
            count => read += count,
        }
    }
    Ok(())
}

fn answer(stream: &mut (impl Read + Write), page: &str) -> io::Result<()> {
    let (mut head, mut buffer) = (Vec::new(), [0; 2048]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => head.extend_from_slice(&buffer[..count]),
        }
    }
    write!(
        stream,
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nretry-after: 1\r\nconnection: close\r\n\r\n{}",
        page.len(),
        if head.starts_with(b"HEAD ") { "" } else { page },
    )
}

fn page(notice: &Notice<'_>) -> String {
    let (title, text) = match notice {
        Notice::Building(None) => ("Building…", "<progress></progress>".to_owned()),
        Notice::Building(Some(progress)) => {
            let Progress { done, total } = progress;
            ("Building…", format!("<progress value={done} max={total}></progress><p>{progress}"))
        }
        Notice::Failed { title, text } => {
            let text = escaped(anstream::adapter::strip_str(text).to_string().trim_end());
            (*title, if text.is_empty() { text } else { format!("<pre>{text}</pre>") })
        }
    };
    let title = escaped(title);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta http-equiv=refresh content=1><link rel=icon href=\"data:,\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1>{text}<p class=note>This page reloads itself.</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
