//! A request becomes a job of a worker pool, and the reply or the error of the job becomes a response.
//!
//! The pool transports bytes; `wire.rs` knows what they mean. Each way in which a job can end has its status
//! here.
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use pixie_core::{Body, Error, Parts, Request, RequestId, Response, TraceContext};
use pixie_pool::{Config, Pool, ReplyBody, Submission};
use pixie_server::Client;

use crate::{
    error::StartError,
    jobs::{handover::Reply, streamed::Streamed, wire, worker},
    table::{
        Composed, Endpoint, Intake,
        access::Place,
        panics,
        pools::PoolSlot,
        refusal::{self, refuse},
        roles,
        sessions::{self, OpenSession},
        store, timing,
    },
};

/// Runs a request in a pool. A body that arrives in pieces is passed apart from its request.
///
/// The future has what the response needs of the request, and not the request itself.
pub(crate) fn submit(
    app: Arc<Composed>,
    endpoint: Arc<Endpoint>,
    slot: Arc<PoolSlot>,
    mut request: Request,
    arriving: Option<pixie_pool::Body>,
) -> impl Future<Output = Response> + Send {
    let head = wire::encode_request(&request, endpoint.route.reads(), app.settings.trace_contexts);
    let session = OpenSession::of(&request).filter(|_| sessions::is_read(endpoint.route.reads()));
    let is_head = *request.method() == Method::HEAD;
    // The files of a form exist until the job has ended: the worker gets the paths of the large ones.
    let parts = request.plumbing_mut().parts.take();
    let body = match (endpoint.intake, arriving, &parts) {
        (_, Some(arriving), _) => arriving,
        (_, None, Some(parts)) => pixie_pool::Body::Full(wire::encode_parts(parts)),
        (Intake::Unused, None, None) => pixie_pool::Body::Empty,
        (_, None, None) => pixie_pool::Body::Full(request.take_bytes()),
    };
    let mut submission = Submission::new(head)
        .body(body)
        .replayable(endpoint.route.options().retries(request.method()))
        .deadline(endpoint.route.options().deadline)
        .label(endpoint.label.clone())
        .client(request.peer().map(|peer| Client::of(peer.ip()).number()));
    submission.request_id = request.id().map(RequestId::shared);
    submission.trace_id = TraceContext::from_headers(request.headers()).map(|trace| trace.trace_id().into());
    async move {
        let pool = match slot.running() {
            Some(pool) => pool,
            // Boxed, because only the first request of a pool has to wait for its start.
            None => match Box::pin(start(&app, &slot)).await {
                Ok(pool) => pool,
                Err(error) => return failed(error, &endpoint, &slot).into(),
            },
        };
        let queued = timing::now();
        match pool.submit(submission).await {
            Ok(reply) => {
                timing::note_queue(queued.map(|queued| reply.started.saturating_duration_since(queued)));
                Place::note_worker(reply.worker);
                response(&app, slot, reply, session.as_ref(), parts, is_head)
            }
            Err(error) => failed(error, &endpoint, &slot).into(),
        }
    }
}

/// Starts all pools of an app that belong to the roles of this process.
pub(crate) async fn start_pools(app: &Arc<Composed>) -> Result<(), StartError> {
    for slot in app.pools.values().filter(|slot| app.roles.has(roles::of_pool(slot.name()))) {
        start(app, slot).await.map_err(StartError::of_system)?;
    }
    Ok(())
}

async fn start<'s>(app: &Arc<Composed>, slot: &'s PoolSlot) -> Result<&'s Pool, pixie_pool::Error> {
    let handler = slot.handler.get_or_init(|| worker::handler(app));
    let mut config = app.store.iter().fold(slot.config.clone(), store::serve);
    // Run by the workers, or by their fork server: see `worker::serve`.
    config.take_preload();
    let start = async || sandboxed(app, config.clone())?.start(handler.clone()).await;
    slot.pool.get_or_try_init(start).await
}

/// Allows workers in a strict sandbox to read the large files of forms. A job knows only the names of its
/// own.
fn sandboxed(app: &Composed, config: Config) -> Result<Config, pixie_pool::Error> {
    if !config.sandbox.is_strict() {
        return Ok(config);
    }
    let folder =
        app.spool.path().map_err(|e| pixie_pool::Error::Start(format!("making the folder for uploads: {e}")))?;
    let sandbox = config.sandbox.clone().read_unlisted(folder);
    Ok(config.sandbox(sandbox))
}

fn response(
    app: &Composed,
    slot: Arc<PoolSlot>,
    reply: pixie_pool::Reply,
    session: Option<&OpenSession>,
    parts: Option<Box<Parts>>,
    is_head: bool,
) -> Response {
    let Ok((mut response, length)) = wire::decode_response(&reply.head, session) else {
        let why = "the head of the worker's reply is malformed";
        return refuse(StatusCode::BAD_GATEWAY).with_chain(vec![why.into()]).into();
    };
    match reply.body {
        ReplyBody::Full(bytes) => {
            // A response to HEAD and a 304 may announce the length of the body that they do not have.
            let is_bare = is_head || response.status() == StatusCode::NOT_MODIFIED;
            if let Some(length) = length.filter(|_| is_bare && bytes.is_empty()) {
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            response.set_body(Body::from(bytes));
        }
        body => {
            let streamed = Streamed::new(Reply { body, _parts: parts }, length, &app.backlogs, slot);
            response.set_body(match is_head {
                true => Body::new(streamed.into_length()),
                false => Body::new(streamed),
            });
        }
    }
    response
}

/// Returns the failure of a job that ended without a reply. Each error of the pool has its status here.
fn failed(error: pixie_pool::Error, endpoint: &Endpoint, slot: &PoolSlot) -> Error {
    use pixie_pool::Error as Pool;
    let report = match error {
        Pool::Deadline => format!("{}: {error} {}", endpoint.label, deadline(endpoint, slot)),
        _ => format!("{}: {error}", endpoint.label),
    };
    let status = match error {
        Pool::QueueFull { retry_after } => {
            return refusal::overloaded("too many requests wait: try again later", retry_after);
        }
        Pool::QueueTimeout { retry_after } => {
            return refusal::overloaded("no worker was free in time: try again later", retry_after);
        }
        Pool::Unavailable { retry_after } => {
            return refusal::overloaded("the workers are being restarted: try again later", retry_after);
        }
        Pool::Panicked { message, location } => return panics::error(message, location),
        Pool::Stopping => return refusal::stopping(),
        Pool::Deadline | Pool::CpuTime | Pool::Idle | Pool::Canceled | Pool::Stuck => StatusCode::GATEWAY_TIMEOUT,
        Pool::Exited(_) | Pool::Memory | Pool::Threads | Pool::RepeatCrash | Pool::Protocol => StatusCode::BAD_GATEWAY,
        Pool::Body(error) => return refusal::from_io(error),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refusal::at(endpoint.route.place(), refuse(status).with_chain(vec![report]))
}

/// Returns the deadline of a route, and who has set it.
fn deadline(endpoint: &Endpoint, slot: &PoolSlot) -> String {
    let (of_route, of_pool) = (endpoint.route.options().deadline, slot.config.deadline);
    let origin = slot.origins.get("deadline").map_or("default", String::as_str);
    match (of_route, of_pool) {
        (Some(time), _) => format!("({time:?}, from the route)"),
        (None, Some(time)) => format!("({time:?}, from the pool `{}`: {origin})", slot.name()),
        // The handler has asked for this deadline itself.
        (None, None) => String::new(),
    }
}
