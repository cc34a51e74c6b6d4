//! Pixie: a web framework in which a route says where it runs.
#![forbid(unsafe_code)]

mod registry;

pub use pixie_core::*;
pub use pixie_macros::{delete, get, patch, post, put, route};

/// What the attributes' code refers to; not for use by hand.
#[doc(hidden)]
pub mod __macro {
    pub use crate::registry::Registered;
    pub use inventory;
    pub use pixie_core::*;
}
