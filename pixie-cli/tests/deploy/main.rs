//! `pixie deploy` and `pixie top`: what they write, and what HAProxy, Kubernetes' schemas and systemd make of
//! it.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![cfg(target_os = "linux")]

mod app;
mod balancer;
mod discovery;
mod encrypted;
mod files;
mod proxied;
mod retries;
mod routing;
mod top;

#[path = "../cli/support.rs"]
mod support;
#[path = "../cli/terminal.rs"]
mod terminal;
