//! Jobs: a request becomes a job of a worker pool, and the job's end becomes a response.
//!
//! The pool knows bytes only; what they mean is in `wire.rs`. Each way in which a job can end has its status here.
use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderValue;
use http_body::Frame;
use pixie_core::{Body, BodyUse, BoxError, Error, Parts, Request, RequestId, Response, Result, abort, header};
use pixie_pool::{Pool, ReplyBody, Submission};
use tokio::sync::OnceCell;

use crate::{
    compose::{Composed, Endpoint},
    dev, outcome, panics,
    settings::Settings,
    wire, worker,
};

/// A pool of the app: started at the start of `run`, or by the first request where the app is mounted elsewhere.
pub(crate) struct PoolSlot {
    config: pixie_pool::Config,
    handler: OnceLock<pixie_pool::Handler>,
    pool: OnceCell<Pool>,
}

impl PoolSlot {
    pub(crate) fn new(name: &str, settings: &Settings, table_hash: u64) -> PoolSlot {
        let mut config = pixie_pool::Config {
            name: name.to_owned(),
            deadline: Some(settings.deadline),
            queue_timeout: settings.queue_timeout,
            slow_after: settings.slow_after,
            args: settings.worker_args.clone(),
            memory: settings.worker_bytes_max,
            table_hash,
            ..pixie_pool::Config::default()
        };
        config.size = settings.workers.unwrap_or(config.size);
        PoolSlot { config, handler: OnceLock::new(), pool: OnceCell::new() }
    }

    /// Returns the pool's name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Returns the number of worker processes; 0 means threads.
    pub(crate) fn size(&self) -> usize {
        self.config.size
    }

    /// Returns the pool, and starts it if nobody has.
    pub(crate) async fn started(&self, app: &Arc<Composed>) -> Result<&Pool> {
        let handler = self.handler.get_or_init(|| worker::handler(app));
        let start = || Pool::start(self.config.clone(), handler.clone());
        self.pool.get_or_try_init(start).await.map_err(|error| failed(error, ""))
    }

    /// Returns the pool if it has been started.
    pub(crate) fn running(&self) -> Option<&Pool> {
        self.pool.get()
    }
}

/// Runs a request in the endpoint's pool.
pub(crate) async fn submit(app: Arc<Composed>, endpoint: Arc<Endpoint>, mut request: Request) -> Response {
    let slot = endpoint.pool.as_ref().expect("a pool route got its pool when the app was composed");
    let pool = match slot.running() {
        Some(pool) => pool,
        None => match slot.started(&app).await {
            Ok(pool) => pool,
            Err(error) => return error.into(),
        },
    };
    let head = wire::encode_request(&request, endpoint.route.reads());
    // The files of a form stay here until the job is over: the worker gets the paths of the large ones.
    let parts = request.take_parts();
    let submission = Submission {
        head,
        replayable: endpoint.route.is_retried(request.method()),
        body: match (endpoint.route.reads().body, &parts) {
            (BodyUse::Unused, _) => pixie_pool::Body::Empty,
            (_, Some(parts)) => pixie_pool::Body::Full(wire::encode_parts(parts)),
            (BodyUse::Whole | BodyUse::Form | BodyUse::Stream, None) => pixie_pool::Body::Full(request.take_bytes()),
        },
        deadline: endpoint.route.deadline_of(),
        label: endpoint.label.clone(),
        request_id: request.id().map(RequestId::shared),
    };
    match pool.submit(submission).await {
        Ok(reply) => {
            dev::ran_in_worker(reply.worker);
            response(reply, parts)
        }
        Err(error) => failed(error, &endpoint.label).into(),
    }
}

fn response(reply: pixie_pool::Reply, parts: Option<Parts>) -> Response {
    let Ok(mut response) = wire::decode_response(&reply.head) else {
        return abort(502).with_place(None).with_chain(vec!["the worker's answer has a malformed head".into()]).into();
    };
    response.set_body(match reply.body {
        ReplyBody::Full(bytes) => Body::from(bytes),
        ReplyBody::Stream(stream) => Body::new(Streamed { stream, _parts: parts }),
    });
    response
}

/// The pieces that a worker sends, as the body of a response.
struct Streamed {
    stream: pixie_pool::ReplyStream,
    /// The worker may still read the files of a form.
    _parts: Option<Parts>,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.stream.poll_next(cx).map(|piece| piece.map(|piece| piece.map(Frame::data).map_err(Into::into)))
    }
}

/// Gives each end of a job that is no answer its status.
fn failed(error: pixie_pool::Error, label: &str) -> Error {
    use pixie_pool::Error as Pool;
    let report = format!("{label}: {error}");
    let refused = match error {
        Pool::QueueFull { retry_after } => {
            return outcome::overloaded("too many requests wait: try again later", retry_after);
        }
        Pool::QueueTimeout { retry_after } => {
            return outcome::overloaded("no worker was free in time: try again later", retry_after);
        }
        Pool::Unavailable { retry_after } => {
            return outcome::overloaded("the workers are being restarted: try again later", retry_after);
        }
        Pool::Panicked { message, location } => return panics::error(message, location),
        Pool::Stopping => return outcome::stopping(),
        Pool::Deadline => abort(504),
        Pool::Died(_) | Pool::Protocol => abort(502),
        Pool::Body(_) => abort(400).with_header(header::CONNECTION, HeaderValue::from_static("close")),
        _ => abort(500),
    };
    refused.with_place(None).with_chain(vec![report])
}
