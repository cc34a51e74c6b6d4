//! A stand-in for an app: it answers `PIXIE_DUMP=deploy` with what a test says. It is built once.

use std::{path::PathBuf, process::Output, sync::OnceLock};

use serde_json::{Value, json};

use crate::support::World;

const MANIFEST: &str = "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
    [dependencies]\npixie-web = { path = \"web\" }\n\n[workspace]\n";
const MAIN: &str = "fn main() {\n    assert_eq!(std::env::var(\"PIXIE_DUMP\").as_deref(), Ok(\"deploy\"));\n    \
    println!(\"{}\", std::env::var(\"TOLD\").unwrap());\n}\n";

/// Returns the folder of the stand-in's package.
fn package() -> &'static PathBuf {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(|| {
        let world = World::new();
        world.write("Cargo.toml", MANIFEST);
        world.write("src/main.rs", MAIN);
        world.write("web/Cargo.toml", "[package]\nname = \"pixie-web\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        world.write("web/src/lib.rs", "");
        world
    });
    &world.root
}

/// An app with three pools.
pub(crate) fn shop() -> Value {
    let pool = |name: &str, role: &str, slots: u32, memory: Option<u32>| {
        json!({ "name": name, "role": role, "slots": slots, "slots_are_set": name != "default", "queue": 1024,
            "queue_timeout": 10.0, "deadline": 15.0, "memory": memory })
    };
    json!({
        "app": "shop", "role": "all", "roles": ["web", "images", "reports"], "replicas": 1,
        "pools": [
            pool("default", "web", 4, None),
            pool("images", "images", 6, Some(256 << 20)),
            { "name": "reports", "role": "reports", "slots": 2, "slots_are_set": true, "queue": 16, "queue_timeout": 0.5,
                "deadline": 120.0, "memory": null },
        ],
        "routes": [
            route(&["GET"], "/", "web"),
            route(&["GET"], "/readyz", "web"),
            route(&["GET"], "/reports/<name>.pdf", "reports"),
            route(&["POST"], "/thumb", "images"),
            route(&["GET"], "/thumb/new", "web"),
            route(&["GET"], "/thumb/<id:int>", "images"),
            route(&["GET"], "/<page:path>", "web"),
        ],
        "health": "/healthz", "ready": "/readyz", "status": "/status", "metrics": null,
        "port": 8000, "host": "localhost", "agent": "0.0.0.0:9707", "http2": true, "tls": false,
        "proxy_protocol": false, "web_deadline": 15.0, "queue_timeout": 10.0, "ready_delay": 5.0,
        "server_grace": 10.0, "shutdown_grace": 1.0, "linger": 0.05, "store": "redis://store:6379",
        "store_is_shared": true, "uses_store": true, "version": "0.1.0",
    })
}

/// A route as an app describes it.
pub(crate) fn route(methods: &[&str], path: &str, role: &str) -> Value {
    let pool = (role != "web").then_some(role);
    json!({ "methods": methods, "path": path, "kind": if pool.is_some() { "pool" } else { "sync" }, "pool": pool,
        "role": role, "deadline": pool.map(|_| 15.0), "retry": null, "body_limit": 2_097_152 })
}

/// Runs `pixie` in the package of an app that answers like this.
pub(crate) fn pixie(told: &Value, arguments: &[&str]) -> Output {
    let world = World::new();
    let package = package().display().to_string();
    let mut command = world.pixie(&[&["-C", &package], arguments].concat());
    command.env("TOLD", told.to_string()).output().unwrap()
}

/// Returns what `pixie deploy` prints.
pub(crate) fn deployed(told: &Value, arguments: &[&str]) -> String {
    let output = pixie(told, &[&["deploy"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns what `pixie deploy` reports when it fails.
pub(crate) fn refused(told: &Value, arguments: &[&str]) -> String {
    let output = pixie(told, &[&["deploy"], arguments].concat());
    assert!(!output.status.success(), "{arguments:?} is accepted");
    String::from_utf8(output.stderr).unwrap()
}
