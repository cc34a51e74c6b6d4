//! Requests and responses, their bodies, and the parts of their heads. A request never reads from a socket.

pub(crate) mod body;
pub(crate) mod body_reader;
pub(crate) mod cookies;
pub(crate) mod params;
pub(crate) mod plumbing;
pub(crate) mod request;
pub(crate) mod request_id;
pub(crate) mod response;
pub(crate) mod state_map;
