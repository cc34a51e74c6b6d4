//! Dispatch: the one place where the five kinds of route differ.
//!
//! A request comes in with its body still on the way; the route is found, the body is read if the handler wants it, and the
//! handler runs where its kind says. Every failure on the way becomes an error page in `outcome.rs`.
use std::{sync::Arc, time::Duration};

use http::{StatusCode, header};
use pixie_core::{BoxFuture, Found, Handler, Request, Response, abort};
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
    if intake::is_ready(&request, endpoint) {
        return run(app, endpoint, request);
    }
    let (app, endpoint) = (app.clone(), endpoint.clone());
    Answer::Later(Box::pin(async move {
        if let Err(error) = intake::read_body(&mut request, &endpoint).await {
            return outcome::finish(&app, &request, error.into()).into_http();
        }
        match run(&app, &endpoint, request) {
            Answer::Ready(response) => response.into_http(),
            Answer::Later(future) => future.await,
        }
    }))
}

/// Runs the handler where its kind says. Each kind has a future of its own size, so that none pays for the largest.
fn run(app: &Arc<Composed>, endpoint: &Arc<Endpoint>, mut request: Request) -> Answer {
    let deadline = endpoint.route.deadline_of();
    match endpoint.route.handler() {
        Handler::Sync(handler) => {
            let response = panics::caught(|| handler(&mut request)).unwrap_or_else(Response::from);
            Answer::Ready(outcome::finish(app, &request, response))
        }
        Handler::Thread(handler) => {
            let (asker, handler) = (Asker::of(app, &request), handler.clone());
            let answer = on_thread(app.clone(), move || handler(&mut request));
            later(app, asker, within(deadline, answer))
        }
        Handler::Async(handler) => {
            let asker = Asker::of(app, &request);
            let answer = match panics::caught(|| handler(request)) {
                Ok(future) => panics::caught_async(future),
                Err(error) => return Answer::Ready(outcome::finish_for(app, &asker, error.into())),
            };
            match deadline {
                None => later(app, asker, answer),
                Some(_) => later(app, asker, within(deadline, answer)),
            }
        }
        // The worker process tells the two apart (`worker.rs`); from here they are alike.
        Handler::Pool(_) | Handler::Stream(_) => {
            let asker = Asker::of(app, &request);
            later(app, asker, jobs::submit(app.clone(), endpoint.clone(), request))
        }
    }
}

fn later(app: &Arc<Composed>, asker: Asker, answer: impl Future<Output = Response> + Send + 'static) -> Answer {
    let app = app.clone();
    Answer::Later(Box::pin(async move { outcome::finish_for(&app, &asker, answer.await).into_http() }))
}

/// Runs blocking code on a thread, once one is free. The permit stays with the thread, even if nobody waits for it any more.
async fn on_thread(app: Arc<Composed>, run: impl FnOnce() -> Response + Send + 'static) -> Response {
    let Ok(permit) = timeout(app.settings.queue_timeout, app.threads.clone().acquire_owned()).await else {
        return outcome::overloaded("all threads are busy: try again later", Duration::from_secs(1)).into();
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
