//! What the pixie web framework reads from text, once for the attributes, the builders and the environment.
//!
//! [`ByteSize`] and [`parse_duration`] read the values of options. The crate has no dependencies, so that attribute macros
//! and the worker pool can use it as well. Use its types through `pixie-web` or `pixie-pool`.
#![forbid(unsafe_code)]

mod byte_size;
mod duration;

pub use byte_size::ByteSize;
pub use duration::parse_duration;
