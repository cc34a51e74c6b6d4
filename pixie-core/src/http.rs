//! What comes in and what goes out: requests, responses, their bodies and the parts of their heads.

pub(crate) mod body;
pub(crate) mod body_reader;
pub(crate) mod cookies;
pub(crate) mod params;
#[doc(hidden)]
pub mod plumbing;
pub(crate) mod request;
pub(crate) mod request_id;
pub(crate) mod response;
pub(crate) mod state_map;
