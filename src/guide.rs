//! The guide: one page for each topic. The tests compile and run every example.
//!
//! The guide exists only in the documentation. Start with the README, the front page of this crate.
#[cfg(feature = "template")]
#[doc = include_str!("guide/templates.md")]
pub mod templates {}

#[cfg(feature = "garde")]
#[doc = include_str!("guide/forms.md")]
pub mod forms {}

#[cfg(feature = "sealed-cookies")]
#[doc = include_str!("guide/cookies.md")]
pub mod cookies {}

#[cfg(feature = "sessions")]
#[doc = include_str!("guide/sessions.md")]
pub mod sessions {}

#[doc = include_str!("guide/files.md")]
pub mod files {}

#[cfg(feature = "compression")]
#[doc = include_str!("guide/conditions.md")]
pub mod conditions {}

#[cfg(feature = "garde")]
#[doc = include_str!("guide/errors.md")]
pub mod errors {}

#[cfg(all(feature = "openapi", feature = "garde"))]
#[doc = include_str!("guide/openapi.md")]
pub mod openapi {}

#[doc = include_str!("guide/hooks.md")]
pub mod hooks {}

#[doc = include_str!("guide/background.md")]
pub mod background {}

#[doc = include_str!("guide/pools.md")]
pub mod pools {}

#[doc = include_str!("guide/security.md")]
pub mod security {}

#[doc = include_str!("guide/proxy.md")]
pub mod proxy {}

#[cfg(any(feature = "tls", feature = "tls-ring"))]
#[doc = include_str!("guide/https.md")]
pub mod https {}

#[doc = include_str!("guide/bodies.md")]
pub mod bodies {}

#[doc = include_str!("guide/sandbox.md")]
pub mod sandbox {}

#[doc = include_str!("guide/events.md")]
pub mod events {}

#[cfg(feature = "websocket")]
#[doc = include_str!("guide/websocket.md")]
pub mod websocket {}

#[cfg(feature = "store")]
#[doc = include_str!("guide/store.md")]
pub mod store {}

#[cfg(feature = "store")]
#[doc = include_str!("guide/backends.md")]
pub mod backends {}

#[cfg(feature = "store")]
#[doc = include_str!("guide/topics.md")]
pub mod topics {}

#[cfg(feature = "store")]
#[doc = include_str!("guide/limits.md")]
pub mod limits {}

#[doc = include_str!("guide/tasks.md")]
pub mod tasks {}

#[doc = include_str!("guide/seeing.md")]
pub mod seeing {}

#[doc = include_str!("guide/tests.md")]
pub mod tests {}

#[doc = include_str!("guide/deploy.md")]
pub mod deploy {}

#[cfg(feature = "store")]
#[doc = include_str!("guide/replicas.md")]
pub mod replicas {}

#[doc = include_str!("guide/balancer.md")]
pub mod balancer {}

#[doc = include_str!("guide/configuration.md")]
pub mod configuration {}
