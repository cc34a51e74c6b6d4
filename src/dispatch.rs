//! Dispatch: the one place where the five kinds of route differ.
//!
//! A request comes in with its body still on the way; the route is found, the body is read if the handler wants it, and the
//! handler runs where its kind says. Every failure on the way becomes an error page in `outcome.rs`.
use std::{sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header};
use pixie_core::{BodyUse, BoxFuture, Found, Handler, Request, Response, abort};
use tokio::time::timeout;

use crate::{
    compose::{Composed, Endpoint},
    intake, jobs,
    outcome::{self, Asker},
    panics,
    service::HttpResponse,
};

/// An answer that is there, or one that comes.
pub(crate) enum Answer {
    Ready(Response),
    Later(BoxFuture<HttpResponse>),
}

/// Answers a request.
pub(crate) fn answer(app: &Arc<Composed>, mut request: Request) -> Answer {
    let endpoint = match app.router.find(request.method(), request.path()) {
        Found::Route { value, params } => {
            request.set_params(params);
            value
        }
        other => return Answer::Ready(outcome::finish(app, &request, not_found(other))),
    };
    if endpoint.reads_state {
        request.set_state(app.state.clone());
    }
    // The fast path: a handler that neither waits nor reads a body is done before any future exists.
    if let Handler::Sync(handler) = endpoint.route.handler()
        && match endpoint.route.reads().body {
            BodyUse::Unused => true,
            BodyUse::Form => false,
            BodyUse::Whole | BodyUse::Stream => request.has_whole_body(),
        }
    {
        let response = panics::caught(|| handler(&mut request)).unwrap_or_else(Response::from);
        return Answer::Ready(outcome::finish(app, &request, response));
    }
    let (app, endpoint) = (app.clone(), endpoint.clone());
    Answer::Later(Box::pin(async move { later(app, endpoint, request).await.into_http() }))
}

async fn later(app: Arc<Composed>, endpoint: Arc<Endpoint>, mut request: Request) -> Response {
    let asker = Asker::of(&app, &request);
    let response = match intake::read_body(&app, &mut request, &endpoint).await {
        Ok(()) => run(&app, &endpoint, request).await,
        Err(error) => error.into(),
    };
    outcome::finish_for(&app, &asker, response)
}

/// Runs the handler where its kind says.
async fn run(app: &Arc<Composed>, endpoint: &Endpoint, mut request: Request) -> Response {
    let deadline = endpoint.route.deadline_of();
    match endpoint.route.handler() {
        Handler::Sync(handler) => panics::caught(|| handler(&mut request)).unwrap_or_else(Response::from),
        Handler::Thread(handler) => {
            let handler = handler.clone();
            within(deadline, on_thread(app, move || handler(&mut request))).await
        }
        Handler::Async(handler) => {
            let future = panics::caught_async(|| handler(request));
            within(deadline, async { future.await.unwrap_or_else(Response::from) }).await
        }
        // The worker process tells the two apart (`worker.rs`); from here they are alike.
        Handler::Pool(_) | Handler::Stream(_) => jobs::submit(app, endpoint, request).await,
    }
}

/// Runs blocking code on a thread, once one is free. The permit stays with the thread, even if nobody waits for it any more.
async fn on_thread(app: &Composed, run: impl FnOnce() -> Response + Send + 'static) -> Response {
    let Ok(permit) = timeout(app.settings.queue_timeout, app.threads.clone().acquire_owned()).await else {
        let detail = "all threads are busy: try again later";
        return abort(503).with_detail(detail).with_header(header::RETRY_AFTER, HeaderValue::from_static("1")).into();
    };
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        panics::caught(run)
    });
    match task.await {
        Ok(outcome) => outcome.unwrap_or_else(Response::from),
        Err(_) => outcome::stopping().into(),
    }
}

/// Waits for an answer, at most until the deadline: then it is 504.
async fn within(deadline: Option<Duration>, answer: impl Future<Output = Response>) -> Response {
    let Some(deadline) = deadline else { return answer.await };
    timeout(deadline, answer).await.unwrap_or_else(|_| outcome::too_slow(deadline).into())
}

/// The answers that need no route.
fn not_found(found: Found<'_, Arc<Endpoint>>) -> Response {
    let refused = match found {
        Found::Options { allow } => {
            return Response::empty(StatusCode::NO_CONTENT).header(header::ALLOW, allow.header_value());
        }
        Found::MethodNotAllowed { allow } => abort(405)
            .with_detail(format!("this address answers {}", allow.as_str()))
            .with_header(header::ALLOW, allow.header_value()),
        Found::BadPath => abort(400).with_detail("the path's percent-encoding is broken"),
        Found::NotFound | Found::Route { .. } => abort(404),
    };
    // The place would be this line, which says nothing.
    refused.with_place(None).into()
}
