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
//! - [Routes and paths](self::routes)
//! - [Extractors](self::extractors)
//! - [Custom extractors](self::custom_extractors)
//! - [Responses](self::responses)
//! - [Pages from templates](self::templates)
//! - [Forms](self::forms)
//! - [Validation](self::validation)
//! - [Uploads](self::uploads)
//! - [JSON APIs](self::json_api)
//! - [OpenAPI](self::openapi)
//! - [Errors and their pages](self::errors)
//! - [State](self::state)
//! - [Databases](self::databases)
//! - [Cookies](self::cookies)
//! - [Sessions](self::sessions)
//! - [Login](self::login)
//! - [Hooks and groups](self::hooks)
//! - [Layers of tower](self::layers)
//! - [Files and folders](self::files)
//! - [Conditional requests and compression](self::conditions)
//! - [Large bodies](self::bodies)
//! - [Worker pools](self::pools)
//! - [Sandboxes](self::sandbox)
//! - [A fresh process for each request](self::fresh)
//! - [Shared read-only data](self::shared_data)
//! - [Images, PDFs and office files](self::documents)
//! - [The progress of a job](self::progress)
//! - [Single functions in worker processes](self::tasks)
//! - [Work beside requests](self::background)
//! - [State that processes share](self::store)
//! - [Where shared state is kept](self::backends)
//! - [Messages to everybody who listens](self::topics)
//! - [Rate limits](self::limits)
//! - [Server-sent events and streams](self::events)
//! - [WebSockets](self::websocket)
//! - [Tests](self::tests)
//! - [Pixie in axum](self::mounting)
//! - [The log](self::logging)
//! - [Status and metrics](self::seeing)
//! - [Production](self::deploy)
//! - [A service of systemd](self::systemd)
//! - [Docker](self::docker)
//! - [Kubernetes](self::kubernetes)
//! - [HTTPS](self::https)
//! - [Behind nginx, HAProxy or Caddy](self::proxy)
//! - [Connections, timeouts and HTTP/2](self::server)
//! - [Several machines](self::replicas)
//! - [Load balancers and `pixie deploy`](self::balancer)
//!
//! # Reference
//!
//! - [Options of routes](self::options)
//! - [Commands](self::commands)
//! - [Settings](self::configuration)
//! - [Variables of the environment](self::variables)
//! - [Features](self::features)
//! - [Status codes](self::status_codes)
//! - [Events of the log](self::log)
//! - [Metrics](self::metrics)
//!
//! # Explanation
//!
//! - [Which kind of route?](self::which_kind)
//! - [Why processes](self::processes)
//! - [The life of a request](self::life)
//! - [What is safe by default](self::security)
//! - [What is promised, and how it is tested](self::safety)
//! - [Measurements](self::measurements)
//!
//! # Coming from …
//!
//! - [From Flask](self::from_flask)
//! - [From FastAPI](self::from_fastapi)
//! - [From axum](self::from_axum)
//! - [From Express](self::from_express)
//! - [Not here, do this](self::not_here)
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

#[doc = include_str!("guide/how-to/routes.md")]
pub mod routes {}

#[doc = include_str!("guide/how-to/extractors.md")]
pub mod extractors {}

#[doc = include_str!("guide/how-to/custom_extractors.md")]
pub mod custom_extractors {}

#[doc = include_str!("guide/how-to/responses.md")]
pub mod responses {}

#[cfg(any(not(doctest), feature = "template"))]
#[doc = include_str!("guide/how-to/templates.md")]
pub mod templates {}

#[cfg(any(not(doctest), feature = "template"))]
#[doc = include_str!("guide/how-to/forms.md")]
pub mod forms {}

#[cfg(any(not(doctest), feature = "garde"))]
#[doc = include_str!("guide/how-to/validation.md")]
pub mod validation {}

#[doc = include_str!("guide/how-to/uploads.md")]
pub mod uploads {}

#[cfg(any(not(doctest), all(feature = "garde", feature = "cors")))]
#[doc = include_str!("guide/how-to/json_api.md")]
pub mod json_api {}

#[cfg(any(not(doctest), feature = "openapi"))]
#[doc = include_str!("guide/how-to/openapi.md")]
pub mod openapi {}

#[doc = include_str!("guide/how-to/errors.md")]
pub mod errors {}

#[cfg(any(not(doctest), feature = "store"))]
#[doc = include_str!("guide/how-to/state.md")]
pub mod state {}

#[doc = include_str!("guide/how-to/databases.md")]
pub mod databases {}

#[cfg(any(not(doctest), feature = "sealed-cookies"))]
#[doc = include_str!("guide/how-to/cookies.md")]
pub mod cookies {}

#[cfg(any(not(doctest), feature = "sessions"))]
#[doc = include_str!("guide/how-to/sessions.md")]
pub mod sessions {}

#[cfg(any(not(doctest), feature = "sessions"))]
#[doc = include_str!("guide/how-to/login.md")]
pub mod login {}

#[doc = include_str!("guide/how-to/hooks.md")]
pub mod hooks {}

#[doc = include_str!("guide/how-to/layers.md")]
pub mod layers {}

#[doc = include_str!("guide/how-to/files.md")]
pub mod files {}

#[cfg(any(not(doctest), feature = "compression"))]
#[doc = include_str!("guide/how-to/conditions.md")]
pub mod conditions {}

#[doc = include_str!("guide/how-to/bodies.md")]
pub mod bodies {}

#[doc = include_str!("guide/how-to/pools.md")]
pub mod pools {}

#[doc = include_str!("guide/how-to/sandbox.md")]
pub mod sandbox {}

#[doc = include_str!("guide/how-to/fresh.md")]
pub mod fresh {}

#[doc = include_str!("guide/how-to/shared_data.md")]
pub mod shared_data {}

#[doc = include_str!("guide/how-to/documents.md")]
pub mod documents {}

#[cfg(any(not(doctest), feature = "store"))]
#[doc = include_str!("guide/how-to/progress.md")]
pub mod progress {}

#[doc = include_str!("guide/how-to/tasks.md")]
pub mod tasks {}

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

#[doc = include_str!("guide/how-to/tests.md")]
pub mod tests {}

#[doc = include_str!("guide/how-to/mounting.md")]
pub mod mounting {}

#[doc = include_str!("guide/how-to/logging.md")]
pub mod logging {}

#[doc = include_str!("guide/how-to/seeing.md")]
pub mod seeing {}

#[doc = include_str!("guide/how-to/deploy.md")]
pub mod deploy {}

#[doc = include_str!("guide/how-to/systemd.md")]
pub mod systemd {}

#[doc = include_str!("guide/how-to/docker.md")]
pub mod docker {}

#[doc = include_str!("guide/how-to/kubernetes.md")]
pub mod kubernetes {}

#[cfg(any(not(doctest), feature = "tls", feature = "tls-ring"))]
#[doc = include_str!("guide/how-to/https.md")]
pub mod https {}

#[doc = include_str!("guide/how-to/proxy.md")]
pub mod proxy {}

#[cfg(any(not(doctest), feature = "http2"))]
#[doc = include_str!("guide/how-to/server.md")]
pub mod server {}

#[cfg(any(not(doctest), feature = "store"))]
#[doc = include_str!("guide/how-to/replicas.md")]
pub mod replicas {}

#[doc = include_str!("guide/how-to/balancer.md")]
pub mod balancer {}

#[doc = include_str!("guide/reference/options.md")]
pub mod options {}

#[doc = include_str!("guide/reference/commands.md")]
pub mod commands {}

#[doc = include_str!("guide/reference/configuration.md")]
pub mod configuration {}

#[doc = include_str!("guide/reference/variables.md")]
pub mod variables {}

#[doc = include_str!("guide/reference/features.md")]
pub mod features {}

#[doc = include_str!("guide/reference/status_codes.md")]
pub mod status_codes {}

#[doc = include_str!("guide/reference/log.md")]
pub mod log {}

#[doc = include_str!("guide/reference/metrics.md")]
pub mod metrics {}

#[doc = include_str!("guide/explanation/which_kind.md")]
pub mod which_kind {}

#[doc = include_str!("guide/explanation/processes.md")]
pub mod processes {}

#[doc = include_str!("guide/explanation/life.md")]
pub mod life {}

#[doc = include_str!("guide/explanation/security.md")]
pub mod security {}

#[doc = include_str!("guide/explanation/safety.md")]
pub mod safety {}

#[doc = include_str!("guide/explanation/measurements.md")]
pub mod measurements {}

#[cfg(any(not(doctest), all(feature = "sessions", feature = "template")))]
#[doc = include_str!("guide/coming-from/from_flask.md")]
pub mod from_flask {}

#[cfg(any(not(doctest), feature = "garde"))]
#[doc = include_str!("guide/coming-from/from_fastapi.md")]
pub mod from_fastapi {}

#[doc = include_str!("guide/coming-from/from_axum.md")]
pub mod from_axum {}

#[doc = include_str!("guide/coming-from/from_express.md")]
pub mod from_express {}

#[doc = include_str!("guide/coming-from/not_here.md")]
pub mod not_here {}
