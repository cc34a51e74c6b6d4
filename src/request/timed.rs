//! The header `Server-Timing`, with which browsers show where the time of a request went (development only).
//!
//! This is the outermost layer, so an app without it does not read the clock.
use http::{HeaderName, HeaderValue};
use pixie_core::Layered;

use crate::{request::service::LayerFn, table::timing};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Returns the layer that adds the header.
pub(crate) fn outermost() -> LayerFn {
    Box::new(|inner| {
        Layered::new(move |request| {
            let inner = inner.clone();
            Box::pin(async move {
                let (mut response, timing) = timing::measured(async { inner.answer(request).await }).await;
                if let Ok(value) = HeaderValue::try_from(timing) {
                    response.headers_mut().append(SERVER_TIMING, value);
                }
                response
            })
        })
    })
}
