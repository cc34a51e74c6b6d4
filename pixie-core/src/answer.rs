//! How the value of a handler becomes a response, and what the client gets of it: conditions, ranges,
//! negotiation.

pub(crate) mod conditional;
mod disposition;
pub(crate) mod error_page;
pub(crate) mod etag;
pub(crate) mod event;
pub(crate) mod into_response;
pub(crate) mod negotiate;
pub(crate) mod range;
pub(crate) mod streamed;
pub(crate) mod writer;
