//! `Route`: a path, its methods, its handler and its options, as plain values.
//!
//! The attribute macro writes these values, and a program can write them by hand. Whether the routes of an
//! app fit together is checked when the app starts.
pub(crate) mod handler;
pub(crate) mod hooks;
pub(crate) mod layers;
pub(crate) mod needs;
pub(crate) mod pattern;
#[cfg(feature = "openapi")]
pub(crate) mod probe;
pub(crate) mod router;

use std::{borrow::Cow, future::Future, sync::Arc, time::Duration};

use http::Method;
use pixie_grammar::{ByteSize, PatternError, RouteOption, RouteType};

use crate::{
    After, AsyncHook, Before, BoxFuture, EarlyAnswer, Error, Handler, Hooks, IntoPieces, IntoResponse, Layers, Needs,
    Notes, Pattern, Place, Request, RequestView, Response, RouteLayer, Writer,
};

/// A route: which requests it answers, and with which handler.
///
/// `#[route]` and its short forms make routes from functions. By hand, a route starts with a path and a
/// method, then gets a handler of one kind, then options. The setters have the names of the attribute's
/// options, and [`Route::options`] returns what they set.
///
/// ```
/// use std::time::Duration;
/// use pixie_core::{Method, Request, Route, RouteType};
///
/// let thumbnail = Route::post("/thumbnails")
///     .method(Method::PUT)
///     .name("thumbnail")
///     .pool(|request: &mut Request| format!("{} bytes", request.body().len()))
///     .pool("images")
///     .deadline(Duration::from_secs(2))
///     .body_limit("10MB");
///
/// assert_eq!(thumbnail.kind(), RouteType::Pool);
/// assert_eq!(thumbnail.methods(), [Method::POST, Method::PUT]);
/// assert_eq!(thumbnail.options().pool, Some("images"));
/// assert_eq!(thumbnail.options().body_limit, Some("10MB".into()));
/// assert!(!thumbnail.options().retries(&Method::POST));
/// ```
#[derive(Clone, Debug)]
pub struct Route {
    path: RoutePath,
    handler: Handler,
    /// Whether the author has left the choice of the kind to the app.
    has_default_kind: bool,
    needs: Needs,
    notes: Notes,
    options: RouteOptions,
    hooks: Hooks,
    layers: Layers,
}

/// The options of a route. For an option that is `None`, the setting of the app or of the pool applies.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RouteOptions {
    /// The worker pool that runs the route.
    pub pool: Option<&'static str>,
    /// Whether each request has a worker process of its own.
    pub fresh: bool,
    /// The time limit for the head of the response.
    pub deadline: Option<Duration>,
    /// The size limit of a request's body.
    pub body_limit: Option<ByteSize>,
    /// Whether a request may run again after its worker crashed.
    pub retry: Option<bool>,
    /// Whether cross-site requests are refused.
    pub csrf: Option<bool>,
    /// The `Cache-Control` header of successful responses and redirects that do not have one.
    pub cache_control: Option<&'static str>,
    /// How often a client may ask.
    pub limit: Option<&'static str>,
    /// Whether the OpenAPI document has the route.
    pub openapi: Option<bool>,
    /// The tag of the route in the OpenAPI document.
    pub tag: Option<&'static str>,
    /// The security scheme of the route in the OpenAPI document.
    pub security: Option<&'static str>,
}

impl RouteOptions {
    /// Returns whether a request of this method may run again after its worker crashed: as the route says, or
    /// else if the method is idempotent (RFC 9110, section 9.2.2).
    pub fn retries(&self, method: &Method) -> bool {
        self.retry.unwrap_or_else(|| method.is_idempotent())
    }

    /// Returns the names of the options that are set.
    fn set(&self) -> impl Iterator<Item = &'static str> {
        // Without `..`, so that the compiler asks for each new option.
        let RouteOptions {
            pool,
            fresh,
            deadline,
            body_limit,
            retry,
            csrf,
            cache_control,
            limit,
            openapi,
            tag,
            security,
        } = self;
        let set = [
            ("pool", pool.is_some()),
            ("fresh", *fresh),
            ("deadline", deadline.is_some()),
            ("body_limit", body_limit.is_some()),
            ("retry", retry.is_some()),
            ("csrf", csrf.is_some()),
            ("cache_control", cache_control.is_some()),
            ("limit", limit.is_some()),
            ("openapi", openapi.is_some()),
            ("tag", tag.is_some()),
            ("security", security.is_some()),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name)
    }
}

/// A path and its methods, before it has a handler.
#[derive(Clone, Debug)]
pub struct RoutePath {
    text: Cow<'static, str>,
    pattern: Result<Pattern, PatternError>,
    methods: Vec<Method>,
    place: Place,
}

macro_rules! starts {
    ($($name:ident: $method:ident),*) => {$(
        #[doc = concat!("Starts a route that answers ", stringify!($method), ".")]
        #[track_caller]
        pub fn $name(path: &'static str) -> RoutePath {
            RoutePath::new(path, Method::$method)
        }
    )*};
}

impl Route {
    starts!(get: GET, post: POST, put: PUT, patch: PATCH, delete: DELETE);

    /// Sets the worker pool that runs this route. Only for pool and stream routes. Default: `default` for
    /// pool routes, and `streams` for stream routes.
    pub fn pool(mut self, name: &'static str) -> Route {
        self.options.pool = Some(name);
        self
    }

    /// Gives each request of this route a process that has served no other one and exits after it. All routes
    /// of a pool have this, or none. Only for pool and stream routes. If no pool is named, the route runs in
    /// the pool `fresh`.
    pub fn fresh(mut self) -> Route {
        self.options.fresh = true;
        self
    }

    /// Limits the time from dispatch to the head of the response. After that the response is 504, and a
    /// worker is killed. Not for sync routes, which cannot be stopped.
    pub fn deadline(mut self, deadline: Duration) -> Route {
        self.options.deadline = Some(deadline);
        self
    }

    /// Limits the size of a request's body: `"10MB"`, or a number of bytes. A larger body is refused with
    /// 413.
    pub fn body_limit(mut self, size: impl Into<ByteSize>) -> Route {
        self.options.body_limit = Some(size.into());
        self
    }

    /// Sets whether a request may run again after its worker crashed. By default, a request with an
    /// idempotent method may. Only for pool and stream routes.
    pub fn retry(mut self, may: bool) -> Route {
        self.options.retry = Some(may);
        self
    }

    /// Sets whether cross-site requests are refused. Set `false` for webhooks.
    pub fn csrf(mut self, refused: bool) -> Route {
        self.options.csrf = Some(refused);
        self
    }

    /// Sets the `Cache-Control` header of the handler's successful responses and redirects (2xx and 3xx),
    /// such as `"public, max-age=3600"`. A header that the handler sets itself stays. Errors and the
    /// responses of before hooks do not get the header.
    pub fn cache_control(mut self, value: &'static str) -> Route {
        self.options.cache_control = Some(value);
        self
    }

    /// Limits how often a client may ask, such as `"5/min"`. A client is an address, or a network of IPv6.
    /// More often, the response is 429. The app needs a store, as `App::limit` of the crate pixie-web.
    pub fn limit(mut self, rate: &'static str) -> Route {
        self.options.limit = Some(rate);
        self
    }

    /// Sets whether the OpenAPI document has the route. Default: yes.
    pub fn openapi(mut self, shown: bool) -> Route {
        self.options.openapi = Some(shown);
        self
    }

    /// Sets the tag under which the OpenAPI document lists the route.
    pub fn tag(mut self, tag: &'static str) -> Route {
        self.options.tag = Some(tag);
        self
    }

    /// Names the security scheme of the OpenAPI document that the route needs, where a hook checks it. For
    /// extractors such as [`Bearer`](crate::Bearer) the document says it by itself.
    pub fn security(mut self, scheme: &'static str) -> Route {
        self.options.security = Some(scheme);
        self
    }

    /// Notes what the OpenAPI document says of the route: for the attribute.
    #[doc(hidden)]
    pub fn note(mut self, note: impl FnOnce(&mut Notes)) -> Route {
        note(&mut self.notes);
        self
    }

    /// Sets what the handler reads of the request. Only that is sent to a worker.
    pub fn needs(mut self, needs: Needs) -> Route {
        self.needs = needs;
        self
    }

    /// Adds a hook that runs before the handler, in the main process. The hook may answer instead of the
    /// handler.
    ///
    /// ```
    /// use pixie_core::{Request, Route, abort};
    ///
    /// let no_token = |request: &mut Request| request.header("x-token").is_none().then(|| abort(403));
    /// let admin = Route::get("/admin").sync(|_| "welcome").before(no_token);
    /// assert_eq!(admin.hooks().before.len(), 1);
    /// ```
    pub fn before<F, R>(mut self, hook: F) -> Route
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: EarlyAnswer,
    {
        self.hooks.before.push(Before::new(hook));
        self
    }

    /// Adds a before hook that may wait: an `async fn(&mut Request)`. See [`AsyncHook`].
    pub fn before_async(mut self, hook: impl for<'r> AsyncHook<'r>) -> Route {
        self.hooks.before.push(Before::new_async(hook));
        self
    }

    /// Adds a hook that sees the finished response, in the main process, and may change it.
    pub fn after(mut self, hook: impl Fn(&RequestView<'_>, &mut Response) + Send + Sync + 'static) -> Route {
        self.hooks.after.push(After::new(hook));
        self
    }

    /// Wraps the route in a tower layer, with its hooks and error pages. The last layer added is the
    /// outermost.
    ///
    /// The layer sees the requests that the router gives to this route, so not the preflight requests of
    /// CORS. It must not change the path or the method. Needs pixie-web to serve the route.
    pub fn layer(mut self, layer: impl RouteLayer) -> Route {
        self.layers.push(layer);
        self
    }

    /// Puts a prefix such as `/admin` before the path. The path `/` becomes the prefix itself. The name
    /// stays.
    ///
    /// ```
    /// use pixie_core::Route;
    ///
    /// assert_eq!(Route::get("/users").sync(|_| "").under("/admin").path(), "/admin/users");
    /// ```
    pub fn under(mut self, prefix: &str) -> Route {
        // A malformed path stays as it was written, so that the error shows what the author wrote.
        if self.path.pattern.is_ok() {
            let path = match &*self.path.text {
                "/" if !prefix.is_empty() => prefix.to_owned(),
                path => format!("{prefix}{path}"),
            };
            self.path.pattern = Pattern::parse(&path);
            self.path.text = path.into();
        }
        self
    }

    /// Marks the kind as a default, which an app may replace: for the attribute of a `fn` that names no kind.
    #[doc(hidden)]
    pub fn by_default(mut self) -> Route {
        self.has_default_kind = true;
        self
    }

    /// Returns whether an app may replace the kind.
    pub fn has_default_kind(&self) -> bool {
        self.has_default_kind
    }

    /// Gives the route this kind, if the author has not named one. `async` and `stream` routes have another
    /// type of handler and stay as they are, and no route becomes one.
    ///
    /// ```
    /// use pixie_core::{Route, RouteType};
    /// let named = Route::get("/").pool(|_| "Hello").or_kind(RouteType::Thread);
    /// assert_eq!(named.kind(), RouteType::Pool);
    /// ```
    pub fn or_kind(mut self, kind: RouteType) -> Route {
        if !self.has_default_kind {
            return self;
        }
        self.handler = match (self.handler, kind) {
            (Handler::Sync(call) | Handler::Thread(call) | Handler::Pool(call), RouteType::Sync) => Handler::Sync(call),
            (Handler::Sync(call) | Handler::Thread(call) | Handler::Pool(call), RouteType::Thread) => {
                Handler::Thread(call)
            }
            (Handler::Sync(call) | Handler::Thread(call) | Handler::Pool(call), RouteType::Pool) => Handler::Pool(call),
            (handler, _) => handler,
        };
        self
    }

    /// Returns the kind, which decides where the route runs.
    pub fn kind(&self) -> RouteType {
        self.handler.kind()
    }

    /// Returns the handler.
    pub fn handler(&self) -> &Handler {
        &self.handler
    }

    /// Returns the methods that the route answers.
    pub fn methods(&self) -> &[Method] {
        &self.path.methods
    }

    /// Returns the path as it was written, with the prefix of its group.
    pub fn path(&self) -> &str {
        &self.path.text
    }

    /// Returns the parsed path.
    ///
    /// # Errors
    ///
    /// Returns the mistake in a malformed path.
    pub fn pattern(&self) -> Result<&Pattern, &PatternError> {
        self.path.pattern.as_ref()
    }

    /// Returns the handler's name and the line where the route is written.
    pub fn place(&self) -> Place {
        self.path.place
    }

    /// Returns what the handler reads of the request.
    pub fn reads(&self) -> &Needs {
        &self.needs
    }

    /// Returns what the OpenAPI document says of the handler and its answer.
    #[doc(hidden)]
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Returns the options, as the setters left them.
    pub fn options(&self) -> &RouteOptions {
        &self.options
    }

    /// Returns why a route of this kind cannot have one of its options, and how to fix it: the end of a
    /// sentence about the route.
    pub fn wrong_option(&self) -> Option<String> {
        self.options.set().find_map(|name| RouteOption::named(name)?.refusal(self.kind()))
    }

    /// Returns the route's own layers.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Returns the route's own hooks.
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }
}

macro_rules! responds {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name<F, R>(self, handler: F) -> Route
        where
            F: Fn(&mut Request) -> R + Send + Sync + 'static,
            R: IntoResponse,
        {
            self.handler(Handler::$kind(Arc::new(move |request| handler(request).into_response()))).note(R::describe)
        }
    )*};
}

impl RoutePath {
    /// Starts a route for one method. A route for GET also answers HEAD. Its name is the path, unless
    /// [`RoutePath::name`] sets another one.
    #[track_caller]
    pub fn new(path: &'static str, method: Method) -> RoutePath {
        RoutePath { text: path.into(), pattern: Pattern::parse(path), methods: vec![method], place: Place::here(path) }
    }

    /// Adds a method.
    pub fn method(mut self, method: Method) -> RoutePath {
        if !self.methods.contains(&method) {
            self.methods.push(method);
        }
        self
    }

    /// Sets the name of the route, which URLs and messages use.
    pub fn name(mut self, name: &'static str) -> RoutePath {
        self.place.name = name;
        self
    }

    /// Sets the place where the route is written.
    pub fn place(mut self, place: Place) -> RoutePath {
        self.place = place;
        self
    }

    responds! {
        /// Runs the handler on the connection's own thread. Only for handlers that never wait.
        sync: Sync;
        /// Runs the handler on a blocking thread.
        thread: Thread;
        /// Runs the handler in a worker process.
        pool: Pool;
    }

    /// Runs the handler on the async runtime.
    pub fn asynchronous<F, R>(self, handler: F) -> Route
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output: IntoResponse> + Send + 'static,
    {
        let call = move |request| -> BoxFuture<Response> {
            let future = handler(request);
            Box::pin(async move { future.await.into_response() })
        };
        self.handler(Handler::Async(Arc::new(call))).note(R::Output::describe)
    }

    /// Runs the handler in a worker process, and sends the pieces of its iterator one by one.
    pub fn stream<F, P>(self, handler: F) -> Route
    where
        F: Fn(&mut Request) -> P + Send + Sync + 'static,
        P: IntoPieces,
    {
        self.stream_to(move |request, writer| handler(request).into_pieces().write_to(writer))
    }

    /// Runs the handler in a worker process, and sends what the handler writes.
    pub fn stream_to<F>(self, handler: F) -> Route
    where
        F: Fn(&mut Request, &mut Writer<'_>) -> Result<(), Error> + Send + Sync + 'static,
    {
        self.handler(Handler::Stream(Arc::new(handler)))
    }

    /// Makes a route from a handler of any kind.
    pub fn handler(self, handler: Handler) -> Route {
        let (needs, notes) = (Needs::whole_request(), Notes::default());
        let (options, hooks, layers) = (RouteOptions::default(), Hooks::default(), Layers::default());
        Route { path: self, handler, has_default_kind: false, needs, notes, options, hooks, layers }
    }
}
