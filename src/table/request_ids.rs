//! Request ids: taken from the client or made here, so that log lines of a request can be found.
//!
//! `pixie-core` decides which ids are valid. Pool and stream routes always have an id, because their failures
//! and their requests are logged in different places. Other requests have an id if a handler or the app asks
//! for it: they are so fast that making an id would be noticeable.
use std::{
    hash::{BuildHasher as _, RandomState},
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use pixie_core::{Request, RequestId};

use crate::app::App;

/// Makes ids from a random number of this process and a counter.
pub(crate) struct RequestIds {
    process: u32,
    requests: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> RequestIds {
        // The hashers of the standard library start from a random number.
        RequestIds { process: RandomState::new().hash_one(0) as u32, requests: AtomicU64::new(1) }
    }

    /// Sets the id of a request.
    pub(crate) fn identify(&self, request: &mut Request) {
        let id = RequestId::from_headers(request.headers()).or_else(|| self.next());
        request.plumbing_mut().id = id;
    }

    fn next(&self) -> Option<RequestId> {
        // At most eight and sixteen digits and a dash, on the stack. The id itself is the only allocation.
        let mut text = [0; 25];
        let mut left = &mut text[..];
        write!(left, "{:08x}-{:x}", self.process, self.requests.fetch_add(1, Ordering::Relaxed)).ok()?;
        let length = 25 - left.len();
        RequestId::new(str::from_utf8(&text[..length]).ok()?)
    }
}

impl App {
    /// Sets whether every request has an id. By default, requests of pool and stream routes and of handlers
    /// that take a [`RequestId`] have one.
    ///
    /// The id is the `X-Request-Id` from the client or proxy if that is valid, otherwise a new one. The
    /// response has it in the same header. So do the log lines about the request, and about a worker that
    /// crashed while it ran the request.
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, RequestId, get};
    ///
    /// #[get("/", pool)]
    /// fn index(id: RequestId) -> String {
    ///     format!("this is {id}")
    /// }
    ///
    /// let client = App::collect().request_ids(true).test()?;
    /// client.get("/").header("x-request-id", "7b1f-2").send().assert_text("this is 7b1f-2");
    /// client.get("/missing").header("x-request-id", "7b1f-3").send().assert_header("x-request-id", "7b1f-3");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn request_ids(mut self, all: bool) -> App {
        self.settings.request_ids = all;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_gets_an_id_of_its_own() {
        let (one, other) = (RequestIds::new(), RequestIds::new());
        let ids = [one.next(), one.next(), other.next()].map(|id| id.expect("an id is well-formed"));
        assert!(ids[0] != ids[1] && ids[0].ends_with("-1") && ids[1].ends_with("-2"), "{ids:?}");
        assert_eq!(ids[2].len(), "01234567-1".len());
    }
}
