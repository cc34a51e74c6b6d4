//! How an app is served: its address, its server and what it prints.
use std::time::Duration;

use pixie_server::{Listen, Shutdown};

use crate::app::App;

/// # Serving
impl App {
    /// Sets the host name or address to listen on. `PIXIE_HOST` overrides it. Default: `localhost`.
    pub fn host(mut self, host: impl Into<String>) -> App {
        self.settings.host = host.into();
        self
    }

    /// Sets the port to listen on; 0 lets the system choose. `PIXIE_PORT` overrides it. Default: 8000.
    pub fn port(mut self, port: u16) -> App {
        self.settings.port = port;
        self
    }

    /// Listens on an address: TCP or a Unix socket, with or without TLS. Call it again for each further
    /// address.
    ///
    /// The addresses replace [`host`](App::host) and [`port`](App::port), also those of `PIXIE_HOST` and
    /// `PIXIE_PORT`. Sockets that a service manager passes are used for the addresses that they listen on.
    /// Under `pixie dev` the app listens only where `pixie dev` does. The guide's page
    /// [`https`](crate::guide::https) has examples.
    ///
    /// ```
    /// use pixie_web::{App, Listen};
    ///
    /// let app = App::new()
    ///     .listen(Listen::tcp("127.0.0.1", 8000))
    ///     .listen(Listen::unix("/run/shop/app.sock").mode(0o660).owner(":www-data"));
    /// # let _ = app;
    /// ```
    #[doc(alias("bind", "port", "unix socket"))]
    pub fn listen(mut self, listen: Listen) -> App {
        self.settings.listens.push(listen);
        self
    }

    /// Sets the timeouts and limits of the server: connections and request heads.
    pub fn server(mut self, config: pixie_server::Config) -> App {
        self.settings.server = config;
        self
    }

    /// Sets whether error pages show causes and places. `PIXIE_DEV` overrides it. Default: in debug builds
    /// only.
    pub fn development(mut self, development: bool) -> App {
        self.settings.development = development;
        self
    }

    /// Sets whether addresses, routes and pools are printed at the start. Default: yes.
    pub fn banner(mut self, banner: bool) -> App {
        self.settings.banner = banner;
        self
    }

    /// Sets whether responses are compressed with Brotli, Zstandard or gzip, as the client prefers. Default:
    /// no.
    ///
    /// These responses are not compressed: responses below 860 bytes, content that is already compressed
    /// according to its type or `Content-Encoding`, parts of files, event streams, and responses with
    /// `Cache-Control: no-transform`. Set that header on a page that contains both a secret of the user and
    /// text from other people: the compressed length can reveal the secret (BREACH attack).
    #[doc(alias("gzip", "brotli", "zstd"))]
    #[cfg(feature = "compression")]
    pub fn compress(mut self, compress: bool) -> App {
        self.settings.compress = compress.then_some(crate::files::compress::compress_response);
        self
    }

    /// Sets whether GET responses with a whole body get an `ETag` of their bytes, so that clients which have
    /// the bytes need not load them again. Default: no, because every body must be hashed. See also
    /// `Response::etag` and `Response::with_etag`.
    pub fn etags(mut self, etags: bool) -> App {
        self.settings.etags = etags;
        self
    }

    /// Limits how long a new process may take until it is ready when SIGHUP starts the program anew. Then it
    /// is killed, and the old process continues. Default: 60 s.
    pub fn restart_timeout(mut self, timeout: Duration) -> App {
        self.settings.restart_timeout = timeout;
        self
    }

    /// Returns the handle that stops the app. Handlers of the main process read it as `State<Shutdown>`.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }
}
