//! Jobs: a request becomes a job of a worker pool, and the job's end becomes a response.
//!
//! The pool knows bytes only; what they mean is in `wire.rs`. Each way in which a job can end has its status here.
use std::sync::{Arc, OnceLock};

use http::{HeaderValue, Method};
use pixie_core::{Body, BodyUse, Error, Parts, Request, RequestId, Response, Result, abort, header};
use pixie_pool::{Pool, ReplyBody, Size, Submission};
use tokio::sync::OnceCell;

use crate::{
    app::compose::{Composed, Endpoint},
    dev,
    jobs::{streamed::Streamed, wire, worker},
    request::{
        arriving::{self, Arriving},
        outcome,
    },
    table::{panics, settings::Settings},
};

/// A pool of the app: started at the start of `run`, or by the first request where the app is mounted elsewhere.
pub(crate) struct PoolSlot {
    config: pixie_pool::Config,
    handler: OnceLock<pixie_pool::Handler>,
    pool: OnceCell<Pool>,
}

impl PoolSlot {
    /// Makes the slot of a pool. A setting comes from the environment, else from the pool's declaration, else from the app.
    pub(crate) fn new(
        name: &str,
        declared: Option<pixie_pool::Config>,
        settings: &Settings,
        table_hash: u64,
    ) -> Result<PoolSlot, String> {
        let mut config = declared.unwrap_or_else(|| Pool::named(name)).table_hash(table_hash);
        config.inherit(&of_app(settings));
        if let Some(args) = &settings.worker_args {
            config = config.args(args.clone());
        }
        if let Some(workers) = settings.workers_everywhere {
            config = config.size(workers);
        }
        config.override_by_environment()?;
        if let Some(workers) = settings.workers_in_test {
            config = config.size(workers);
        }
        Ok(PoolSlot { config, handler: OnceLock::new(), pool: OnceCell::new() })
    }

    /// Returns the pool's name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Returns the number of worker processes; 0 means threads.
    pub(crate) fn size(&self) -> Size {
        self.config.size
    }

    /// Returns the pool, and starts it if nobody has.
    pub(crate) async fn started(&self, app: &Arc<Composed>) -> Result<&Pool> {
        let handler = self.handler.get_or_init(|| worker::handler(app));
        let start = async || {
            let config =
                self.sandboxed(app).map_err(|e| Error::internal(format!("making the folder for uploads: {e}")))?;
            Pool::start(config, handler.clone()).await.map_err(|error| failed(error, ""))
        };
        self.pool.get_or_try_init(start).await
    }

    /// Lets workers that find no files but those allowed find the large files of forms.
    fn sandboxed(&self, app: &Composed) -> std::io::Result<pixie_pool::Config> {
        let config = self.config.clone();
        if !config.sandbox.is_strict() {
            return Ok(config);
        }
        let sandbox = config.sandbox.clone().read(app.spool.path()?);
        Ok(config.sandbox(sandbox))
    }

    /// Returns the pool if it has been started.
    pub(crate) fn running(&self) -> Option<&Pool> {
        self.pool.get()
    }
}

/// Returns the app's settings, which a pool has unless it sets its own.
fn of_app(settings: &Settings) -> pixie_pool::Config {
    let config = Pool::named("app")
        .deadline(settings.deadline)
        .queue_timeout(settings.queue_timeout)
        .slow_after(settings.slow_after);
    let config = match &settings.worker_memory {
        Some(size) => config.memory(size.clone()),
        None => config,
    };
    match settings.workers {
        Some(workers) => config.size(workers),
        None => config,
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
    let is_head = *request.method() == Method::HEAD;
    // The files of a form stay here until the job is over: the worker gets the paths of the large ones.
    let parts = request.plumbing_mut().parts.take().map(|parts| *parts);
    let body = match body(&mut request, &endpoint, parts.as_ref()) {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let mut submission = Submission::new(head)
        .body(body)
        .replayable(endpoint.route.options().retries(request.method()))
        .deadline(endpoint.route.options().deadline)
        .label(endpoint.label.clone());
    submission.request_id = request.id().map(RequestId::shared);
    match pool.submit(submission).await {
        Ok(reply) => {
            dev::ran_in_worker(reply.worker);
            response(reply, parts, is_head)
        }
        Err(error) => failed(error, &endpoint.label).into(),
    }
}

/// Makes the job's body of the request's.
fn body(request: &mut Request, endpoint: &Endpoint, parts: Option<&Parts>) -> Result<pixie_pool::Body> {
    Ok(match (endpoint.route.reads().body, parts) {
        (BodyUse::Unused, _) => pixie_pool::Body::Empty,
        (_, Some(parts)) => pixie_pool::Body::Full(wire::encode_parts(parts)),
        (BodyUse::Read, None) => match Arriving::take(request, endpoint.body_bytes_max)?.into_whole() {
            Ok(bytes) => pixie_pool::Body::Full(bytes),
            Err(arriving) => pixie_pool::Body::Stream(Box::pin(arriving)),
        },
        (BodyUse::Whole | BodyUse::Form | BodyUse::Stream, None) => pixie_pool::Body::Full(request.take_bytes()),
    })
}

fn response(reply: pixie_pool::Reply, parts: Option<Parts>, is_head: bool) -> Response {
    let Ok((mut response, length)) = wire::decode_response(&reply.head) else {
        return abort(502).with_place(None).with_chain(vec!["the worker's answer has a malformed head".into()]).into();
    };
    match reply.body {
        ReplyBody::Full(bytes) => {
            // An answer to HEAD may say how long the body would be; any other body has the length that it has.
            if let Some(length) = length.filter(|_| is_head && bytes.is_empty()) {
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            response.set_body(Body::from(bytes));
        }
        ReplyBody::Stream(stream) => {
            let streamed = Streamed::new(stream, length, parts);
            response.set_body(match is_head {
                true => Body::new(streamed.into_length()),
                false => Body::new(streamed),
            });
        }
    }
    response
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
        Pool::Deadline | Pool::CpuTime | Pool::Idle | Pool::Canceled | Pool::Stuck => abort(504),
        Pool::Died(_) | Pool::Memory | Pool::RepeatCrash | Pool::Protocol => abort(502),
        Pool::Body(error) => return arriving::refusal(error),
        _ => abort(500),
    };
    refused.with_place(None).with_chain(vec![report])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_pool_has_the_settings_of_the_app_that_it_does_not_set() {
        use std::time::Duration;

        let second = Duration::from_secs(1);
        let settings = Settings {
            deadline: second,
            queue_timeout: 2 * second,
            worker_memory: Some(7.into()),
            ..Settings::default()
        };
        let declared = Pool::named("p").size(2).queue_timeout(3 * second);
        let slot = PoolSlot::new("p", Some(declared), &settings, 0).expect("its settings are right");
        let config = &slot.config;
        assert_eq!((config.size, config.queue_timeout), (2.into(), 3 * second));
        assert_eq!((config.deadline, config.slow_after), (Some(second), settings.slow_after));
        assert_eq!(config.memory, Some(7.into()));
    }

    #[test]
    fn a_test_has_the_workers_that_it_asked_for_whatever_the_environment_says() {
        let size = |workers_everywhere, workers_in_test| {
            let settings = Settings { workers_everywhere, workers_in_test, ..Settings::default() };
            PoolSlot::new("p", Some(Pool::named("p").size(2..=3)), &settings, 0).expect("its numbers are right").size()
        };
        let sizes = [(None, None), (Some(5), None), (Some(5), Some(0)), (None, Some(1))].map(|(e, t)| size(e, t));
        assert_eq!(sizes, [(2..=3).into(), 5.into(), 0.into(), 1.into()]);
    }
}
