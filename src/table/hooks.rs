//! The chain of hooks of a request: those of the app, of its groups from outer to inner, and of its route.
//!
//! Before hooks run inwards in the order in which they were added. After hooks run outwards in reverse order.
//! Invariant: if a hook answers a request, only the after hooks of the levels that the request has entered
//! run.
use std::{sync::Arc, time::Duration};

use http::StatusCode;
use pixie_core::{After, Before, EarlyAnswer, Error, Hooks, LentFuture, Request, RequestView, Response};
use tokio::time::timeout;

use crate::{
    app::{App, ErrorPage},
    request::outcome,
    table::panics,
};

type Immediate = Arc<dyn Fn(&mut Request) -> Option<Response> + Send + Sync>;

/// The hooks and error pages of an app, a group or a route.
#[derive(Default)]
pub(crate) struct Level {
    pub(crate) hooks: Hooks,
    /// The status is `None` if the number was not a status. `compose` refuses such a page.
    pub(crate) pages: Vec<(Option<StatusCode>, ErrorPage)>,
}

/// The levels of one route, ready to run.
pub(crate) struct Chain {
    levels: Vec<Arc<Level>>,
    before: Befores,
    /// In the order in which they run, each with the depth of its level.
    after: Vec<(usize, After)>,
}

/// In the order in which they run, each with the depth of its level.
enum Befores {
    Immediate(Vec<(usize, Immediate)>),
    Waiting(Vec<(usize, Before)>),
}

/// A response, and the number of levels that its request has entered.
pub(crate) struct Answered {
    pub(crate) response: Response,
    pub(crate) depth: usize,
}

impl Chain {
    /// Combines levels. The app's level is first.
    pub(crate) fn new(levels: Vec<Arc<Level>>) -> Chain {
        let numbered = || levels.iter().enumerate().map(|(index, level)| (index + 1, &level.hooks));
        let before =
            Befores::of(numbered().flat_map(|(depth, hooks)| hooks.before.iter().map(move |hook| (depth, hook))));
        let after = numbered().flat_map(|(depth, hooks)| hooks.after.iter().map(move |hook| (depth, hook.clone())));
        let mut after: Vec<_> = after.collect();
        after.reverse();
        Chain { levels, before, after }
    }

    /// Returns whether a before hook may wait.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.before, Befores::Waiting(_))
    }

    /// Returns whether there are before hooks.
    pub(crate) fn has_before(&self) -> bool {
        !matches!(&self.before, Befores::Immediate(hooks) if hooks.is_empty())
    }

    /// Returns whether there are after hooks.
    pub(crate) fn has_after(&self) -> bool {
        !self.after.is_empty()
    }

    /// Runs the before hooks of a chain that does not wait.
    pub(crate) fn before(&self, request: &mut Request) -> Option<Answered> {
        let Befores::Immediate(hooks) = &self.before else { return None };
        hooks.iter().find_map(|(depth, hook)| {
            let answer = panics::caught(|| hook(request)).unwrap_or_else(failed);
            answer.map(|response| Answered { response, depth: *depth })
        })
    }

    /// Runs the before hooks of a chain that waits. Each hook may take as long as the deadline.
    pub(crate) async fn before_waiting(&self, deadline: Duration, request: &mut Request) -> Option<Answered> {
        let Befores::Waiting(hooks) = &self.before else { return None };
        for (depth, hook) in hooks {
            let answer = match hook {
                Before::Sync(hook) => panics::caught(|| hook(request)).unwrap_or_else(failed),
                Before::Async(hook) => match panics::caught(|| hook(request)) {
                    Ok(future) => waited(deadline, panics::caught_async(future, failed)).await,
                    Err(panic) => failed(panic),
                },
            };
            if let Some(response) = answer {
                return Some(Answered { response, depth: *depth });
            }
        }
        None
    }

    /// Returns the response of a request that has passed all before hooks.
    pub(crate) fn passed(&self, response: Response) -> Answered {
        Answered { response, depth: self.levels.len() }
    }

    /// Returns the after hooks of the levels that a request has entered, in the order in which they run.
    pub(crate) fn after(&self, reached: usize) -> impl Iterator<Item = &After> {
        self.after.iter().filter(move |(depth, _)| *depth <= reached).map(|(_, hook)| hook)
    }

    /// Returns the innermost page for a status.
    pub(crate) fn page(&self, status: StatusCode) -> Option<&ErrorPage> {
        let mut pages = self.levels.iter().rev().flat_map(|level| &level.pages);
        pages.find(|(known, _)| *known == Some(status)).map(|(_, page)| page)
    }
}

/// A hook that fails refuses the request.
fn failed(error: Error) -> Option<Response> {
    Some(error.into())
}

async fn waited(deadline: Duration, answer: impl Future<Output = Option<Response>>) -> Option<Response> {
    timeout(deadline, answer).await.unwrap_or_else(|_| failed(outcome::too_slow(deadline)))
}

impl Befores {
    fn of<'h>(hooks: impl Iterator<Item = (usize, &'h Before)> + Clone) -> Befores {
        let immediate = hooks.clone().map(|(depth, hook)| match hook {
            Before::Sync(hook) => Some((depth, hook.clone())),
            Before::Async(_) => None,
        });
        match immediate.collect() {
            Some(all) => Befores::Immediate(all),
            None => Befores::Waiting(hooks.map(|(depth, hook)| (depth, hook.clone())).collect()),
        }
    }
}

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
    pub fn before<F, R>(mut self, hook: F) -> App
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: EarlyAnswer,
    {
        self.level.hooks.before.push(Before::new(hook));
        self
    }

    /// Like [`App::before`], for a hook that waits. If it takes longer than [`App::deadline`], the client
    /// gets 504.
    ///
    /// ```
    /// use pixie_web::{App, Request, Result, Route, abort};
    /// async fn is_welcome(request: &Request) -> bool { request.path() != "/secret" }
    ///
    /// let app = App::new().route(Route::get("/<page>").sync(|_| "a page")).before_async(|request| {
    ///     Box::pin(async move {
    ///         let welcome = is_welcome(request).await;
    ///         if welcome { Ok(()) } else { Err(abort(403)) }
    ///     })
    /// });
    /// let client = app.test()?;
    /// client.get("/open").send().assert_status(200);
    /// client.get("/secret").send().assert_status(403);
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn before_async<F, R>(mut self, hook: F) -> App
    where
        F: for<'r> Fn(&'r mut Request) -> LentFuture<'r, R> + Send + Sync + 'static,
        R: EarlyAnswer + 'static,
    {
        self.level.hooks.before.push(Before::asynchronous(hook));
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
    pub fn after(mut self, hook: impl Fn(&RequestView<'_>, &mut Response) + Send + Sync + 'static) -> App {
        self.level.hooks.after.push(After::new(hook));
        self
    }
}
