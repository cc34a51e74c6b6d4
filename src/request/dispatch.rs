//! Dispatch: finds the route of a request, prepares the request, and runs the handler where its plan says.
//!
//! `answer` is called by the service. Functions on the way to the handler return what was answered; every
//! response passes `outcome::finish` once, in `run` if it is there at once and in `later` if it comes later.
use std::{
    future::ready,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{StatusCode, header};
use pixie_core::{BoxFuture, Found, Request, Response, Result};
use tokio::time::timeout;

use crate::{
    jobs::submit as jobs,
    request::{
        arriving::{self, Lent},
        intake,
        outcome::{self, Asked, Asker},
        service::HttpResponse,
    },
    table::{
        Call, Composed, Endpoint, Intake, Plan,
        hooks::Answered,
        meter::Measured,
        panics,
        refusal::{self, refuse, refuse_with},
    },
};

/// Time after which a sync route that still runs is reported in development, because it blocks the other
/// connections of its thread. People notice 100 ms, and several requests can wait behind one handler.
const SYNC_HOLD_MAX: Duration = Duration::from_millis(50);

/// A response, or the future of one.
pub(crate) enum Answer {
    Ready(Response),
    Later(BoxFuture<HttpResponse>),
}

/// Answers a request. A request that need not wait runs before any future exists.
pub(crate) fn answer(app: &Arc<Composed>, mut request: Request, measured: &mut Measured) -> Answer {
    let endpoint = match app.router.find(request.method(), request.path()) {
        Found::Route { value, params } => {
            request.plumbing_mut().params = params;
            value
        }
        _ => app.unrouted(request.path()),
    };
    measured.by(&endpoint.meter);
    if endpoint.has_ids {
        app.request_ids.identify(&mut request);
    }
    if endpoint.reads_state {
        request.plumbing_mut().state = Some(app.state.clone());
    }
    let chain = &endpoint.chain;
    let refusal = if endpoint.is_guarded { app.trusted_origins.refusal(&request) } else { None };
    let early = match refusal {
        Some(refusal) => Some(chain.refused(refusal)),
        None => chain.before(&mut request),
    };
    if early.is_some() || (!chain.waits() && intake::is_ready(&request, endpoint)) {
        return run(app, endpoint, request, early);
    }
    Answer::Later(Box::pin(prepared(app.clone(), endpoint.clone(), request)))
}

/// Waits for the before hooks and for the body, then runs the request.
async fn prepared(app: Arc<Composed>, endpoint: Arc<Endpoint>, mut request: Request) -> HttpResponse {
    let chain = &endpoint.chain;
    let early = match chain.before_waiting(app.settings.deadline, &mut request).await {
        Some(early) => Some(early),
        None => {
            let failed = intake::read_body(&app, &mut request, &endpoint).await.err();
            failed.map(|error| chain.passed(error.into()))
        }
    };
    match run(&app, &endpoint, request, early) {
        Answer::Ready(response) => response.into_http(),
        Answer::Later(future) => future.await,
    }
}

/// Runs the handler, unless the request was answered early: the one place where the kinds of routes differ.
/// What is answered at once leaves here, what is answered later leaves in [`later`].
fn run(app: &Arc<Composed>, endpoint: &Arc<Endpoint>, mut request: Request, early: Option<Answered>) -> Answer {
    let (chain, bytes_max) = (&endpoint.chain, endpoint.body_bytes_max);
    let arrives = endpoint.intake == Intake::Arriving;
    let answered = match early {
        Some(early) => early,
        None => match &endpoint.plan {
            Plan::Sync(handler) => chain.passed(on_connection(app, endpoint, handler, &mut request)),
            Plan::Unrouted => chain.passed(unrouted(app.router.find(request.method(), request.path()))),
            Plan::Thread { handler, deadline } => {
                let (asker, handler) = (Asker::of(app, chain, &request), handler.clone());
                let lent = arrives.then(|| arriving::lend(&mut request, bytes_max)).transpose();
                let response = on_thread(app.clone(), *deadline, lent, move || handler(&mut request));
                return later(app, endpoint, asker, response);
            }
            Plan::Async { handler, deadline } => {
                let asker = Asker::of(app, chain, &request);
                let watched = arrives.then(|| arriving::watch(&mut request, bytes_max)).transpose();
                let response =
                    watched.and_then(|watched| Ok((watched.flatten(), panics::caught(|| handler(request))?)));
                let (watched, response) = match response {
                    Ok((watched, future)) => (watched, panics::caught_async(future, Response::from)),
                    Err(error) => return later(app, endpoint, asker, ready(error.into())),
                };
                return match (*deadline, watched) {
                    (None, None) => later(app, endpoint, asker, response),
                    (Some(_), None) => later(app, endpoint, asker, within(*deadline, response)),
                    (_, Some(watched)) => later(app, endpoint, asker, watched.settle(within(*deadline, response))),
                };
            }
            Plan::Pooled { slot, .. } => {
                let asker = Asker::of(app, chain, &request);
                return match arrives.then(|| arriving::for_job(&mut request, bytes_max)).transpose() {
                    Ok(arriving) => {
                        let job = jobs::submit(app.clone(), endpoint.clone(), slot.clone(), request, arriving);
                        later(app, endpoint, asker, job)
                    }
                    Err(error) => later(app, endpoint, asker, ready(error.into())),
                };
            }
        },
    };
    Answer::Ready(outcome::finish(app, chain, &Asked::Here(&request), answered))
}

/// Finishes a response that comes later. Each kind has a future of its own size, so that the small ones stay
/// small.
fn later<F>(app: &Arc<Composed>, endpoint: &Arc<Endpoint>, asker: Asker, response: F) -> Answer
where
    F: Future<Output = Response> + Send + 'static,
{
    let (app, endpoint) = (app.clone(), endpoint.clone());
    Answer::Later(Box::pin(async move {
        let answered = endpoint.chain.passed(response.await);
        outcome::finish(&app, &endpoint.chain, &Asked::Gone(&asker), answered).into_http()
    }))
}

/// Runs a sync handler.
fn on_connection(app: &Composed, endpoint: &Endpoint, handler: &Call, request: &mut Request) -> Response {
    // Measured in development only, because reading the clock twice is a visible part of such a request.
    let started = app.settings.development.then(Instant::now);
    let response = panics::caught(|| handler(request)).unwrap_or_else(Response::from);
    if let Some(held) = started.map(|started| started.elapsed()).filter(|held| *held > SYNC_HOLD_MAX) {
        let fix = "make it a thread, async or pool route";
        tracing::warn!(route = %endpoint.label, ?held, "a sync route held its connection's thread: {fix}");
    }
    response
}

/// Runs blocking code on a thread, as soon as one is free. The deadline counts from then on. The permit stays
/// with the thread until the code has ended, even if its client has left. The code can read an arriving body
/// only while this future exists.
async fn on_thread(
    app: Arc<Composed>,
    deadline: Option<Duration>,
    lent: Result<Option<Lent>>,
    run: impl FnOnce() -> Response + Send + 'static,
) -> Response {
    let lent = match lent {
        Ok(lent) => lent,
        Err(error) => return error.into(),
    };
    let Ok(permit) = timeout(app.settings.queue_timeout, app.threads.clone().acquire_owned()).await else {
        return refusal::overloaded("all threads are busy: try again later", Duration::from_secs(1)).into();
    };
    let answer = async {
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            panics::caught(run)
        });
        let response = match task.await {
            Ok(outcome) => outcome.unwrap_or_else(Response::from),
            Err(_) => refusal::stopping().into(),
        };
        match lent {
            Some(lent) => lent.settle(response),
            None => response,
        }
    };
    within(deadline, answer).await
}

/// Waits for a response. After the deadline, the response is 504.
async fn within(deadline: Option<Duration>, answer: impl Future<Output = Response>) -> Response {
    let Some(deadline) = deadline else { return answer.await };
    timeout(deadline, answer).await.unwrap_or_else(|_| refusal::too_slow(deadline).into())
}

/// Returns the response of a request without a route.
fn unrouted(found: Found<'_, Arc<Endpoint>>) -> Response {
    match found {
        Found::Options { allow } => Response::empty(StatusCode::NO_CONTENT).header(header::ALLOW, allow),
        Found::MethodNotAllowed { allow } => {
            let detail = format!("this address answers {}", allow.to_str().unwrap_or_default());
            let refused = refuse_with(StatusCode::METHOD_NOT_ALLOWED, detail);
            refused.with_header(header::ALLOW, allow).into()
        }
        Found::BadPath => refuse_with(StatusCode::BAD_REQUEST, "the path's percent-encoding is broken").into(),
        _ => refuse(StatusCode::NOT_FOUND).into(),
    }
}
