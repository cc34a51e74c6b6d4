//! Stands in for `http3.rs` without the feature `http3`.

use std::sync::Arc;

use crate::{Config, Error, opening::Common, udp::Udp};

pub(crate) struct Http3;

impl Http3 {
    pub(crate) fn serve<M>(_: Vec<Udp>, _: &Config, _: &Common, _: &Arc<M>) -> Result<Http3, Error> {
        Ok(Http3)
    }

    pub(crate) fn close(&self) {}

    pub(crate) async fn end(self) {}
}
