//! Dispatch: finds the route of a request, prepares the request, and runs the handler where its plan says.
//!
//! `answer` is called by the service. Functions on the way to the handler return what was answered; every
//! response passes `outcome::finish` once, in `run` if it is there at once and in `later` if it comes later.
use std::{
    future::ready,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{StatusCode, header};
use pixie_core::{BoxFuture, Found, HttpResponse, Request, Response, Result};
use tokio::time::timeout;

use crate::{
    jobs::submit as jobs,
    request::{
        arriving::{self, Arriving, Lent},
        intake,
        later::{self, Later},
        layered,
        outcome::{self, Asked, Asker},
    },
    table::{
        Call, Composed, Endpoint, Intake, Plan,
        access::Place,
        after_response::AfterResponse,
        hooks::Answered,
        meter::Measured,
        panics,
        pools::pool_of,
        refusal::{self, refuse, refuse_with},
        timing, traces,
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

/// Answers a request. A request that need not wait runs before any future exists. The request is taken only
/// if it waits, because moving it is a visible part of a short request.
pub(crate) fn answer(app: &Arc<Composed>, request: &mut Request, measured: &mut Measured) -> Answer {
    let endpoint = match app.router.find(request.method(), request.path()) {
        Found::Route { value, params } => {
            request.plumbing_mut().params = params;
            value
        }
        _ => app.unrouted(request.path()),
    };
    measured.by(&endpoint.meter);
    if !matches!(endpoint.plan, Plan::Unrouted) {
        Place::note_route(endpoint.route.kind(), pool_of(&endpoint.route));
    }
    if let Some(layers) = &endpoint.layers {
        let request = layered::outermost(app, endpoint, mem::take(request));
        return Answer::Later(Box::pin(layered::answered(layers.answer(request))));
    }
    enter(app, endpoint, request)
}

/// Answers a request whose endpoint is known, within the layers of the endpoint. Inlined, because most requests
/// have no layers.
#[inline(always)]
pub(super) fn enter(app: &Arc<Composed>, endpoint: &Arc<Endpoint>, request: &mut Request) -> Answer {
    if endpoint.has_ids {
        app.request_ids.identify(request);
    }
    if endpoint.leaves_work {
        request.extensions_mut().insert(AfterResponse::new(&app.background));
    }
    if endpoint.reads_state {
        request.plumbing_mut().state = Some(app.state.clone());
    }
    let chain = &endpoint.chain;
    let refusal = if endpoint.is_guarded { app.trusted_origins.refusal(request) } else { None };
    let early = match refusal {
        Some(refusal) => Some(chain.refused(refusal)),
        // The session comes before the hooks, which may read it.
        None if endpoint.has_session => {
            return Answer::Later(Box::pin(prepared(app.clone(), endpoint.clone(), mem::take(request))));
        }
        None => chain.before(request),
    };
    if early.is_some() || (!chain.waits() && intake::is_ready(request, endpoint)) {
        return run(app, endpoint, request, early);
    }
    Answer::Later(Box::pin(prepared(app.clone(), endpoint.clone(), mem::take(request))))
}

/// Waits for the session, the before hooks and the body, then runs the request.
async fn prepared(app: Arc<Composed>, endpoint: Arc<Endpoint>, mut request: Request) -> HttpResponse {
    let chain = &endpoint.chain;
    let mut early = None;
    if let Some(sessions) = app.sessions.as_ref().filter(|_| endpoint.has_session) {
        sessions.open(&mut request).await;
        early = chain.before(&mut request);
    }
    if early.is_none() {
        early = chain.before_waiting(app.settings.deadline, &mut request).await;
    }
    let early = match early {
        Some(early) => Some(early),
        None => {
            let failed = intake::read_body(&app, &mut request, &endpoint).await.err();
            failed.map(|error| chain.passed(error.into()))
        }
    };
    match run(&app, &endpoint, &mut request, early) {
        Answer::Ready(response) => response.into_http(),
        Answer::Later(future) => future.await,
    }
}

/// Runs the handler, unless the request was answered early: the one place where the kinds of routes differ.
/// What is answered at once leaves here, what is answered later leaves in [`later`].
fn run(app: &Arc<Composed>, endpoint: &Arc<Endpoint>, request: &mut Request, early: Option<Answered>) -> Answer {
    let (chain, bytes_max) = (&endpoint.chain, endpoint.body_bytes_max);
    let arrives = endpoint.intake == Intake::Arriving;
    let mut answered = match early {
        Some(early) => early,
        None => match &endpoint.plan {
            Plan::Sync(handler) => chain.passed(on_connection(app, endpoint, handler, request)),
            Plan::Elsewhere { role } => chain.passed(app.roles.misdirected(role).into()),
            Plan::Unrouted => chain.passed(unrouted(app.router.find(request.method(), request.path()))),
            Plan::Thread { handler, deadline } => {
                let (asker, handler) = (Asker::of(app, chain, request), handler.clone());
                let lent = arrives.then(|| arriving::lend(request, bytes_max)).transpose();
                let (trace, mut request) = (app.trace(request), mem::take(request));
                // Boxed, because the code is moved several times on its way to the thread.
                let run = Box::new(move || traces::during(trace.as_ref(), || handler(&mut request)));
                let response = on_thread(app.clone(), deadline.map(|time| (time, endpoint.route.place())), lent, run);
                return later(app, endpoint, asker, response);
            }
            Plan::Async { handler, deadline } => {
                let asker = Asker::of(app, chain, request);
                let watched = arrives.then(|| arriving::watch(request, bytes_max)).transpose();
                let trace = app.trace(request);
                let response = watched.and_then(|watched| {
                    Ok((watched.flatten(), panics::caught(|| traces::called(trace, || handler(mem::take(request))))?))
                });
                let (watched, response) = match response {
                    Ok((watched, future)) => (watched, panics::caught_async(future, Response::from)),
                    Err(error) => return later(app, endpoint, asker, ready(error.into())),
                };
                let limit = deadline.map(|time| (time, endpoint.route.place()));
                return match (limit, watched) {
                    (None, None) => later(app, endpoint, asker, response),
                    (Some(_), None) => later(app, endpoint, asker, within(limit, response)),
                    (_, Some(watched)) => later(app, endpoint, asker, watched.settle(within(limit, response))),
                };
            }
            Plan::Pooled { slot, .. } => {
                let asker = Asker::of(app, chain, request);
                let arriving = arrives.then(|| Arriving::take(request, bytes_max)).transpose();
                let request = mem::take(request);
                let (app_of_job, endpoint_of_job, slot) = (app.clone(), endpoint.clone(), slot.clone());
                let submit = |body| jobs::submit(app_of_job, endpoint_of_job, slot, request, body);
                return match arriving {
                    Ok(None) => later(app, endpoint, asker, submit(None)),
                    Ok(Some(arriving)) => later(app, endpoint, asker, async move {
                        match arriving::for_job(arriving).await {
                            Ok(body) => submit(Some(body)).await,
                            Err(error) => error.into(),
                        }
                    }),
                    Err(error) => later(app, endpoint, asker, ready(error.into())),
                };
            }
        },
    };
    if endpoint.has_session {
        let asker = Asker::of(app, chain, request);
        return Answer::Later(Box::pin(later::finished(app.clone(), endpoint.clone(), asker, answered)));
    }
    outcome::finish(app, chain, &Asked::Here(request), &mut answered);
    Answer::Ready(answered.response)
}

/// Finishes a response that comes later.
fn later<F>(app: &Arc<Composed>, endpoint: &Arc<Endpoint>, asker: Asker, response: F) -> Answer
where
    F: Future<Output = Response> + Send + 'static,
{
    Answer::Later(Box::pin(Later::new(app.clone(), endpoint.clone(), asker, response)))
}

/// Runs a sync handler.
fn on_connection(app: &Composed, endpoint: &Endpoint, handler: &Call, request: &mut Request) -> Response {
    // Measured in development only, because reading the clock twice is a visible part of such a request.
    let started = app.settings.development.then(Instant::now);
    let trace = app.trace(request);
    let response = traces::during(trace.as_ref(), || panics::caught(|| handler(request)));
    let response = response.unwrap_or_else(Response::from);
    if let Some(started) = started {
        timing::note_handler(Some(started.elapsed()));
    }
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
    limit: Option<(Duration, pixie_core::Place)>,
    lent: Result<Option<Lent>>,
    run: Box<dyn FnOnce() -> Response + Send>,
) -> Response {
    let lent = match lent {
        Ok(lent) => lent,
        Err(error) => return error.into(),
    };
    let queued = timing::now();
    let Ok(permit) = timeout(app.settings.queue_timeout, app.threads.clone().acquire_owned()).await else {
        return refusal::overloaded("all threads are busy: try again later", Duration::from_secs(1)).into();
    };
    timing::note_queue(queued.map(|queued| queued.elapsed()));
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
    within(limit, answer).await
}

/// Waits for a response. After the deadline, the response is 504, which names the route's place.
async fn within(limit: Option<(Duration, pixie_core::Place)>, answer: impl Future<Output = Response>) -> Response {
    let Some((deadline, place)) = limit else { return answer.await };
    timeout(deadline, answer).await.unwrap_or_else(|_| refusal::at(place, refusal::too_slow(deadline)).into())
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
