//! `AltSvc`: tells the clients of a TCP port about HTTP/3 on the same port (RFC 7838).

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use http::HeaderValue;

/// The header of an address, while HTTP/3 is served there.
#[derive(Debug, Default)]
pub(crate) struct AltSvc {
    header: OnceLock<HeaderValue>,
    endpoints: AtomicUsize,
}

impl AltSvc {
    /// Returns the header, if HTTP/3 is served now.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        (self.endpoints.load(Relaxed) > 0).then(|| self.header.get().cloned()).flatten()
    }
}

#[cfg(feature = "http3")]
impl AltSvc {
    /// Announces a port, until the value that this returns is dropped.
    pub(crate) fn announce(&self, port: u16) -> impl Drop {
        // Clients remember it for a day, the default of RFC 7838.
        let header = format!("h3=\":{port}\"; ma=86400");
        self.header.get_or_init(|| HeaderValue::try_from(header).expect("it is visible ASCII"));
        self.endpoints.fetch_add(1, Relaxed);
        Announced(self)
    }
}

#[cfg(feature = "http3")]
struct Announced<'a>(&'a AltSvc);

#[cfg(feature = "http3")]
impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.endpoints.fetch_sub(1, Relaxed);
    }
}
