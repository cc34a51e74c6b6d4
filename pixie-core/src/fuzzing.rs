//! Fuzz targets for all code that reads bytes from clients: functions of bytes that assert what must be true
//! for all bytes.
//!
//! Compiled for tests and under `cargo fuzz` only. The targets in `tests/fuzz` call these functions, and the
//! inputs that they have found are kept there and replayed by every `cargo test`. Invariant: the same bytes
//! have the same effect in both.

mod fields;
mod form;
mod path;

pub use self::{fields::request_fields, form::multipart, path::route_path};

#[cfg(test)]
mod tests;
