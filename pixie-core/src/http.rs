//! Requests and responses, their bodies, and the parts of their heads. A request never reads from a socket.

pub(crate) mod body;
pub(crate) mod body_reader;
pub(crate) mod cookies;
pub(crate) mod origin;
pub(crate) mod params;
pub(crate) mod plumbing;
pub(crate) mod request;
pub(crate) mod request_id;
pub(crate) mod response;
pub(crate) mod trace_context;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// Returns the set of all characters except letters, digits and these.
pub(crate) const fn encoded_except(plain: &[u8]) -> AsciiSet {
    let mut encoded = NON_ALPHANUMERIC.remove(plain[0]);
    let mut at = 1;
    while at < plain.len() {
        encoded = encoded.remove(plain[at]);
        at += 1;
    }
    encoded
}
