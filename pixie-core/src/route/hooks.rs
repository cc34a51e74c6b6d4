//! `Hooks`: code that runs before and after handlers, and what it sees of a request.
//!
//! Here are the values only; in which order they run, and that they run in the main process, is the app's business. Must
//! stay true: a hook that fails refuses the request, whether it says so with an error or with `?`.
use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::{Error, IntoResponse, Request, RequestView, Response};

type BeforeCall = dyn Fn(&mut Request) -> Option<Response> + Send + Sync;
type WaitingCall = dyn for<'r> Fn(&'r mut Request) -> LentFuture<'r, Option<Response>> + Send + Sync;
type AfterCall = dyn Fn(&RequestView<'_>, &mut Response) + Send + Sync;

/// A boxed future that borrows a request: what an async hook returns, as `Box::pin(async move { … })`.
pub type LentFuture<'r, T> = Pin<Box<dyn Future<Output = T> + Send + 'r>>;

/// The hooks of an app, a group or a route, each list in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// What runs before the handler.
    pub before: Vec<Before>,
    /// What runs when the response is there.
    pub after: Vec<After>,
}

/// A hook that runs before a handler and may answer in its place.
#[derive(Clone)]
pub enum Before {
    /// Runs at once, on the connection's thread.
    Sync(Arc<BeforeCall>),
    /// Runs on the async runtime and may wait.
    Async(Arc<WaitingCall>),
}

impl Before {
    /// Makes a hook that does not wait.
    pub fn new<F, R>(hook: F) -> Before
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: EarlyAnswer,
    {
        Before::Sync(Arc::new(move |request| hook(request).into_early_answer()))
    }

    /// Makes a hook that may wait.
    pub fn asynchronous<F, R>(hook: F) -> Before
    where
        F: for<'r> Fn(&'r mut Request) -> LentFuture<'r, R> + Send + Sync + 'static,
        R: EarlyAnswer + 'static,
    {
        Before::Async(Arc::new(move |request| {
            let verdict = hook(request);
            Box::pin(async move { verdict.await.into_early_answer() })
        }))
    }
}

impl fmt::Debug for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Before::Sync(_) => "Before::Sync",
            Before::Async(_) => "Before::Async",
        })
    }
}

/// A hook that sees the finished response of a request and may change it.
#[derive(Clone)]
pub struct After(Arc<AfterCall>);

impl After {
    /// Makes a hook.
    pub fn new(hook: impl Fn(&RequestView<'_>, &mut Response) + Send + Sync + 'static) -> After {
        After(Arc::new(hook))
    }

    /// Runs it.
    pub fn run(&self, request: &RequestView<'_>, response: &mut Response) {
        (self.0)(request, response);
    }
}

impl fmt::Debug for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("After")
    }
}

/// What a before hook returns: nothing or `Ok(())` lets the request go on, anything else answers it.
///
/// Prefer a `Result` in a hook that guards: its `?` refuses the request, while the `?` of an `Option` would let it pass.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a before hook",
    label = "neither lets the request go on nor answers it",
    note = "a before hook returns `()`, `Result<()>`, an `Option` of a response, or a `Result` with such an `Option`"
)]
pub trait EarlyAnswer {
    /// Returns the response that takes the handler's place, if there is one.
    fn into_early_answer(self) -> Option<Response>;
}

impl EarlyAnswer for () {
    fn into_early_answer(self) -> Option<Response> {
        None
    }
}

impl<T: IntoResponse> EarlyAnswer for Option<T> {
    fn into_early_answer(self) -> Option<Response> {
        self.map(IntoResponse::into_response)
    }
}

impl<T: EarlyAnswer, E: Into<Error>> EarlyAnswer for Result<T, E> {
    fn into_early_answer(self) -> Option<Response> {
        match self {
            Ok(verdict) => verdict.into_early_answer(),
            Err(error) => Some(error.into().into()),
        }
    }
}
