//! What a load balancer must know of an app, as `PIXIE_DUMP=deploy` prints it: routes, pools, times and
//! addresses.
//!
//! The answer does not depend on the role of the process that is asked. Times are in seconds, sizes in bytes.
use std::{env, path::Path, sync::Arc, time::Duration};

use http::Method;
use pixie_core::{RouteEntry, RouteType};
use pixie_grammar::TextValue;
use pixie_server::{Config as ServerConfig, Listen};
use serde_json::{Value, json};

use crate::{
    error::StartError,
    run::ready_delay,
    table::{
        Composed, Endpoint,
        pools::{PoolSlot, pool_of},
        roles, store,
    },
};

type Entry = RouteEntry<Arc<Endpoint>>;

/// Returns the description of an app as one line of JSON.
pub(super) fn as_json(app: &Composed) -> Result<String, StartError> {
    roles::check_names(app.pools.keys().copied()).map_err(StartError::new)?;
    let (settings, [health, ready, status, metrics]) = (&app.settings, app.pages);
    let of_listens = settings.listens.iter().find_map(|listen| Some((listen, listen.serves_at()?)));
    let (host, port) = match of_listens {
        Some((_, (host, port))) => (Some(host), Some(port)),
        None if settings.listens.is_empty() => (Some(&*settings.host), Some(settings.port)),
        None => (None, None),
    };
    let speaks = |way: fn(&Listen) -> bool| of_listens.is_some_and(|(listen, _)| way(listen));
    let is_shared = app.store.as_ref().is_some_and(store::is_shared);
    let store = match app.given.origin(store::KEY) {
        None if is_shared => "App::store".to_owned(),
        _ => settings.store.to_text(),
    };
    Ok(json!({
        "app": program_name(),
        "role": app.roles.to_string(),
        "roles": app.roles.of_app(),
        "replicas": settings.replicas,
        "pools": app.pools.values().map(|slot| pool(slot)).collect::<Vec<_>>(),
        "routes": routes(app),
        "health": health,
        "ready": ready,
        "status": status,
        "metrics": metrics,
        "port": port,
        "host": host,
        "agent": settings.agent.as_ref().map(TextValue::to_text),
        "http2": cfg!(feature = "http2"),
        "tls": speaks(Listen::has_tls),
        "proxy_protocol": speaks(Listen::has_proxy_protocol),
        "web_deadline": settings.deadline.as_secs_f64(),
        "queue_timeout": settings.queue_timeout.as_secs_f64(),
        "ready_delay": ready_delay(app).unwrap_or_default().as_secs_f64(),
        "server_grace": of_server(app, "shutdown_grace"),
        "shutdown_grace": settings.shutdown_grace.as_secs_f64(),
        "linger": of_server(app, "linger"),
        "store": store,
        "store_is_shared": is_shared,
        "uses_store": app.uses_store,
        "version": env!("CARGO_PKG_VERSION"),
    })
    .to_string())
}

/// Returns the name of the program's file.
fn program_name() -> String {
    let program = env::args_os().next().unwrap_or_default();
    Path::new(&program).file_stem().map_or_else(|| "app".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn pool(slot: &PoolSlot) -> Value {
    let config = &slot.config;
    json!({
        "name": slot.name(),
        "role": roles::of_pool(slot.name()),
        "slots": config.jobs_at_once().max,
        // Otherwise the number of cores of this machine.
        "slots_are_set": slot.origins.contains_key("size"),
        "queue": config.queue,
        "queue_timeout": config.queue_timeout.as_secs_f64(),
        "deadline": seconds(config.deadline),
        "stream_idle_timeout": config.stream_idle_timeout.as_secs_f64(),
        "memory": config.memory.as_ref().and_then(|memory| memory.bytes().ok()),
    })
}

/// Returns the routes in the order in which they are tried.
fn routes(app: &Composed) -> Vec<Value> {
    let entries: Vec<_> = app.router.routes().collect();
    entries.iter().map(|entry| route(app, entry, &entries)).collect()
}

fn route(app: &Composed, entry: &Entry, all: &[&Entry]) -> Value {
    let Endpoint { route, body_bytes_max, .. } = &*entry.value;
    let is_same = |other: &Entry| other.pattern.as_str() == entry.pattern.as_str();
    let has_head = |other: &&Entry| is_same(other) && other.methods.contains(&Method::HEAD);
    let mut methods: Vec<_> = entry.methods.iter().map(Method::as_str).collect();
    if entry.methods.contains(&Method::GET) && !all.iter().any(has_head) {
        methods.push("HEAD");
    }
    let pool = pool_of(route);
    let of_pool = || pool.and_then(|pool| app.pools[pool].config.deadline);
    let deadline = match route.kind() {
        RouteType::Sync => None,
        _ => route.options().deadline.or_else(of_pool),
    };
    json!({
        "methods": methods,
        "path": route.path(),
        "kind": route.kind().as_str(),
        "pool": pool,
        "role": roles::of_route(route),
        "deadline": seconds(deadline),
        // Whether a request may be sent again after a failure; `null`: if its method is idempotent.
        "retry": route.options().retry,
        "body_limit": body_bytes_max,
    })
}

/// Returns a time of the server in seconds.
fn of_server(app: &Composed, name: &str) -> Option<f64> {
    let setting = ServerConfig::settings().iter().find(|setting| setting.name == name)?;
    seconds(Duration::from_text(&(setting.read)(&app.settings.server)).ok())
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use pixie_core::{Route, RoutePath};
    use pixie_pool::Pool;

    use super::*;
    use crate::app::{App, compose};

    fn told(mut app: App) -> Result<Value, StartError> {
        app.settings.is_test = true;
        let (app, _) = compose::compose(app)?;
        as_json(&app).map(|text| serde_json::from_str(&text).expect("it is JSON"))
    }

    fn app() -> App {
        let images = Pool::named("images").size(2..=6).memory("256MB").deadline(Duration::from_secs(5));
        App::new()
            .route(Route::get("/").sync(|_| ""))
            .route(Route::get("/<rest:path>").asynchronous(|_| async {}))
            .route(Route::get("/thumb/<id:int>").pool(|_| "").pool("images").body_limit("1MB"))
            .route(Route::get("/thumb/new").thread(|_| "").deadline(Duration::from_secs(3)))
            .route(RoutePath::new("/thumb/new", Method::HEAD).sync(|_| ""))
            .route(Route::get("/events").stream(|_| [""].into_iter()))
            .pool(images)
            .ready("/readyz")
            .agent(":9707")
            .role("images")
            .replicas(2)
    }

    #[test]
    fn the_answer_is_what_a_balancer_needs() {
        let mut told = told(app()).expect("the app fits together");
        // Those depend on the program of the test and on its features.
        ["app", "http2"].iter().for_each(|name| drop(told[*name].take()));
        let row = |methods: &[&str], path: &str, kind: &str, role: &str, deadline: Option<f64>| {
            let pool = (kind == "pool").then_some("images").or((kind == "stream").then_some("streams"));
            let body_limit = if kind == "pool" { 1_000_000 } else { 2 * 1024 * 1024 };
            json!({ "methods": methods, "path": path, "kind": kind, "pool": pool, "role": role, "deadline": deadline,
                "retry": null, "body_limit": body_limit })
        };
        let pool = |name: &str, role: &str, slots: usize, deadline: f64, memory: Option<u64>| {
            json!({ "name": name, "role": role, "slots": slots, "slots_are_set": true, "queue": 1024,
                "queue_timeout": 10.0, "deadline": deadline, "stream_idle_timeout": 30.0, "memory": memory })
        };
        let get = ["GET", "HEAD"];
        let expected = json!({
            "app": null,
            "role": "images",
            "roles": ["web", "images"],
            "replicas": 2,
            "pools": [pool("images", "images", 6, 5.0, Some(256_000_000)), pool("streams", "web", 64, 15.0, None)],
            "routes": [
                row(&get, "/", "sync", "web", None),
                row(&get, "/events", "stream", "web", Some(15.0)),
                row(&get, "/readyz", "sync", "web", None),
                row(&["GET"], "/thumb/new", "thread", "web", Some(3.0)),
                row(&["HEAD"], "/thumb/new", "sync", "web", None),
                row(&get, "/thumb/<id:int>", "pool", "images", Some(5.0)),
                row(&get, "/<rest:path>", "async", "web", None),
            ],
            "health": null,
            "ready": "/readyz",
            "status": null,
            "metrics": null,
            "port": 8000,
            "host": "localhost",
            "agent": ":9707",
            "http2": null,
            "tls": false,
            "proxy_protocol": false,
            "web_deadline": 15.0,
            "queue_timeout": 10.0,
            "ready_delay": 5.0,
            "server_grace": 10.0,
            "shutdown_grace": 1.0,
            "linger": 0.05,
            "store": "memory",
            "store_is_shared": false,
            "uses_store": false,
            "version": env!("CARGO_PKG_VERSION"),
        });
        assert_eq!(told, expected, "{told:#}");
    }

    #[test]
    fn the_address_is_the_first_one_where_requests_are_served_over_tcp() {
        let at = |listens: Vec<Listen>| {
            let told = told(listens.into_iter().fold(app(), App::listen)).expect("the app fits together");
            (told["host"].clone(), told["port"].clone(), told["proxy_protocol"].clone())
        };
        let (unix, plain) = (|| Listen::unix("/run/app.sock"), || Listen::tcp("::", 8080).proxy_protocol(["::1"]));
        let expected = ("::".into(), 8080.into(), true.into());
        assert_eq!(at(vec![unix(), Listen::tcp("::", 80).redirect_to_https(443), plain()]), expected);
        assert_eq!(at(vec![unix()]), (Value::Null, Value::Null, false.into()));
    }

    #[test]
    fn a_pool_with_the_name_of_a_role_is_refused() {
        let app = App::new().route(Route::get("/").pool(|_| "").pool("web"));
        let refusal = told(app).expect_err("its role has no name");
        assert!(refusal.message().contains("the pool `web` cannot have a role"), "{refusal}");
    }
}
