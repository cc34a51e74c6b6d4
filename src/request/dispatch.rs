//! Dispatch: the one place where the five kinds of route differ.
//!
//! A request comes in with its body still on the way; the route is found, the body is read if the handler wants it, and the
//! handler runs where its kind says. Every failure on the way becomes an error page in `outcome.rs`.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{StatusCode, header};
use pixie_core::{BodyUse, BoxFuture, Error, Found, Handler, Request, Response, Result, abort};
use tokio::time::timeout;

use crate::{
    app::compose::{Composed, Endpoint},
    jobs::submit,
    request::{
        arriving::{self, Lent},
        intake,
        outcome::{self, Asked, Asker},
        service::HttpResponse,
    },
    table::{hooks::Answered, meter::Measured, panics},
};

/// How long a sync route may hold the thread that it shares with other connections before a developer is told. A visitor
/// notices 100 ms; behind one slow handler several requests wait.
const SYNC_HOLD_MAX: Duration = Duration::from_millis(50);

/// An answer that is there, or one that comes.
pub(crate) enum Answer {
    Ready(Response),
    Later(BoxFuture<HttpResponse>),
}

/// Answers a request.
pub(crate) fn answer(app: &Arc<Composed>, mut request: Request, measured: &mut Measured) -> Answer {
    let endpoint = match app.router.find(request.method(), request.path()) {
        Found::Route { value, params } => {
            request.plumbing_mut().params = params;
            value
        }
        other => {
            measured.by(&app.meter);
            let refused = not_found(other);
            return without_route(app, request, refused);
        }
    };
    measured.by(&endpoint.meter);
    if endpoint.has_ids {
        app.request_ids.identify(&mut request);
    }
    if endpoint.reads_state {
        request.plumbing_mut().state = Some(app.state.clone());
    }
    let chain = &endpoint.chain;
    if endpoint.is_guarded
        && let Some(refusal) = app.trusted_origins.refusal(&request)
    {
        let refused = Answered { response: refusal.into(), depth: 1 };
        return Answer::Ready(outcome::finish(app, chain, &Asked::Here(&request), refused));
    }
    if let Some(early) = chain.before(&mut request) {
        return Answer::Ready(outcome::finish(app, chain, &Asked::Here(&request), early));
    }
    // The fast path: a request for which nothing has to be waited for runs before any future exists.
    if !chain.waits() && intake::is_ready(&request, endpoint) {
        return run(app, endpoint, request);
    }
    let (app, endpoint) = (app.clone(), endpoint.clone());
    Answer::Later(Box::pin(async move {
        let chain = &endpoint.chain;
        let early = match chain.before_waiting(app.settings.deadline, &mut request).await {
            Some(early) => Err(early),
            None => intake::read_body(&app, &mut request, &endpoint).await.map_err(|error| chain.passed(error.into())),
        };
        if let Err(early) = early {
            return outcome::finish(&app, chain, &Asked::Here(&request), early).into_http();
        }
        match run(&app, &endpoint, request) {
            Answer::Ready(response) => response.into_http(),
            Answer::Later(future) => future.await,
        }
    }))
}

/// Answers a request that no route takes: it passes the hooks of the app and of its groups.
fn without_route(app: &Arc<Composed>, mut request: Request, refused: Response) -> Answer {
    let chain = app.chain_at(request.path());
    if app.settings.request_ids {
        app.request_ids.identify(&mut request);
    }
    if chain.has_before() {
        request.plumbing_mut().state = Some(app.state.clone());
    }
    if !chain.waits() {
        let answered = chain.before(&mut request).unwrap_or_else(|| chain.passed(refused));
        return Answer::Ready(outcome::finish(app, &chain, &Asked::Here(&request), answered));
    }
    let app = app.clone();
    Answer::Later(Box::pin(async move {
        let early = chain.before_waiting(app.settings.deadline, &mut request).await;
        let answered = early.unwrap_or_else(|| chain.passed(refused));
        outcome::finish(&app, &chain, &Asked::Here(&request), answered).into_http()
    }))
}

/// Runs the handler where its kind says. Each kind has a future of its own size, so that none pays for the largest.
fn run(app: &Arc<Composed>, endpoint: &Arc<Endpoint>, mut request: Request) -> Answer {
    let (chain, deadline) = (&endpoint.chain, endpoint.route.options().deadline);
    match endpoint.route.handler() {
        Handler::Sync(handler) => {
            // Measured in development only: two looks at the clock are a visible part of such a request.
            let started = app.settings.development.then(Instant::now);
            let response = panics::caught(|| handler(&mut request)).unwrap_or_else(Response::from);
            if let Some(held) = started.map(|started| started.elapsed()).filter(|held| *held > SYNC_HOLD_MAX) {
                let fix = "make it a thread, async or pool route";
                tracing::warn!(route = %endpoint.label, ?held, "a sync route held its connection's thread: {fix}");
            }
            Answer::Ready(outcome::finish(app, chain, &Asked::Here(&request), chain.passed(response)))
        }
        Handler::Thread(handler) => {
            let (asker, handler) = (Asker::of(app, chain, &request), handler.clone());
            let reads = endpoint.route.reads().body == BodyUse::Read;
            let lent = reads.then(|| arriving::lend(&mut request, endpoint.body_bytes_max)).transpose();
            let answer = on_thread(app.clone(), deadline, lent, move || handler(&mut request));
            later(app, endpoint, asker, answer)
        }
        Handler::Async(handler) => {
            let asker = Asker::of(app, chain, &request);
            let at_once = |error: Error| {
                let answered = chain.passed(error.into());
                Answer::Ready(outcome::finish(app, chain, &Asked::Gone(&asker), answered))
            };
            let streams = endpoint.route.reads().body == BodyUse::Stream;
            let watched = match streams.then(|| arriving::watch(&mut request, endpoint.body_bytes_max)).transpose() {
                Ok(watched) => watched.flatten(),
                Err(error) => return at_once(error),
            };
            let answer = match panics::caught(|| handler(request)) {
                Ok(future) => panics::caught_async(future, Response::from),
                Err(error) => return at_once(error),
            };
            match (deadline, watched) {
                (None, None) => later(app, endpoint, asker, answer),
                (Some(_), None) => later(app, endpoint, asker, within(deadline, answer)),
                (_, Some(watched)) => later(app, endpoint, asker, watched.settle(within(deadline, answer))),
            }
        }
        // The worker process tells the two apart (`worker.rs`); from here they are alike.
        Handler::Pool(_) | Handler::Stream(_) => {
            let asker = Asker::of(app, chain, &request);
            later(app, endpoint, asker, submit::submit(app.clone(), endpoint.clone(), request))
        }
    }
}

fn later<F>(app: &Arc<Composed>, endpoint: &Arc<Endpoint>, asker: Asker, answer: F) -> Answer
where
    F: Future<Output = Response> + Send + 'static,
{
    let (app, endpoint) = (app.clone(), endpoint.clone());
    Answer::Later(Box::pin(async move {
        let answered = endpoint.chain.passed(answer.await);
        outcome::finish(&app, &endpoint.chain, &Asked::Gone(&asker), answered).into_http()
    }))
}

/// Runs blocking code on a thread, once one is free; the deadline counts from then on. The permit stays with the thread, even
/// if nobody waits for it any more. A body that the code reads while it arrives is lent for as long as somebody waits.
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
        return outcome::overloaded("all threads are busy: try again later", Duration::from_secs(1)).into();
    };
    let answer = async {
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            panics::caught(run)
        });
        let response = match task.await {
            Ok(outcome) => outcome.unwrap_or_else(Response::from),
            Err(_) => outcome::stopping().into(),
        };
        match lent {
            Some(lent) => lent.settle(response),
            None => response,
        }
    };
    within(deadline, answer).await
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
        _ => abort(404),
    };
    // The place would be this line, which says nothing.
    refused.with_place(None).into()
}
