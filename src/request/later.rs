//! The future of a response that is not there at once.
//!
//! Written by hand, because the future of an `async` function has room for each of its arguments twice: those of
//! most requests are small enough for the allocator's fast path, and are moved once.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use pin_project_lite::pin_project;
use pixie_core::{BoxFuture, HttpResponse, Response};

use crate::{
    request::outcome::{self, Asked, Asker},
    table::{Composed, Endpoint, hooks::Answered, timing},
};

pin_project! {
    /// Waits for the response of a handler and finishes it.
    pub(super) struct Later<F> {
        #[pin]
        response: F,
        // When the handler was started, if the request is measured; `None` before that.
        started: Option<Option<Instant>>,
        rest: Option<(Arc<Composed>, Arc<Endpoint>, Asker)>,
        // Saves the session. Boxed, so that the futures of requests without a session stay small.
        finished: Option<BoxFuture<HttpResponse>>,
    }
}

impl<F> Later<F> {
    pub(super) fn new(app: Arc<Composed>, endpoint: Arc<Endpoint>, asker: Asker, response: F) -> Self {
        Later { response, started: None, rest: Some((app, endpoint, asker)), finished: None }
    }
}

impl<F: Future<Output = Response>> Future for Later<F> {
    type Output = HttpResponse;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<HttpResponse> {
        let this = self.project();
        if this.finished.is_none() {
            let started = *this.started.get_or_insert_with(timing::now);
            let response = ready!(this.response.poll(cx));
            timing::note_handler(started.map(|started| started.elapsed()));
            let (app, endpoint, asker) = this.rest.take().expect("polled once more after it was ready");
            let answered = endpoint.chain.passed(response);
            if app.sessions.is_none() || asker.session().is_none() {
                return Poll::Ready(finish(&app, &endpoint, &asker, answered));
            }
            *this.finished = Some(Box::pin(finished(app, endpoint, asker, answered)));
        }
        this.finished.as_mut().map_or(Poll::Pending, |finished| finished.as_mut().poll(cx))
    }
}

/// Saves the session of a request, if it has one, and finishes the response.
pub(super) async fn finished(
    app: Arc<Composed>,
    endpoint: Arc<Endpoint>,
    asker: Asker,
    mut answered: Answered,
) -> HttpResponse {
    let mut kept = None;
    if let (Some(sessions), Some(session)) = (&app.sessions, asker.session()) {
        kept = Some(sessions.keep(session, asker.scheme(), &mut answered.response).await);
    }
    let mut response = finish(&app, &endpoint, &asker, answered);
    if let Some(kept) = kept {
        outcome::add_session(response.headers_mut(), kept);
    }
    response
}

fn finish(app: &Composed, endpoint: &Endpoint, asker: &Asker, mut answered: Answered) -> HttpResponse {
    outcome::finish(app, &endpoint.chain, &Asked::Gone(asker), &mut answered);
    answered.response.into_http()
}
