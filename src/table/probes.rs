//! `Probes`: whether the process is alive, and whether it is ready for requests, for load balancers and
//! supervisors.
//!
//! Invariant: a probe is answered by reading values in memory, so it works while every worker and every
//! thread is busy. It is answered before layers, hooks and the router.
use http::{Method, StatusCode};
use pixie_core::{Pattern, Place, Response, Route};
use pixie_server::Shutdown;
use serde_json::{Map, Value, json};

use crate::{
    error::StartError,
    table::{OwnPage, pools::Pools},
};

/// The paths that are answered, and what the answers depend on.
#[derive(Clone)]
pub(crate) struct Probes {
    health: Option<OwnPage>,
    ready: Option<OwnPage>,
    pools: Pools,
    shutdown: Shutdown,
}

impl Probes {
    /// Checks the paths. Returns `None` if the app asks for no probe.
    pub(crate) fn checked(
        [health, ready]: [Option<OwnPage>; 2],
        pools: Pools,
        shutdown: Shutdown,
    ) -> Result<Option<Probes>, StartError> {
        for (method, page) in [("health", health), ("ready", ready)] {
            let Some(OwnPage { path, place }) = page else { continue };
            let Place { file, line, .. } = place;
            let wrong =
                |why: &str| StartError::at(place, format!("`App::{method}(\"{path}\")` ({file}:{line}): {why}"));
            let pattern = Pattern::parse(path).map_err(|error| wrong(&error.to_string()))?;
            if pattern.names().count() > 0 {
                return Err(wrong("use a path without wildcards, such as \"/healthz\""));
            }
        }
        Ok((health.is_some() || ready.is_some()).then_some(Probes { health, ready, pools, shutdown }))
    }

    /// Returns the routes that stand for the probes in lists of routes and in the check for routes that
    /// collide.
    pub(crate) fn routes(&self) -> impl Iterator<Item = Route> {
        let health = self.health.map(|page| page.route().sync(|_| alive()));
        let probes = self.clone();
        let ready = self.ready.map(|page| page.route().sync(move |_| probes.readiness()));
        health.into_iter().chain(ready)
    }

    /// Returns whether a balancer may ask if the app is ready.
    pub(crate) fn tells_readiness(&self) -> bool {
        self.ready.is_some()
    }

    /// Answers a request, if it is a probe.
    pub(crate) fn answer(&self, method: &Method, path: &str) -> Option<Response> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let is_for = |page: Option<OwnPage>| page.is_some_and(|page| page.path == path);
        match () {
            () if is_for(self.health) => Some(alive()),
            () if is_for(self.ready) => Some(self.readiness()),
            () => None,
        }
    }

    fn readiness(&self) -> Response {
        let states: Vec<_> = self.pools.troubles().collect();
        let reason = match () {
            // A successor may have the sockets: then the service goes on.
            () if self.shutdown.is_triggered() && !self.shutdown.is_handed_over() => Some("the app is stopping"),
            () if states.iter().any(|(_, trouble)| trouble.is_some()) => Some("a pool cannot run jobs"),
            () => None,
        };
        let pools: Map<String, Value> =
            states.into_iter().map(|(name, trouble)| (name, trouble.unwrap_or("ready").into())).collect();
        let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answered(&json!({ "ready": reason.is_none(), "reason": reason, "pools": pools }), status)
    }
}

fn alive() -> Response {
    answered(&json!({ "alive": true }), StatusCode::OK)
}

fn answered(content: &Value, status: StatusCode) -> Response {
    let response = Response::new(content.to_string()).content_type("application/json");
    response.header("cache-control", "no-store").header("x-content-type-options", "nosniff").with_status(status)
}
