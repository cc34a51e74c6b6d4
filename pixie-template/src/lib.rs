#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
#[cfg(feature = "core")]
mod respond;
mod view;

#[doc(hidden)]
pub mod check;
pub mod filters;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::Error;
pub use pixie_template_macros::template;
#[cfg(feature = "core")]
pub use respond::respond;
pub use view::{View, render};

pub use askama;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use insta;
#[cfg(feature = "core")]
#[doc(hidden)]
pub use pixie_core;

/// What `pixie-web` exports in place of the items here whose generated code names this crate: the attribute writes paths below
/// `::pixie_web::template`, which is to be this crate under that name.
#[doc(hidden)]
pub mod web {
    pub use pixie_template_macros::web_template as template;
}
