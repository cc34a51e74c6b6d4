//! A request becomes a job of a worker pool, and the reply or the error of the job becomes a response.
//!
//! The pool transports bytes; `wire.rs` knows what they mean. Each way in which a job can end has its status
//! here.
use std::{cell::Cell, sync::Arc};

use http::{HeaderValue, Method, StatusCode, header};
use pixie_core::{Body, Error, Parts, Request, RequestId, Response};
use pixie_pool::{Config, Pool, ReplyBody, Submission};

use crate::{
    error::StartError,
    jobs::{streamed::Streamed, wire, worker},
    table::{
        Composed, Endpoint, Intake, panics,
        pools::PoolSlot,
        refusal::{self, refuse},
    },
};

tokio::task_local! {
    static WORKER: Cell<usize>;
}

/// Runs a request in a pool. A body that arrives in pieces is passed apart from its request.
pub(crate) async fn submit(
    app: Arc<Composed>,
    endpoint: Arc<Endpoint>,
    slot: Arc<PoolSlot>,
    mut request: Request,
    arriving: Option<pixie_pool::Body>,
) -> Response {
    let pool = match slot.running() {
        Some(pool) => pool,
        None => match start(&app, &slot).await {
            Ok(pool) => pool,
            Err(error) => return failed(error, slot.name()).into(),
        },
    };
    let head = wire::encode_request(&request, endpoint.route.reads());
    let is_head = *request.method() == Method::HEAD;
    // The files of a form exist until the job has ended: the worker gets the paths of the large ones.
    let parts = request.plumbing_mut().parts.take().map(|parts| *parts);
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
        .label(endpoint.label.clone());
    submission.request_id = request.id().map(RequestId::shared);
    match pool.submit(submission).await {
        Ok(reply) => {
            // Fails outside of `noting_worker`, when the worker is not asked for.
            let _ = WORKER.try_with(|worker| worker.set(reply.worker));
            response(reply, parts, is_head)
        }
        Err(error) => failed(error, &endpoint.label).into(),
    }
}

/// Runs a request and returns its response with the number of the worker that ran it, 0 if none did.
pub(crate) async fn noting_worker<T>(response: impl Future<Output = T>) -> (T, usize) {
    WORKER.scope(Cell::new(0), async move { (response.await, WORKER.with(Cell::get)) }).await
}

/// Starts all pools of an app.
pub(crate) async fn start_pools(app: &Arc<Composed>) -> Result<(), StartError> {
    for slot in app.pools.values() {
        start(app, slot).await.map_err(|error| StartError::new(error.to_string()))?;
    }
    Ok(())
}

async fn start<'s>(app: &Arc<Composed>, slot: &'s PoolSlot) -> Result<&'s Pool, pixie_pool::Error> {
    let handler = slot.handler.get_or_init(|| worker::handler(app));
    let start = async || sandboxed(app, slot.config.clone())?.start(handler.clone()).await;
    slot.pool.get_or_try_init(start).await
}

/// Allows workers in a strict sandbox to read the large files of forms.
fn sandboxed(app: &Composed, config: Config) -> Result<Config, pixie_pool::Error> {
    if !config.sandbox.is_strict() {
        return Ok(config);
    }
    let folder =
        app.spool.path().map_err(|e| pixie_pool::Error::Start(format!("making the folder for uploads: {e}")))?;
    let sandbox = config.sandbox.clone().read(folder);
    Ok(config.sandbox(sandbox))
}

fn response(reply: pixie_pool::Reply, parts: Option<Parts>, is_head: bool) -> Response {
    let Ok((mut response, length)) = wire::decode_response(&reply.head) else {
        let why = "the head of the worker's reply is malformed";
        return refuse(StatusCode::BAD_GATEWAY).with_chain(vec![why.into()]).into();
    };
    match reply.body {
        ReplyBody::Full(bytes) => {
            // A response to HEAD may announce the length of the body that GET would have.
            if let Some(length) = length.filter(|_| is_head && bytes.is_empty()) {
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            response.set_body(Body::from(bytes));
        }
        stream => {
            let streamed = Streamed::new(stream, length, parts);
            response.set_body(match is_head {
                true => Body::new(streamed.into_length()),
                false => Body::new(streamed),
            });
        }
    }
    response
}

/// Returns the failure of a job that ended without a reply. Each error of the pool has its status here.
fn failed(error: pixie_pool::Error, label: &str) -> Error {
    use pixie_pool::Error as Pool;
    let report = format!("{label}: {error}");
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
        Pool::Exited(_) | Pool::Memory | Pool::RepeatCrash | Pool::Protocol => StatusCode::BAD_GATEWAY,
        Pool::Body(error) => return refusal::from_io(error),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refuse(status).with_chain(vec![report])
}
