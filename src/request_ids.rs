//! Request ids: taken from the client or made here, so that what the log says of a request can be found again.
//!
//! What an id may look like is in `pixie-core`. Made for pool and stream routes, whose failures are told by another part of the
//! program than their requests, and where a handler or the app asks for it: the others are so quick that an id would cost them
//! a visible part.
use std::{
    hash::{BuildHasher as _, RandomState},
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use pixie_core::{Request, RequestId};

use crate::app::App;

/// Makes ids: a number that differs between processes and one that counts.
pub(crate) struct RequestIds {
    process: u32,
    requests: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> RequestIds {
        // The standard library's hashers start from a random number.
        RequestIds { process: RandomState::new().hash_one(0) as u32, requests: AtomicU64::new(1) }
    }

    /// Gives a request its id.
    pub(crate) fn identify(&self, request: &mut Request) {
        let id = RequestId::from_headers(request.headers()).or_else(|| self.next());
        request.plumbing_mut().id = id;
    }

    fn next(&self) -> Option<RequestId> {
        // Eight and sixteen digits at most and a dash, on the stack: the id itself is the only allocation.
        let mut text = [0; 25];
        let mut left = &mut text[..];
        write!(left, "{:08x}-{:x}", self.process, self.requests.fetch_add(1, Ordering::Relaxed)).ok()?;
        let length = 25 - left.len();
        RequestId::new(str::from_utf8(&text[..length]).ok()?)
    }
}

impl App {
    /// Says whether every request has an id, not only those of pool and stream routes and of handlers that read
    /// [`RequestId`]. Default: no.
    ///
    /// It is the client's or the proxy's `X-Request-Id` if that is well-formed, otherwise a new one. The answer carries it, and
    /// so do the lines of the log about the request and about a worker that died of it.
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
