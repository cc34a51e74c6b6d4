//! `Hooks`: code that runs before and after handlers.
//!
//! These are only the values. The app runs them, in the main process, in its own order. Invariant: a hook
//! that returns an error rejects the request.
use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::{IntoError, IntoResponse, Request, RequestView, Response};

type BeforeCall = dyn Fn(&mut Request) -> Option<Response> + Send + Sync;
type WaitingCall = dyn for<'r> Fn(&'r mut Request) -> LentFuture<'r, Option<Response>> + Send + Sync;
type AfterCall = dyn Fn(&RequestView<'_>, &mut Response) + Send + Sync;

/// A boxed future that borrows a request.
pub type LentFuture<'r, T> = Pin<Box<dyn Future<Output = T> + Send + 'r>>;

/// The hooks of an app, a group or a route, in the order in which they were added.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Hooks {
    /// The hooks that run before the handler.
    pub before: Vec<Before>,
    /// The hooks that run after the handler.
    pub after: Vec<After>,
}

/// A hook that runs before a handler and may answer in its place.
///
/// ```
/// use pixie_core::{Before, Request, Result, abort};
/// fn signed_in(request: &mut Request) -> Result<()> {
///     match request.cookies().get("session") {
///         Some(_) => Ok(()),
///         None => Err(abort(401).with_detail("sign in first")),
///     }
/// }
/// let hook = Before::new(signed_in);
/// # let _ = hook;
/// ```
#[derive(Clone)]
pub enum Before {
    /// Runs on the connection's thread and must not wait.
    Sync(Arc<BeforeCall>),
    /// Runs on the async runtime and may wait.
    Async(Arc<WaitingCall>),
}

impl Before {
    /// Returns a hook that does not wait.
    pub fn new<F, R>(hook: F) -> Before
    where
        F: Fn(&mut Request) -> R + Send + Sync + 'static,
        R: EarlyAnswer,
    {
        Before::Sync(Arc::new(move |request| hook(request).into_early_answer()))
    }

    /// Returns a hook that may wait.
    pub fn new_async(hook: impl for<'r> AsyncHook<'r>) -> Before {
        Before::Async(Arc::new(move |request| hook.answer(request)))
    }
}

/// A before hook that may wait: an `async fn(&mut Request)` with a return type of a before hook, or an async
/// closure such as `async |request: &mut Request| …`. A closure that uses values around it needs
/// [`boxed_hook`]; an `async fn` can read values of the app with `State::<T>::from_request(request)`.
///
/// ```
/// use pixie_core::{Before, Request, Result, abort};
/// async fn is_known(token: &str) -> bool { token == "letmein" }
///
/// async fn sign_in(request: &mut Request) -> Result<()> {
///     match request.header("x-token") {
///         Some(token) if is_known(token).await => Ok(()),
///         _ => Err(abort(401)),
///     }
/// }
/// let hook = Before::new_async(sign_in);
/// # let _ = hook;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async hook",
    label = "not an `async fn(&mut Request)`",
    note = "write `async fn hook(request: &mut Request) -> Result<()>`, or a closure `async |request: &mut Request| …`",
    note = "a closure that uses values around it is `boxed_hook(move |request| Box::pin(async move {{ … }}))`",
    note = "what the hook holds while it waits must be `Send`"
)]
pub trait AsyncHook<'r>: Send + Sync + 'static {
    /// Runs the hook. Returns the response in place of the handler's, or `None` to continue.
    fn answer(&self, request: &'r mut Request) -> LentFuture<'r, Option<Response>>;
}

impl<'r, F, A> AsyncHook<'r> for F
where
    F: Fn(&'r mut Request) -> A + Send + Sync + 'static,
    A: Future<Output: EarlyAnswer> + Send + 'r,
{
    fn answer(&self, request: &'r mut Request) -> LentFuture<'r, Option<Response>> {
        let verdict = self(request);
        Box::pin(async move { verdict.await.into_early_answer() })
    }
}

/// Returns a closure as it is, as an async hook that may use values around it.
///
/// ```
/// use pixie_core::{Before, Result, abort, boxed_hook};
/// let open = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
/// let hook = Before::new_async(boxed_hook(move |request| {
///     let open = open.clone();
///     Box::pin(async move {
///         match open.load(std::sync::atomic::Ordering::Relaxed) || request.path() == "/status" {
///             true => Ok(()),
///             false => Err(abort(503)),
///         }
///     })
/// }));
/// # let _ = hook;
/// ```
pub fn boxed_hook<F, R>(hook: F) -> F
where
    F: for<'r> Fn(&'r mut Request) -> LentFuture<'r, R> + Send + Sync + 'static,
    R: EarlyAnswer + 'static,
{
    hook
}

impl fmt::Debug for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Before::Sync(_) => "Before::Sync",
            Before::Async(_) => "Before::Async",
        })
    }
}

/// A hook that gets the finished response and may change it.
///
/// ```
/// use pixie_core::{After, HeaderValue, RequestView, Response};
/// let hook = After::new(|request: &RequestView<'_>, response: &mut Response| {
///     if request.path().starts_with("/private/") {
///         response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
///     }
/// });
/// # let _ = hook;
/// ```
#[derive(Clone)]
pub struct After(Arc<AfterCall>);

impl After {
    /// Returns a hook.
    pub fn new(hook: impl Fn(&RequestView<'_>, &mut Response) + Send + Sync + 'static) -> After {
        After(Arc::new(hook))
    }

    /// Runs the hook.
    pub fn run(&self, request: &RequestView<'_>, response: &mut Response) {
        (self.0)(request, response);
    }
}

impl fmt::Debug for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("After")
    }
}

/// What a before hook returns. `()`, `Ok(())` and `None` let the request continue, everything else is the
/// response.
///
/// Prefer a `Result` in a hook that guards: `?` on a `Result` rejects the request, but `?` on an `Option`
/// lets it pass.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a before hook",
    label = "not a return type of a before hook",
    note = "a before hook returns `()`, `Result<()>`, an `Option` of a response, or a `Result` with such an `Option`"
)]
pub trait EarlyAnswer {
    /// Returns the response in place of the handler's, or `None` to continue.
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

impl<T: EarlyAnswer, E: IntoError> EarlyAnswer for Result<T, E> {
    fn into_early_answer(self) -> Option<Response> {
        match self {
            Ok(verdict) => verdict.into_early_answer(),
            Err(error) => Some(error.into_error().into()),
        }
    }
}
