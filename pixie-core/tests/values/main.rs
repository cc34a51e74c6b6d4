//! Tests of pixie-core as its users see it: values in, values out, against published tables where there are some.
//!
//! One program for all of them, because linking costs more than running.
#[cfg(feature = "garde")]
mod checked;
mod conditional;
mod cookies;
mod disposition;
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
