//! Stands in for `http2.rs` without the feature `http2`.

use std::sync::Arc;

use crate::{Config, HttpService, exchange::Exchange, socket::Socket, watch::Watch};

/// The first bytes of a connection of HTTP/2. Without the feature, every connection is HTTP/1.1.
pub(crate) const PREFACE_START: Option<[u8; 4]> = None;

#[derive(Debug)]
pub(crate) struct Http2Server;

impl Http2Server {
    pub(crate) fn new(_: &Config) -> Http2Server {
        Http2Server
    }

    pub(crate) async fn serve<S: HttpService>(&self, _: Socket, _: Exchange<S>, _: Arc<Watch>) {}
}
