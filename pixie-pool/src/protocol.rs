//! The protocol between a pool and its workers, without a socket: bytes in, events out.
//!
//! `frame`, `encode` and `decode` own the shapes of frames; `parent` and `worker` own which frame each side
//! may send when. Invariant: this module has no I/O, and does not panic on any bytes from a peer.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod frame;
pub(crate) mod parent;
pub(crate) mod worker;

#[cfg(test)]
mod tests;
