//! The guide: one page for each topic, in reading order. The tests compile and run every example.
//!
//! # How to …
//!
//! - [Pages from templates](self::templates)
//! - [Forms and uploads](self::forms)
//! - [Errors and their pages](self::errors)
//! - [Cookies](self::cookies)
//! - [Sessions and login](self::sessions)
//! - [Hooks and layers](self::hooks)
//! - [Files and folders](self::files)
//! - [Conditional requests and compression](self::conditions)
//! - [Large bodies](self::bodies)
//! - [Work beside requests](self::background)
//! - [State that routes share](self::store)
//! - [Where shared state is kept](self::backends)
//! - [Messages to everybody who listens](self::topics)
//! - [Rate limits](self::limits)
//! - [Server-sent events and streams](self::events)
//! - [WebSockets](self::websocket)
//! - [Worker pools](self::pools)
//! - [Sandboxes](self::sandbox)
//! - [Single functions in worker processes](self::tasks)
//! - [Tests](self::tests)
//! - [Log, status and metrics](self::seeing)
//! - [HTTPS](self::https)
//! - [Behind a proxy](self::proxy)
//! - [Deployment](self::deploy)
//! - [Several machines](self::replicas)
//! - [Load balancers and `pixie deploy`](self::balancer)
//!
//! # Reference
//!
//! - [Settings](self::configuration)
//!
//! # Explanation
//!
//! - [What is safe by default](self::security)
//
// The lists above are the table of contents, in reading order. Each line is a page, and each page is a module below.
// The site is made from the same files. `UPDATE_REFERENCE=1 cargo test --test values guide` writes its `SUMMARY.md`
// from these lists, and without the variable the test checks that everything agrees.
//
// Every page exists with every set of features. Where examples need a feature, only their tests depend on it.

#[cfg(any(not(doctest), feature = "template"))]
#[doc = include_str!("guide/how-to/templates.md")]
pub mod templates {}

#[cfg(any(not(doctest), feature = "garde"))]
#[doc = include_str!("guide/how-to/forms.md")]
pub mod forms {}

#[cfg(any(not(doctest), feature = "garde"))]
#[doc = include_str!("guide/how-to/errors.md")]
pub mod errors {}

#[cfg(any(not(doctest), feature = "sealed-cookies"))]
#[doc = include_str!("guide/how-to/cookies.md")]
pub mod cookies {}

#[cfg(any(not(doctest), feature = "sessions"))]
#[doc = include_str!("guide/how-to/sessions.md")]
pub mod sessions {}

#[doc = include_str!("guide/how-to/hooks.md")]
pub mod hooks {}

#[doc = include_str!("guide/how-to/files.md")]
pub mod files {}

#[cfg(any(not(doctest), feature = "compression"))]
#[doc = include_str!("guide/how-to/conditions.md")]
pub mod conditions {}

#[doc = include_str!("guide/how-to/bodies.md")]
pub mod bodies {}

#[doc = include_str!("guide/how-to/background.md")]
pub mod background {}

#[cfg(any(not(doctest), feature = "store"))]
#[doc = include_str!("guide/how-to/store.md")]
pub mod store {}

#[cfg(any(not(doctest), feature = "store"))]
#[doc = include_str!("guide/how-to/backends.md")]
pub mod backends {}

#[cfg(any(not(doctest), feature = "store"))]
#[doc = include_str!("guide/how-to/topics.md")]
pub mod topics {}

#[cfg(any(not(doctest), feature = "store"))]
#[doc = include_str!("guide/how-to/limits.md")]
pub mod limits {}

#[doc = include_str!("guide/how-to/events.md")]
pub mod events {}

#[cfg(any(not(doctest), feature = "websocket"))]
#[doc = include_str!("guide/how-to/websocket.md")]
pub mod websocket {}

#[doc = include_str!("guide/how-to/pools.md")]
pub mod pools {}

#[doc = include_str!("guide/how-to/sandbox.md")]
pub mod sandbox {}

#[doc = include_str!("guide/how-to/tasks.md")]
pub mod tasks {}

#[doc = include_str!("guide/how-to/tests.md")]
pub mod tests {}

#[doc = include_str!("guide/how-to/seeing.md")]
pub mod seeing {}

#[cfg(any(not(doctest), feature = "tls", feature = "tls-ring"))]
#[doc = include_str!("guide/how-to/https.md")]
pub mod https {}

#[doc = include_str!("guide/how-to/proxy.md")]
pub mod proxy {}

#[doc = include_str!("guide/how-to/deploy.md")]
pub mod deploy {}

#[cfg(any(not(doctest), feature = "store"))]
#[doc = include_str!("guide/how-to/replicas.md")]
pub mod replicas {}

#[doc = include_str!("guide/how-to/balancer.md")]
pub mod balancer {}

#[doc = include_str!("guide/reference/configuration.md")]
pub mod configuration {}

#[cfg(any(not(doctest), feature = "cors"))]
#[doc = include_str!("guide/explanation/security.md")]
pub mod security {}
