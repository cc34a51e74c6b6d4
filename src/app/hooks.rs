//! Code that runs before and after all handlers of an app, and its error pages.
use http::StatusCode;
use pixie_core::{After, AsyncHook, Before, EarlyAnswer, Error, ErrorView, Request, RequestView, Response};

use crate::app::App;

/// # Hooks and error pages
impl App {
    /// Runs a hook before every handler, in the main process. The hook may answer instead of the handler.
    ///
    /// Hooks run in this order: app, groups from outer to inner, route. Then the handler runs, then the after
    /// hooks in reverse order. If a hook answers, the inner levels and the handler are skipped, but the after
    /// hooks of its own level and of the outer levels run. A request without a route runs the hooks of the
    /// app and of the groups that contain its path. The body of the request has not been read yet, so a hook
    /// can refuse a large upload early.
    ///
    /// The hook runs on the connection's thread. If it has to wait, use [`App::before_async`].
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, Carried, OrAbort, Request, Result, Route, get};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// struct User { name: String }
    ///
    /// fn sign_in(request: &mut Request) -> Result<()> {
    ///     let name = request.header("x-user").or_abort(401)?.to_owned();
    ///     request.carry(&User { name })
    /// }
    ///
    /// #[get("/me", pool)]
    /// fn me(user: Carried<User>) -> String {
    ///     format!("Hello {}", user.name)
    /// }
    ///
    /// # let app = App::collect();
    /// let client = app.before(sign_in).test()?;
    /// client.get("/me").send().assert_status(401);
    /// client.get("/me").header("x-user", "Ada").send().assert_text("Hello Ada");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("middleware", "filter", "guard"))]
    pub fn before<F, R>(mut self, hook: F) -> App
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: EarlyAnswer,
    {
        self.level.hooks.before.push(Before::new(hook));
        self
    }

    /// Like [`App::before`], for a hook that waits: an `async fn`. If it takes longer than [`App::deadline`],
    /// the client gets 504. [`AsyncHook`](crate::core::AsyncHook) says which closures are hooks.
    ///
    /// ```
    /// use pixie_web::{App, FromRequest, Request, Result, Route, State, abort};
    /// struct Doors { closed: &'static str }
    /// impl Doors {
    ///     async fn is_open(&self, path: &str) -> bool { path != self.closed }
    /// }
    ///
    /// async fn check(request: &mut Request) -> Result<()> {
    ///     let doors = State::<Doors>::from_request(request)?;
    ///     if doors.is_open(request.path()).await { Ok(()) } else { Err(abort(403)) }
    /// }
    ///
    /// let app = App::new().route(Route::get("/<page>").sync(|_| "a page")).before_async(check);
    /// let client = app.state(Doors { closed: "/secret" }).test()?;
    /// client.get("/open").send().assert_status(200);
    /// client.get("/secret").send().assert_status(403);
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("middleware"))]
    pub fn before_async(mut self, hook: impl for<'r> AsyncHook<'r>) -> App {
        self.level.hooks.before.push(Before::new_async(hook));
        self
    }

    /// Runs a hook on every finished response, including error pages. The hook may change the response. The
    /// last hook added runs first.
    ///
    /// ```
    /// # use pixie_web::{App, HeaderValue, Route};
    /// let app = App::new().route(Route::get("/").sync(|_| "Hello")).after(|request, response| {
    ///     let value = if request.path() == "/" { "index" } else { "other" };
    ///     response.headers_mut().insert("x-page", HeaderValue::from_static(value));
    /// });
    /// let client = app.test()?;
    /// client.get("/").send().assert_header("x-page", "index");
    /// client.get("/missing").send().assert_status(404).assert_header("x-page", "other");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("middleware", "interceptor"))]
    pub fn after(mut self, hook: impl Fn(&RequestView<'_>, &mut Response) + Send + Sync + 'static) -> App {
        self.level.hooks.after.push(After::new(hook));
        self
    }

    /// Replaces the page of one error status. The response gets the status of the error, and its headers. If
    /// the page fails or panics, this is logged and the built-in page is shown.
    ///
    /// ```
    /// use pixie_web::{App, Html, IntoResponse, Route};
    ///
    /// let app = App::new().route(Route::get("/").sync(|_| "Hello"));
    /// let app = app.error_page(404, |_, view| Html(format!("no page at {}", view.path)).into_response());
    /// let client = app.test()?;
    /// client.get("/missing").send().assert_status(404).assert_text("no page at /missing");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("error handler", "catcher", "404"))]
    pub fn error_page<F>(mut self, code: u16, page: F) -> App
    where
        F: Fn(&Error, &ErrorView<'_>) -> Response + Send + Sync + 'static,
    {
        // `compose` refuses a number that is not an error status.
        self.level.pages.push((StatusCode::from_u16(code).ok(), Box::new(page)));
        self
    }

    /// Replaces the pages of all error statuses that have no page of their own. `error.render(view)` is the
    /// built-in page. The response gets the status of the error, and its headers. The pages of the innermost
    /// group apply.
    ///
    /// ```
    /// use pixie_web::{App, Html, IntoResponse, Route, core::Media};
    ///
    /// let app = App::new().route(Route::get("/").sync(|_| "Hello")).error_pages(|error, view| match view.media {
    ///     Media::Html => Html(format!("<h1>Sorry: {}</h1>", error.status())).into_response(),
    ///     _ => error.render(view),
    /// });
    /// let client = app.test()?;
    /// client.get("/missing").header("accept", "text/html").send().assert_status(404).assert_text("<h1>Sorry: 404 Not Found</h1>");
    /// client.post("/").header("accept", "text/html").send().assert_status(405);
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("error handler", "exception handler", "catcher"))]
    pub fn error_pages<F>(mut self, page: F) -> App
    where
        F: Fn(&Error, &ErrorView<'_>) -> Response + Send + Sync + 'static,
    {
        self.level.other_pages = Some(Box::new(page));
        self
    }
}
