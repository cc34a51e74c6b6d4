//! The endpoints of an app: each route with the hooks, pages and layers around it.
//!
//! What the routes of an app share is in `Levels`, from outer to inner.
use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderValue, header};
use pixie_core::{After, BodyUse, Handler, Layered, Layers, Pattern, Place, Route};

use crate::{
    error::StartError,
    request::layered,
    table::{
        Endpoint, Intake, Plan, Work, after_response, csrf,
        hooks::{Chain, Level},
        meter::RouteMeter,
        pools::{PoolSlot, pool_of},
        rates::Rates,
        roles, sessions,
        settings::Settings,
    },
};

/// The hooks and error pages of the app and of its groups, from outer to inner.
pub(super) struct Levels {
    pub(super) app: Arc<Level>,
    pub(super) groups: Vec<(Pattern, Arc<Level>)>,
}

impl Levels {
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Level>> {
        self.groups.iter().map(|(_, level)| level).chain([&self.app])
    }

    /// Returns the service with the layers of a route and of the groups that it is in, if there are any.
    pub(super) fn layers(&self, own: &Layers, is_in: impl Fn(&Pattern) -> bool) -> Option<Layered> {
        let groups = self.groups.iter().rev().filter(|(prefix, _)| is_in(prefix)).map(|(_, level)| &level.layers);
        let layers = [own].into_iter().chain(groups).filter(|layers| !layers.is_empty());
        layers.fold(None, |inner, layers| Some(layers.wrap(inner.unwrap_or_else(layered::innermost))))
    }

    pub(super) fn chain(&self, own: impl IntoIterator<Item = Level>, is_in: impl Fn(&Pattern) -> bool) -> Chain {
        let groups = self.groups.iter().filter(|(prefix, _)| is_in(prefix)).map(|(_, level)| level.clone());
        Chain::new([self.app.clone()].into_iter().chain(groups).chain(own.into_iter().map(Arc::new)).collect())
    }
}

/// Returns the endpoint of a route, with the path.
pub(super) fn endpoint(
    route: Route,
    levels: &Levels,
    slots: &BTreeMap<&'static str, Arc<PoolSlot>>,
    settings: &Settings,
    rates: &Rates,
    has_sessions: bool,
) -> Result<(Pattern, Endpoint), StartError> {
    let Place { name, file, line } = route.place();
    let wrong = |error: String| StartError::at(route.place(), format!("route `{name}` ({file}:{line}): {error}"));
    let pattern = route.pattern().map_err(|error| wrong(error.to_string()))?.clone();
    let body_limit = route.options().body_limit.as_ref().unwrap_or(&settings.body_limit);
    let body_bytes_max = body_limit.bytes().map_err(|why| wrong(format!("`body_limit`: {why}")))?;
    let mut own = Level { hooks: route.hooks().clone(), ..Level::default() };
    own.hooks.after.splice(0..0, route.reads().after.iter().cloned());
    rates.limit_route(&mut own, route.options().limit, name).map_err(wrong)?;
    let value = route.options().cache_control.map(HeaderValue::from_str).transpose();
    let cached = value.map_err(|error| wrong(format!("`cache_control`: {error}")))?.map(cached);
    let chain = levels.chain([Some(own), cached].into_iter().flatten(), |prefix| pattern.is_under(prefix));
    let layers = levels.layers(route.layers(), |prefix| pattern.is_under(prefix));
    let reads = route.reads();
    let endpoint = Endpoint {
        layers,
        plan: plan(&route, slots),
        intake: intake(&route),
        body_bytes_max: usize::try_from(body_bytes_max).unwrap_or(usize::MAX),
        // A hook may read the state even if the handler does not.
        reads_state: !reads.states.is_empty()
            || reads.body == BodyUse::Form
            || reads.header_names().is_none()
            || chain.has_before(),
        has_ids: settings.request_ids || route.kind().is_pooled() || reads.id,
        leaves_work: after_response::is_read(&route),
        has_session: has_sessions && (sessions::is_read(reads) || chain.has_before()),
        is_guarded: route.options().csrf.unwrap_or(settings.csrf)
            && (reads.body.takes_connection() || route.methods().iter().any(csrf::is_unsafe)),
        chain,
        meter: RouteMeter::new(Arc::from(name)),
        label: Arc::from(name),
        route,
    };
    Ok((pattern, endpoint))
}

/// Returns the endpoint of a route of another role: nothing happens before its answer.
pub(super) fn elsewhere(endpoint: Endpoint, role: &'static str) -> Endpoint {
    Endpoint {
        plan: Plan::Elsewhere { role },
        layers: None,
        intake: Intake::Unused,
        reads_state: false,
        has_session: false,
        is_guarded: false,
        chain: endpoint.chain.without_hooks(),
        ..endpoint
    }
}

/// Returns the level that sets the `Cache-Control` header. It is the innermost level, so that responses of
/// before hooks, such as a redirect to a login page, do not get the header.
fn cached(value: HeaderValue) -> Level {
    let mut level = Level::default();
    level.hooks.after.push(After::new(move |_, response| {
        if response.status().is_success() || response.status().is_redirection() {
            response.headers_mut().entry(header::CACHE_CONTROL).or_insert_with(|| value.clone());
        }
    }));
    level
}

/// Returns where and how the handler of a route runs. A pool route without a slot cannot be: `pools::slots`
/// made them all.
fn plan(route: &Route, slots: &BTreeMap<&'static str, Arc<PoolSlot>>) -> Plan {
    let deadline = route.options().deadline;
    let pooled = |work| Plan::Pooled { slot: slots[pool_of(route).unwrap_or_default()].clone(), work };
    match route.handler().clone() {
        Handler::Sync(handler) => Plan::Sync(handler),
        Handler::Thread(handler) => Plan::Thread { handler, deadline },
        Handler::Async(handler) => Plan::Async { handler, deadline },
        Handler::Pool(handler) => pooled(Work::Respond(handler)),
        Handler::Stream(handler) => pooled(Work::Stream(handler)),
    }
}

fn intake(route: &Route) -> Intake {
    match route.reads().body {
        BodyUse::Unused | BodyUse::Connection => Intake::Unused,
        early if early.is_early(route.kind()) => Intake::Arriving,
        BodyUse::Form => Intake::Form,
        _ => Intake::Whole,
    }
}

/// What the endpoints of requests without a route share.
pub(super) struct Unrouted {
    pub(super) meter: Arc<RouteMeter>,
    pub(super) has_ids: bool,
    pub(super) has_sessions: bool,
    /// Whether this process has the role `web`, to which these requests belong.
    pub(super) is_here: bool,
}

impl Unrouted {
    pub(super) fn endpoint(&self, chain: Chain, layers: Option<Layered>) -> Arc<Endpoint> {
        let endpoint = Endpoint {
            layers,
            // This route is not in the router. Every endpoint must have a route.
            route: Route::get("/").name("no route").sync(|_| ()),
            plan: Plan::Unrouted,
            intake: Intake::Unused,
            body_bytes_max: 0,
            reads_state: chain.has_before(),
            has_ids: self.has_ids,
            leaves_work: false,
            has_session: self.has_sessions && chain.has_before(),
            is_guarded: false,
            chain,
            label: Arc::from(""),
            meter: self.meter.clone(),
        };
        Arc::new(if self.is_here { endpoint } else { elsewhere(endpoint, roles::WEB) })
    }
}
