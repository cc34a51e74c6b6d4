//! Tests with real programs: the examples, started on a free port and asked over sockets, with real workers.
//!
//! One program for all of them, because each test program links the whole framework.
#[cfg(all(feature = "template", feature = "garde"))]
mod browser;
#[cfg(all(target_os = "linux", feature = "garde", feature = "store-redis", feature = "template"))]
mod cluster;
mod configuration;
mod examples;
mod failures;
mod faults;
#[cfg(all(feature = "tls", unix))]
mod https;
#[cfg(feature = "http2")]
#[path = "../values/h2_client.rs"]
mod h2_client;
#[cfg(all(feature = "template", feature = "garde", feature = "openapi"))]
mod openapi;
#[cfg(all(feature = "template", feature = "garde", feature = "openapi"))]
mod openapi_tools;
#[cfg(all(feature = "template", feature = "garde"))]
mod pages;
mod pools;
#[cfg(target_os = "linux")]
mod proxy;
#[cfg(target_os = "linux")]
mod restart;
#[cfg(feature = "store-redis")]
mod redis;
#[cfg(all(feature = "template", target_os = "linux"))]
mod roles;
mod run;
#[cfg(unix)]
mod service_manager;
mod slow_clients;
#[cfg(all(feature = "template", feature = "garde"))]
mod status_page;
#[cfg(all(
    feature = "template",
    feature = "garde",
    feature = "sessions",
    feature = "store-file",
    feature = "store-redis"
))]
mod store;
mod streaming;
mod support;
#[cfg(feature = "template")]
mod thumbnails;
#[cfg(all(feature = "http2", feature = "template", feature = "websocket"))]
mod websocket;
