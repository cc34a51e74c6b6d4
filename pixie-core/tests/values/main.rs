//! Tests of the public API of pixie-core, with published tables of test cases where they exist.
//!
//! All tests are one program, because linking takes longer than running.
#[cfg(feature = "garde")]
mod checked;
mod conditional;
mod cookies;
mod disposition;
mod error;
mod event;
mod multipart;
mod negotiation;
mod pattern_prefix;
mod router;
mod router_consensus;
mod router_pattern;
mod router_random;
#[cfg(feature = "sealed-cookies")]
mod sealed_cookies;
mod support;
mod uploads;
mod urlencoded;
