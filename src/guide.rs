//! The guide: one page for each topic, in reading order. The tests compile and run every example.
//!
//! # Tutorial
//!
//! - [1. A new app](self::tutorial_1_new)
//! - [2. A page](self::tutorial_2_page)
//! - [3. A form](self::tutorial_3_form)
//! - [4. A database](self::tutorial_4_database)
//! - [5. Uploads](self::tutorial_5_upload)
//! - [6. Thumbnails in a pool](self::tutorial_6_thumbnail)
//! - [7. Break it on purpose](self::tutorial_7_break)
//! - [8. Deploy](self::tutorial_8_deploy)
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

#[doc = include_str!("guide/tutorial/1-new.md")]
pub mod tutorial_1_new {}

#[doc = include_str!("guide/tutorial/2-page.md")]
pub mod tutorial_2_page {}

#[doc = include_str!("guide/tutorial/3-form.md")]
pub mod tutorial_3_form {}

#[doc = include_str!("guide/tutorial/4-database.md")]
pub mod tutorial_4_database {}

#[doc = include_str!("guide/tutorial/5-upload.md")]
pub mod tutorial_5_upload {}

#[doc = include_str!("guide/tutorial/6-thumbnail.md")]
pub mod tutorial_6_thumbnail {}

#[doc = include_str!("guide/tutorial/7-break.md")]
pub mod tutorial_7_break {}

#[doc = include_str!("guide/tutorial/8-deploy.md")]
pub mod tutorial_8_deploy {}

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
