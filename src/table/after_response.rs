//! `AfterResponse`: work of a handler that its client does not wait for.
//!
//! A hook of the route moves the work into the body of the response. The work starts when the body is dropped:
//! after its end, or when the client has left.
use std::{
    any::TypeId,
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pixie_core::{
    After, Body, BoxError, BoxFuture, Error, FromRequest, Needs, Request, RequestView, Response, Result, Route,
};
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};

use crate::table::lifecycle::{Background, run_logged};

type Work = (OwnedSemaphorePermit, BoxFuture<Result<()>>);

/// Runs work after the response has been sent. Sync, thread and async routes can take it as an argument.
///
/// The work starts when the response has been sent, or when the client has left. It does not start if the
/// status is 400 or above. A stop of the app waits for it, up to 5 s. A failure or a panic is logged.
///
/// ```standalone_crate
/// use pixie_web::{AfterResponse, App, Result, State, post};
/// use std::sync::Mutex;
///
/// #[post("/orders")]
/// async fn order(after: AfterResponse, mails: State<Mutex<Vec<&'static str>>>) -> Result<&'static str> {
///     after.run(async move {
///         mails.lock().expect("no handler panics").push("thank you for your order");
///         Ok(())
///     })?;
///     Ok("ordered")
/// }
///
/// # fn main() -> Result<()> {
/// let client = App::collect().state(Mutex::new(Vec::<&'static str>::new())).test()?;
/// client.post("/orders").send().assert_text("ordered");
/// client.finish_background();
/// # Ok(())
/// # }
/// ```
#[doc(alias("background", "background task", "job"))]
#[derive(Clone)]
pub struct AfterResponse {
    works: Arc<Mutex<Vec<Work>>>,
    background: Background,
    runtime: Handle,
}

impl AfterResponse {
    /// Returns the value of one request. The caller must be within the runtime.
    pub(crate) fn new(background: &Background) -> AfterResponse {
        AfterResponse { works: Arc::default(), background: background.clone(), runtime: Handle::current() }
    }

    /// Adds work. In a thread or sync route, the work is async as well: it runs on the runtime and must not
    /// block.
    ///
    /// # Errors
    ///
    /// Returns an error with the status 503 if 1024 pieces of work wait or run already.
    pub fn run(&self, work: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
        let place = self.background.place()?;
        self.works.lock().unwrap_or_else(PoisonError::into_inner).push((place, Box::pin(work)));
        Ok(())
    }

    fn take(&self) -> Vec<Work> {
        mem::take(&mut *self.works.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for AfterResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AfterResponse").finish_non_exhaustive()
    }
}

impl FromRequest for AfterResponse {
    fn needs(needs: &mut Needs) {
        let remedy = "its work runs in the main process: make it a sync, thread or async route";
        needs.provided(TypeId::of::<Background>(), "an `AfterResponse`", remedy);
        needs.after.push(After::new(follow));
    }

    fn from_request(request: &mut Request) -> Result<Self> {
        let missing = || Error::internal("the route does not declare its `AfterResponse`");
        request.extensions().get().cloned().ok_or_else(missing)
    }
}

/// Returns whether the handler of a route has this argument.
pub(crate) fn is_read(route: &Route) -> bool {
    route.reads().states.iter().any(|state| state.id == TypeId::of::<Background>())
}

/// Lets the work of a request follow the body of its response.
fn follow(request: &RequestView<'_>, response: &mut Response) {
    let Some(after) = request.extensions.get::<AfterResponse>() else { return };
    let works = after.take();
    if works.is_empty() || response.status().as_u16() >= 400 {
        return;
    }
    let body = response.take_body();
    response.set_body(Body::new(Followed { body, works, runtime: after.runtime.clone() }));
}

/// A body that starts work at its end.
struct Followed {
    body: Body,
    works: Vec<Work>,
    runtime: Handle,
}

impl Drop for Followed {
    fn drop(&mut self) {
        for (place, work) in self.works.drain(..) {
            self.runtime.spawn(run_logged("work after a response", place, work));
        }
    }
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
