//! Templates as values: rendering, filters and snapshot tests. The README is the guide.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod view;

#[doc(hidden)]
pub mod check;
pub mod filters;
#[cfg(feature = "testing")]
pub mod testing;

pub use pixie_template_macros::template;
#[cfg(feature = "core")]
pub use view::respond;
pub use view::{Error, View, render};

pub use askama;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use insta;
#[cfg(feature = "core")]
#[doc(hidden)]
pub use pixie_core;

/// The attribute that `pixie-web` exports: its generated code uses paths below `::pixie_web::template`, the
/// name under which `pixie-web` exports this crate.
#[doc(hidden)]
pub mod web {
    pub use pixie_template_macros::web_template as template;
}
