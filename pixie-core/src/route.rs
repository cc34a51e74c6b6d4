//! `Route`: a path, its methods, its handler and its options, as plain values.
//!
//! The attribute macro writes exactly these values; they can be written by hand as well. Whether a set of routes fits
//! together is judged when the app starts.
pub(crate) mod handler;
pub(crate) mod hooks;
pub(crate) mod needs;
pub(crate) mod pattern;
pub(crate) mod router;

use std::{borrow::Cow, future::Future, panic::Location, time::Duration};

use http::Method;

use crate::{
    After, Before, BoxFuture, EarlyAnswer, Error, Handler, Hooks, IntoPieces, IntoResponse, LentFuture, Needs, Pattern,
    PatternError, Place, Request, RequestView, Response, RouteType, Writer,
};

/// A route: which requests it answers, and with what.
#[derive(Clone)]
pub struct Route {
    path: RoutePath,
    handler: Handler,
    needs: Needs,
    pool: Option<&'static str>,
    deadline: Option<Duration>,
    body_bytes_max: Option<usize>,
    retry: Option<bool>,
    csrf: Option<bool>,
    hooks: Hooks,
}

/// A path and its methods, before it has a handler.
#[derive(Clone, Debug)]
pub struct RoutePath {
    text: Cow<'static, str>,
    pattern: Result<Pattern, PatternError>,
    methods: Vec<Method>,
    place: Place,
}

impl Route {
    /// Starts a route that answers GET (and, with it, HEAD).
    #[track_caller]
    pub fn get(path: &'static str) -> RoutePath {
        RoutePath::new(path, Method::GET)
    }

    /// Starts a route that answers POST.
    #[track_caller]
    pub fn post(path: &'static str) -> RoutePath {
        RoutePath::new(path, Method::POST)
    }

    /// Starts a route that answers PUT.
    #[track_caller]
    pub fn put(path: &'static str) -> RoutePath {
        RoutePath::new(path, Method::PUT)
    }

    /// Starts a route that answers PATCH.
    #[track_caller]
    pub fn patch(path: &'static str) -> RoutePath {
        RoutePath::new(path, Method::PATCH)
    }

    /// Starts a route that answers DELETE.
    #[track_caller]
    pub fn delete(path: &'static str) -> RoutePath {
        RoutePath::new(path, Method::DELETE)
    }

    /// Names the worker pool that runs this route.
    pub fn in_pool(mut self, name: &'static str) -> Route {
        self.pool = Some(name);
        self
    }

    /// Limits the time from dispatch to the head of the answer; then the answer is 504, and a worker is killed.
    pub fn deadline(mut self, deadline: Duration) -> Route {
        self.deadline = Some(deadline);
        self
    }

    /// Limits the length of a request's body; a longer one is answered with 413.
    pub fn body_limit(mut self, bytes: usize) -> Route {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// Says whether a request may run again when its worker crashed; without it, those with a safe or idempotent method may.
    pub fn retry(mut self, may: bool) -> Route {
        self.retry = Some(may);
        self
    }

    /// Says what of the request the handler reads; only that is sent to a worker.
    pub fn needs(mut self, needs: Needs) -> Route {
        self.needs = needs;
        self
    }

    /// Says whether requests that another site made a browser send are refused; `false` is for webhooks.
    pub fn csrf(mut self, refused: bool) -> Route {
        self.csrf = Some(refused);
        self
    }

    /// Runs this before the handler, in the main process; it may answer in the handler's place.
    pub fn before<F, R>(mut self, hook: F) -> Route
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: EarlyAnswer,
    {
        self.hooks.before.push(Before::new(hook));
        self
    }

    /// The same for a hook that waits: `|request| Box::pin(async move { … })`.
    pub fn before_async<F, R>(mut self, hook: F) -> Route
    where
        F: for<'r> Fn(&'r mut Request) -> LentFuture<'r, R> + Send + Sync + 'static,
        R: EarlyAnswer + 'static,
    {
        self.hooks.before.push(Before::asynchronous(hook));
        self
    }

    /// Shows this the finished response, in the main process; it may change it.
    pub fn after(mut self, hook: impl Fn(&RequestView<'_>, &mut Response) + Send + Sync + 'static) -> Route {
        self.hooks.after.push(After::new(hook));
        self
    }

    /// Moves the route under a prefix such as `/admin`; `/` becomes the prefix itself. Its name stays.
    pub fn under(mut self, prefix: &str) -> Route {
        // A path that is wrong stays as it was written, and so does the message about it.
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

    /// Returns the kind: where the route runs.
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

    /// Returns the path as it was written, under its group's prefix.
    pub fn path(&self) -> &str {
        &self.path.text
    }

    /// Returns the parsed path, or what is wrong with it.
    pub fn pattern(&self) -> Result<&Pattern, &PatternError> {
        self.path.pattern.as_ref()
    }

    /// Returns the handler's name and the line where the route is written.
    pub fn place(&self) -> Place {
        self.path.place
    }

    /// Returns what of the request the handler reads.
    pub fn reads(&self) -> &Needs {
        &self.needs
    }

    /// Returns the name of the worker pool, if one was given.
    pub fn pool_name(&self) -> Option<&'static str> {
        self.pool
    }

    /// Returns the deadline, if one was given.
    pub fn deadline_of(&self) -> Option<Duration> {
        self.deadline
    }

    /// Returns whether a job of it may be done again after a crash, if that was said.
    pub fn retry_of(&self) -> Option<bool> {
        self.retry
    }

    /// Returns the limit of the body, if one was given.
    pub fn body_bytes_max(&self) -> Option<usize> {
        self.body_bytes_max
    }

    /// Says whether forged cross-site requests are refused, if the route says so itself.
    pub fn csrf_of(&self) -> Option<bool> {
        self.csrf
    }

    /// Returns the route's own hooks.
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Says whether a request of this method may run a second time after a crash.
    pub fn is_retried(&self, method: &Method) -> bool {
        self.retry.unwrap_or_else(|| method.is_idempotent())
    }
}

impl RoutePath {
    /// Starts a route for one method; its name is the path until [`RoutePath::name`] gives one.
    #[track_caller]
    pub fn new(path: &'static str, method: Method) -> RoutePath {
        let at = Location::caller();
        let place = Place { name: path, file: at.file(), line: at.line() };
        RoutePath { text: path.into(), pattern: Pattern::parse(path), methods: vec![method], place }
    }

    /// Adds a method.
    pub fn method(mut self, method: Method) -> RoutePath {
        if !self.methods.contains(&method) {
            self.methods.push(method);
        }
        self
    }

    /// Names the route, for addresses made from it and for messages.
    pub fn name(mut self, name: &'static str) -> RoutePath {
        self.place.name = name;
        self
    }

    /// Says where the route is written.
    pub fn place(mut self, place: Place) -> RoutePath {
        self.place = place;
        self
    }

    /// Runs the handler on the connection's own thread: for handlers that never wait.
    pub fn sync<F, R>(self, handler: F) -> Route
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        self.handler(Handler::Sync(std::sync::Arc::new(move |request| handler(request).into_response())))
    }

    /// Runs the handler on a blocking thread.
    pub fn thread<F, R>(self, handler: F) -> Route
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        self.handler(Handler::Thread(std::sync::Arc::new(move |request| handler(request).into_response())))
    }

    /// Runs the handler in a worker process.
    pub fn pool<F, R>(self, handler: F) -> Route
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        self.handler(Handler::Pool(std::sync::Arc::new(move |request| handler(request).into_response())))
    }

    /// Runs the handler on the async runtime.
    pub fn asynchronous<F, R>(self, handler: F) -> Route
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output: IntoResponse> + Send + 'static,
    {
        let call = move |request| -> BoxFuture<Response> {
            let answer = handler(request);
            Box::pin(async move { answer.await.into_response() })
        };
        self.handler(Handler::Async(std::sync::Arc::new(call)))
    }

    /// Runs the handler in a worker process and sends the pieces of its iterator as they come.
    pub fn stream<F, P>(self, handler: F) -> Route
    where
        F: Fn(&mut Request) -> P + Send + Sync + 'static,
        P: IntoPieces,
    {
        self.stream_to(move |request, writer| handler(request).into_pieces().write_to(writer))
    }

    /// Runs the handler in a worker process and sends what it writes.
    pub fn stream_to<F>(self, handler: F) -> Route
    where
        F: Fn(&mut Request, &mut Writer<'_>) -> Result<(), Error> + Send + Sync + 'static,
    {
        self.handler(Handler::Stream(std::sync::Arc::new(handler)))
    }

    /// Makes the route of a handler that is one of the five kinds already.
    pub fn handler(self, handler: Handler) -> Route {
        let needs = Needs::whole_request();
        Route {
            path: self,
            handler,
            needs,
            pool: None,
            deadline: None,
            body_bytes_max: None,
            retry: None,
            csrf: None,
            hooks: Hooks::default(),
        }
    }
}
