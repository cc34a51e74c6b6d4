//! What a pool and its workers say to each other, without any socket.
//!
//! Bytes in, events out: `frame`, `encode` and `decode` know the shapes, `parent` and `worker` know what each side may say when.
//! Rule: nothing here reads a clock, a socket or the environment, and nothing a peer sends can panic.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod frame;
pub(crate) mod parent;
mod sandbox;
pub(crate) mod worker;

#[cfg(test)]
mod tests;
