//! TLS: certificates from files, the handshake, and new certificates without a restart (feature `tls`).
//!
//! rustls does the work, with a provider of cryptography that is named here and not looked up. Invariant: a
//! listener always has a complete set of certificates; files that cannot be used are ignored.

mod files;
mod session;

use std::{
    fmt,
    future::poll_fn,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustls::{ServerConfig, crypto::CryptoProvider, server::ProducesTickets};
use tokio::{io::ReadBuf, task::spawn_blocking, time::sleep};
use tokio_rustls::TlsAcceptor;

use crate::{
    Error, Listen, Listener, TlsSession,
    closing::{discard_rest, send_last},
    listen::{BoxFuture, Failed, Secure},
    race::race,
    refusal::Refusal,
    stream::Stream,
    tls::{
        files::{Contents, Paths},
        session::{Session, explain},
    },
};

/// Time between two looks at the files of certificates. certbot renews a month before the end, so a few
/// seconds more do not matter; reading small files a few times a minute is cheap.
const CHECK: Duration = Duration::from_secs(10);

/// Limits how long the rest of a plain HTTP request is read, so that the client can read the answer.
const PLAIN_TIMEOUT: Duration = Duration::from_millis(250);

/// The certificates of a listener: TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2.
///
/// The files are read again when their content changes, a few times a minute. New connections then get the
/// new certificate, existing ones continue. A certificate is used only when its files have not changed
/// between two looks and fit together, so half-written files do no harm: the old certificate stays, and the
/// log says why.
///
/// ```no_run
/// use pixie_server::{Listen, Listener, Tls};
///
/// let tls = Tls::files("cert.pem", "key.pem").and_files("other.pem", "other-key.pem");
/// let listener = Listener::open([Listen::tcp("0.0.0.0", 443).tls(tls)])?;
/// # Ok::<(), pixie_server::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tls {
    paths: Paths,
    check: Duration,
}

impl Tls {
    /// Uses a certificate and its key from PEM files. The certificate comes first in its file, then those
    /// that lead to a root (certbot's `fullchain.pem`). The key is PKCS #8, SEC 1 or PKCS #1 and not
    /// encrypted.
    pub fn files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Tls {
        let pairs = vec![(certificate.into(), key.into())];
        Tls { paths: Paths { pairs, authorities: None, is_client_optional: false }, check: CHECK }
    }

    /// Adds a certificate for other names. A client gets the first certificate that is valid for the name
    /// that it asks for (SNI, RFC 6066, section 3) and whose key it understands; without one, the first of
    /// all.
    pub fn and_files(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Tls {
        self.paths.pairs.push((certificate.into(), key.into()));
        self
    }

    /// Demands a certificate of each client, issued by one of the authorities in this PEM file. The handshake
    /// of other clients fails. [`Connection::tls`](crate::Connection::tls) has the certificate.
    pub fn client_certificates(mut self, authorities: impl Into<PathBuf>) -> Tls {
        self.paths.authorities = Some(authorities.into());
        self
    }

    /// As [`client_certificates`](Tls::client_certificates), but also serves clients without a certificate.
    /// The handshake of a client with an invalid one fails.
    pub fn optional_client_certificates(mut self, authorities: impl Into<PathBuf>) -> Tls {
        self.paths.is_client_optional = true;
        self.client_certificates(authorities)
    }

    /// Sets the time between two looks at the files. A change takes effect at the second look that finds it.
    /// Default: 10 s.
    pub fn check_every(mut self, time: Duration) -> Tls {
        self.check = time;
        self
    }
}

impl Listener {
    /// Speaks TLS on all sockets.
    ///
    /// # Errors
    ///
    /// Fails if a certificate cannot be read; the message contains the fix.
    pub fn tls(mut self, tls: Tls) -> Result<Listener, Error> {
        let entry = Listen::tcp("", 0).tls(tls).entry;
        entry.tls.iter().try_for_each(|tls| tls.load())?;
        let entry = Arc::new(entry);
        self.ports.iter_mut().for_each(|port| port.entry = entry.clone());
        Ok(self)
    }
}

impl Listen {
    /// Speaks TLS on this address. A client that sends plain HTTP there gets a 400 that says so.
    pub fn tls(mut self, tls: Tls) -> Listen {
        self.entry.tls = Some(Arc::new(Certificates { tls, state: Mutex::default() }));
        self
    }
}

/// The certificates of one listener.
struct Certificates {
    tls: Tls,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What handshakes use now. `None` until the listener is opened.
    config: Option<Arc<ServerConfig>>,
    loaded: Contents,
    /// What the last look has found, when, and whether it was tried.
    seen: Option<(Contents, Instant, bool)>,
}

impl Certificates {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the files, and uses what the last look has found too.
    fn check(&self) {
        let found = self.tls.paths.read();
        let state = &mut *self.state();
        if found == state.loaded {
            state.seen = None;
            return;
        }
        match &mut state.seen {
            Some((seen, since, is_tried)) if *seen == found => {
                // Several runtimes may look at the same files.
                if *is_tried || since.elapsed() < self.tls.check / 2 {
                    return;
                }
                *is_tried = true;
            }
            seen => {
                *seen = Some((found, Instant::now(), false));
                return;
            }
        }
        match self.tls.paths.config(&found) {
            Ok(config) => {
                (state.config, state.loaded, state.seen) = (Some(Arc::new(config)), found, None);
                tracing::info!("new connections get the changed certificate of {}", self.tls.paths);
            }
            Err(error) => tracing::warn!("kept the old certificate: {error}"),
        }
    }
}

impl Secure for Certificates {
    fn load(&self) -> Result<(), Error> {
        let found = self.tls.paths.read();
        let config = self.tls.paths.config(&found).map_err(Error::Refused)?;
        let state = &mut *self.state();
        (state.config, state.loaded) = (Some(Arc::new(config)), found);
        Ok(())
    }

    fn handshake(&self, mut stream: Stream) -> BoxFuture<'_, Result<(Stream, TlsSession), Failed>> {
        Box::pin(async move {
            // Memory is allocated at the first byte.
            let mut first = [0];
            if poll_fn(|cx| stream.poll_peek(cx, &mut ReadBuf::new(&mut first))).await? == 0 {
                return Err(Failed::Left);
            }
            if first[0].is_ascii_uppercase() {
                send_last(&mut stream, Refusal::PLAIN.message().as_bytes());
                race(discard_rest(&mut stream), sleep(PLAIN_TIMEOUT)).await;
                return Err(Failed::Wrong("it sent plain HTTP to a port for HTTPS".to_owned()));
            }
            let config = self.state().config.clone().ok_or(Failed::Left)?;
            let accepted = TlsAcceptor::from(config).accept(stream).await.map_err(explain)?;
            let session = session::describe(&accepted);
            Ok((Stream::Other(Box::new(Session::new(accepted))), session))
        })
    }

    #[cfg(feature = "http3")]
    fn quic(&self) -> Option<Arc<ServerConfig>> {
        self.state().config.clone()
    }

    fn watch(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                sleep(self.tls.check).await;
                let certificates = self.clone();
                // It fails only if the runtime stops.
                let _ = spawn_blocking(move || certificates.check()).await;
            }
        })
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tls.fmt(f)
    }
}

/// The cryptography. aws-lc-rs is the default, because it has a key exchange that quantum computers do not
/// break.
#[cfg(feature = "tls")]
use rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "tls"))]
use rustls::crypto::ring as cryptography;

fn provider() -> CryptoProvider {
    cryptography::default_provider()
}

/// Returns what encrypts the tickets with which clients resume sessions.
fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    cryptography::Ticketer::new()
}
