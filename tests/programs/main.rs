//! Tests with real programs: the examples, started on a free port and asked over sockets, with real workers.
//!
//! One program for all of them, because each test program links the whole framework.
#[cfg(all(feature = "template", feature = "garde"))]
mod browser;
mod examples;
mod failures;
mod faults;
#[cfg(all(feature = "template", feature = "garde"))]
mod pages;
mod pools;
mod run;
#[cfg(unix)]
mod service_manager;
mod streaming;
mod support;
#[cfg(feature = "template")]
mod thumbnails;
