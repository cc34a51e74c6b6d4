//! `Roles`: which routes and pools of an app this process serves.
//!
//! The role `web` has the routes of the main process and of the pools `default` and `streams`. Every other
//! pool is a role of its own. Invariant: a process serves the role of a route, or answers 421 without running
//! anything for the request.
use std::fmt;

use http::StatusCode;
use pixie_core::{Error, Route};
use pixie_grammar::{TextValue, nearest};

use crate::table::{
    pools::{DEFAULT_POOL, FRESH_POOL, STREAM_POOL, pool_of},
    refusal::refuse_with,
};

/// The name of the setting in `pixie.toml`, with its table.
pub(crate) const KEY: &str = "app.role";
/// The role of all routes that run in no pool, or in a pool without a role of its own.
pub(crate) const WEB: &str = "web";
/// Stands for every role of the app.
const ALL: &str = "all";

/// The setting `role`: names, as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleNames(Vec<String>);

impl RoleNames {
    /// Reads names with commas between them. `Roles::checked` checks them.
    pub(crate) fn new(text: &str) -> RoleNames {
        RoleNames(text.split(',').map(|name| name.trim().to_owned()).collect())
    }
}

impl Default for RoleNames {
    fn default() -> RoleNames {
        RoleNames::new(ALL)
    }
}

impl TextValue for RoleNames {
    const TAKES: &'static str = "`all`, `web`, the name of a pool, or several of them with commas";

    fn from_text(text: &str) -> Result<RoleNames, String> {
        match text {
            "" | "none" => Err(format!("a process has a role: write {}", RoleNames::TAKES)),
            names => Ok(RoleNames::new(names)),
        }
    }

    fn to_text(&self) -> String {
        self.0.join(",")
    }
}

/// The roles of an app, and those of this process.
pub(crate) struct Roles {
    of_app: Vec<&'static str>,
    of_process: Vec<&'static str>,
    /// Whether `all` was chosen, so that the roles need not be named.
    is_all: bool,
}

impl Roles {
    /// Returns the roles of a process that serves the whole app, such as a worker, which runs what it gets.
    pub(crate) fn all(pools: &[&'static str]) -> Roles {
        let mut of_app = vec![WEB];
        of_app.extend(pools.iter().copied().map(of_pool).filter(|role| *role != WEB));
        Roles { of_process: of_app.clone(), of_app, is_all: true }
    }

    /// Returns the chosen roles of an app with these pools.
    ///
    /// # Errors
    ///
    /// Returns which role does not exist, or which pool has the name of a role.
    pub(crate) fn checked(names: &RoleNames, pools: &[&'static str]) -> Result<Roles, String> {
        let all = Roles::all(pools);
        if *names == RoleNames::default() {
            return Ok(all);
        }
        check_names(pools.iter().copied())?;
        let (of_app, wanted) = (all.of_app, names.0.iter().map(String::as_str));
        let is_known = |name: &str| name == ALL || of_app.contains(&name);
        if let Some(unknown) = wanted.clone().find(|name| !is_known(name)) {
            let known = of_app.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ");
            let meant = nearest(unknown, &of_app).map(|meant| format!("did you mean `{meant}`? "));
            let meant = meant.unwrap_or_default();
            return Err(format!("unknown role `{unknown}`: {meant}this app has {known}, and `all` for every role"));
        }
        let is_all = wanted.clone().any(|name| name == ALL);
        let of_process = of_app.iter().copied().filter(|role| is_all || wanted.clone().any(|name| name == *role));
        Ok(Roles { of_process: of_process.collect(), of_app, is_all })
    }

    /// Returns all roles of the app, `web` first.
    pub(crate) fn of_app(&self) -> &[&'static str] {
        &self.of_app
    }

    /// Returns the roles of this process.
    pub(crate) fn of_process(&self) -> &[&'static str] {
        &self.of_process
    }

    /// Returns whether this process has a role.
    pub(crate) fn has(&self, role: &str) -> bool {
        self.of_process.contains(&role)
    }

    /// Returns whether this process has every role of the app.
    pub(crate) fn is_whole(&self) -> bool {
        self.of_process.len() == self.of_app.len()
    }

    /// Returns the answer to a request for another role.
    pub(crate) fn misdirected(&self, role: &str) -> Error {
        let why = format!("the request is for the role `{role}`, and this process has `{self}`");
        refuse_with(StatusCode::MISDIRECTED_REQUEST, "this server does not serve this address").with_chain(vec![why])
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all { f.write_str(ALL) } else { f.write_str(&self.of_process.join(",")) }
    }
}

/// Returns the role of a pool.
pub(crate) fn of_pool(pool: &str) -> &str {
    if matches!(pool, DEFAULT_POOL | STREAM_POOL | FRESH_POOL) { WEB } else { pool }
}

/// Returns the role that a route belongs to.
pub(crate) fn of_route(route: &Route) -> &'static str {
    pool_of(route).map_or(WEB, of_pool)
}

/// Refuses a pool whose role would be confused with another one.
pub(crate) fn check_names<'p>(mut pools: impl Iterator<Item = &'p str>) -> Result<(), String> {
    match pools.find(|pool| matches!(*pool, WEB | ALL)) {
        Some(pool) => {
            Err(format!("the pool `{pool}` cannot have a role, because `{pool}` means others: rename the pool"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOLS: [&str; 4] = ["default", "images", "streams", "thumbs"];

    #[test]
    fn a_process_has_the_roles_that_it_names_and_by_default_all() {
        for (text, of_process, shown) in [
            ("all", &["web", "images", "thumbs"][..], "all"),
            ("web", &["web"], "web"),
            ("images", &["images"], "images"),
            (" thumbs, web,web", &["web", "thumbs"], "web,thumbs"),
            ("web,all", &["web", "images", "thumbs"], "all"),
        ] {
            let roles = Roles::checked(&RoleNames::new(text), &POOLS).expect("they exist");
            assert_eq!(roles.of_process(), of_process, "{text}");
            assert_eq!((roles.to_string(), roles.is_whole()), (shown.to_owned(), shown == "all"), "{text}");
            assert_eq!(roles.of_app(), ["web", "images", "thumbs"]);
        }
    }

    #[test]
    fn an_unknown_role_is_refused_with_those_of_the_app() {
        let refusal = |text: &str, pools: &[&'static str]| Roles::checked(&RoleNames::new(text), pools).err();
        let known = "this app has `web`, `images`, `thumbs`, and `all` for every role";
        for (text, what) in [
            ("web,imagse", "unknown role `imagse`: did you mean `images`? "),
            ("default", "unknown role `default`: "),
            ("", "unknown role ``: "),
            ("web,", "unknown role ``: "),
        ] {
            assert_eq!(refusal(text, &POOLS), Some(format!("{what}{known}")));
        }
        assert_eq!(refusal("web", &["web"]).as_deref().map(|why| &why[..32]), Some("the pool `web` cannot have a rol"));
        assert_eq!(refusal("all", &["web", "all"]), None, "without roles, a pool may have any name");
    }
}
