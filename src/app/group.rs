//! `Group`: hooks, error pages and routes under one path prefix.
//!
//! The text of a path alone decides whether a group applies to it, when the app starts (`compose.rs`).
//! Invariant: two spellings of one path, such as `/admin` and `/%61dmin`, belong to the same groups.
use http::StatusCode;
use pixie_core::{
    After, AsyncHook, Before, EarlyAnswer, Error, ErrorView, Place, Request, RequestView, Response, Route, RouteLayer,
    RouteType,
};

use crate::{
    app::{App, routes::BY_HAND},
    error::StartError,
    table::hooks::Level,
};

/// Hooks and error pages for every route under a path prefix, and routes that get the prefix.
///
/// A group applies to every route whose path, as written, is under the prefix: its own routes and those of
/// inner groups, routes from attributes, and routes added with [`App::route`]. A route with a wildcard before
/// or instead of the prefix, such as `/<page>`, is not under the prefix, even if a request has a matching
/// path. Give such a route its own hooks.
///
/// ```
/// use pixie_web::{App, Group, OrAbort, Request, Response, Result, Route};
/// fn sign_in(request: &mut Request) -> Result<()> {
///     request.cookies().get("session").or_abort(401).map(drop)
/// }
///
/// let admin = Group::new("/admin")
///     .before(sign_in)
///     .error_page(401, |_, _| Response::new("sign in first"))
///     .route(Route::get("/").sync(|_| "the admin's page"));
/// let client = App::new().route(Route::get("/login").sync(|_| "who are you?")).group(admin).test()?;
/// client.get("/login").send().assert_status(200);
/// client.get("/admin").send().assert_status(401).assert_text("sign in first");
/// # Ok::<(), pixie_web::Error>(())
/// ```
#[doc(alias("middleware", "nest", "scope", "blueprint", "mount", "prefix"))]
pub struct Group {
    prefix: String,
    pub(super) level: Level,
    routes: Vec<Route>,
    groups: Vec<Group>,
}

impl Group {
    /// Returns a group for a prefix such as `/admin`, without wildcards. `/` contains everything.
    pub fn new(prefix: &str) -> Group {
        let prefix = prefix.trim_end_matches('/').to_owned();
        Group { prefix, level: Level::default(), routes: Vec::new(), groups: Vec::new() }
    }

    /// Runs a hook before the handlers of the group. See [`App::before`].
    pub fn before<F, R>(mut self, hook: F) -> Group
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: EarlyAnswer,
    {
        self.level.hooks.before.push(Before::new(hook));
        self
    }

    /// Like [`Group::before`], for a hook that waits. See [`App::before_async`].
    pub fn before_async(mut self, hook: impl for<'r> AsyncHook<'r>) -> Group {
        self.level.hooks.before.push(Before::new_async(hook));
        self
    }

    /// Runs a hook on the finished responses of the group. See [`App::after`].
    pub fn after(mut self, hook: impl Fn(&RequestView<'_>, &mut Response) + Send + Sync + 'static) -> Group {
        self.level.hooks.after.push(After::new(hook));
        self
    }

    /// Replaces the page of one error status under the prefix. The page of the innermost group applies.
    pub fn error_page<F>(mut self, code: u16, page: F) -> Group
    where
        F: Fn(&Error, &ErrorView<'_>) -> Response + Send + Sync + 'static,
    {
        self.level.pages.push((StatusCode::from_u16(code).ok(), Box::new(page)));
        self
    }

    /// Replaces the pages of all error statuses that the group has no page for. See [`App::error_pages`].
    pub fn error_pages<F>(mut self, page: F) -> Group
    where
        F: Fn(&Error, &ErrorView<'_>) -> Response + Send + Sync + 'static,
    {
        self.level.other_pages = Some(Box::new(page));
        self
    }

    /// Wraps everything under the prefix in a tower layer, also the paths there that have no route. The last
    /// layer added is the outermost.
    ///
    /// The layer is around the hooks and the error pages, and within the layers of the app and of outer
    /// groups. It must not change the path or the method, because the router comes first.
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, Group, StatusCode, get};
    /// use std::time::Duration;
    /// use tower_http::timeout::TimeoutLayer;
    ///
    /// #[get("/reports/year")]
    /// async fn year() -> &'static str {
    ///     tokio::time::sleep(Duration::from_secs(60)).await;
    ///     "too late"
    /// }
    ///
    /// let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(50));
    /// let client = App::collect().group(Group::new("/reports").layer(timeout)).test()?;
    /// client.get("/reports/year").send().assert_status(504);
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn layer(mut self, layer: impl RouteLayer) -> Group {
        self.level.layers.push(layer);
        self
    }

    /// Chooses the kind of the routes under the prefix whose attributes name none. The choice of the
    /// innermost group applies. See [`App::default_kind`].
    pub fn default_kind(mut self, kind: RouteType) -> Group {
        self.level.kind = Some(kind);
        self
    }

    /// Adds a route. Its path gets the prefix, so it is written without it. The path `/` becomes the prefix
    /// itself. An app does not start if the path has the prefix already.
    pub fn route(mut self, route: Route) -> Group {
        self.routes.push(route);
        self
    }

    /// Adds a group. Its prefix gets this group's prefix.
    pub fn group(mut self, group: Group) -> Group {
        self.groups.push(group);
        self
    }

    /// Adds the routes, hooks and inner groups to an app.
    pub(crate) fn add_to(self, app: &mut App) {
        let Group { prefix, level, routes, groups } = self;
        app.mistakes
            .extend(routes.iter().filter_map(|route| prefixed_twice(&prefix, route.path(), Some(route.place()))));
        app.mistakes.extend(groups.iter().filter_map(|group| prefixed_twice(&prefix, &group.prefix, None)));
        app.routes.extend(routes.into_iter().map(|route| (BY_HAND, route.under(&prefix))));
        app.groups.push((prefix.clone(), level));
        for inner in groups {
            let inner = match inner.prefix.is_empty() || inner.prefix.starts_with('/') {
                true => Group { prefix: format!("{prefix}{}", inner.prefix), ..inner },
                // The prefix is kept as written, so that the error message shows it. Joining `/admin` and
                // `users` would give `/adminusers`.
                false => inner,
            };
            inner.add_to(app);
        }
    }
}

/// Returns the mistake of a path that has the prefix of its group already.
fn prefixed_twice(prefix: &str, path: &str, place: Option<Place>) -> Option<StartError> {
    let rest = path.strip_prefix(prefix).filter(|_| !prefix.is_empty())?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let short = if rest.is_empty() { "/" } else { rest };
    let message = format!(
        "`Group::new(\"{prefix}\")`: the group makes `{path}` to `{prefix}{path}`: write `{short}`, or add it to the app"
    );
    Some(match place {
        Some(place) => StartError::at(place, message),
        None => StartError::new(message),
    })
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let routes: Vec<_> = self.routes.iter().map(Route::path).collect();
        let group = &mut f.debug_struct("Group");
        group
            .field("prefix", &self.prefix)
            .field("routes", &routes)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}
