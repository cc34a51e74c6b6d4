//! The real `pixie`, run in empty folders: what it says, what it leaves, and how it ends.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[cfg(target_os = "linux")]
mod add;
mod commands;
#[cfg(unix)]
mod dockerfile;
mod new;
#[cfg(target_os = "linux")]
mod questions;
#[cfg(target_os = "linux")]
mod reload;
mod support;
#[cfg(target_os = "linux")]
mod terminal;
