//! How an app is served: its address, its server and what it prints.
use pixie_server::Shutdown;

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

    /// Returns the handle that stops the app. Handlers of the main process read it as `State<Shutdown>`.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }
}
