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
