//! The worker's side: a job becomes a request again, the handler runs, and its response is sent as bytes.
//!
//! This code runs in a worker process, or with `workers(0)` on a thread of the main process. It is not async:
//! it blocks on a body that is a stream until the stream ends.
use std::{
    io::{self, Read, Write},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use pixie_core::{Body, BodyReader, Error, Found, PieceSink, PieceSource, Request, Response, StateMap, Writer, abort};
use pixie_pool::{Failure, Job, JobWriter};

use crate::{
    jobs::{
        block_on::block_on,
        streamed::LengthOnly,
        wire::{self, JobBody},
    },
    table::{Composed, Endpoint, Intake, Plan, Work, panics, sessions::OpenSession, store, time_limit, traces},
};

/// Minimum length of a body that the head announces, in bytes. A shorter body arrives in the main process in
/// one piece.
const ANNOUNCED_BYTES_MIN: u64 = 32 * 1024;

/// Turns this process into the worker that it was started as.
pub(crate) fn serve(worker: pixie_pool::Worker, app: &Arc<Composed>) -> ! {
    let pool = worker.identity().pool.as_deref().and_then(|name| app.pools.get(name));
    if let Some(preload) = pool.and_then(|slot| slot.config.preload.as_ref()) {
        preload.run();
    }
    // The state is made before the worker reports that it is ready, so that requests do not wait for it, and in
    // each forked worker, so that no two of them share a connection.
    worker.serve_with(app.table_hash, || handler_with(app, OnceLock::from(Arc::new(app.make_worker_state()))))
}

/// Returns the function that runs a job on a thread of this process. The first job makes the worker's state.
pub(crate) fn handler(app: &Arc<Composed>) -> pixie_pool::Handler {
    handler_with(app, OnceLock::new())
}

fn handler_with(app: &Arc<Composed>, state: OnceLock<Arc<StateMap>>) -> pixie_pool::Handler {
    // The app owns the pool's slot, and the slot owns this function, so it must not own the app.
    let app = Arc::downgrade(app);
    Arc::new(move |job| {
        if let Some(app) = app.upgrade() {
            let state = state.get_or_init(|| Arc::new(app.make_worker_state()));
            work(&app, state, job);
        }
    })
}

fn work(app: &Composed, state: &Arc<StateMap>, mut job: Job) {
    let outcome = match wire::decode_request(job.head()) {
        Ok((request, body)) => find(app, request).map(|(found, request)| (found, request, body)),
        Err(wire::Malformed) => Err(Error::internal("the request's head is malformed")),
    };
    let ((endpoint, work), mut request, form) = match outcome {
        Ok(found) => found,
        Err(error) => return reply(job, error.into(), None),
    };
    request.plumbing_mut().state = Some(state.clone());
    if time_limit::is_read(&endpoint.route) {
        request.extensions_mut().insert(job.time_limit());
    }
    store::lend(endpoint.route.reads(), &mut request, &job);
    match endpoint.intake {
        Intake::Unused => {}
        Intake::Arriving => {
            request.plumbing_mut().reader = Some(Box::new(BodyReader::new(Pieces(job.detached_body()))))
        }
        Intake::Whole | Intake::Form => {
            let mut body = Vec::new();
            // A body that fails ends the job, because its client has left.
            if job.body().read_to_end(&mut body).is_err() {
                return;
            }
            match form {
                JobBody::Bytes => request.set_body(Body::from(body)),
                JobBody::Parts => match wire::decode_parts(&body.into()) {
                    Ok(parts) => request.plumbing_mut().parts = Some(Box::new(parts)),
                    Err(wire::Malformed) => {
                        return reply(job, Error::internal("the job's form is malformed").into(), None);
                    }
                },
            }
        }
    }
    let trace = app.trace(&request);
    traces::during(trace.as_ref(), || run(work, job, request));
}

fn run(work: &Work, job: Job, mut request: Request) {
    let session = OpenSession::of(&request);
    match work {
        Work::Stream(handler) => stream(job, session, &mut request, |request, writer| handler(request, writer)),
        Work::Respond(handler) => {
            let mut response = panics::caught(|| handler(&mut request)).unwrap_or_else(Response::from);
            // A response to HEAD has no body, so the stream need not run.
            if *request.method() == Method::HEAD && response.body().as_bytes().is_none() {
                let length = LengthOnly::of(response.body());
                response.set_body(Body::new(length));
            }
            reply(job, response, session.as_ref());
        }
    }
}

/// The body of a job as the source of a reader.
struct Pieces(pixie_pool::JobBody);

impl PieceSource for Pieces {
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        self.0.next_piece()
    }
}

/// Finds the endpoint again: the pool has checked at the start of the worker that it has the table of the
/// server.
fn find(app: &Composed, mut request: Request) -> Result<((&Endpoint, &Work), Request), Error> {
    if let Found::Route { value, params } = app.router.find(request.method(), request.path())
        && let Plan::Pooled { work, .. } = &value.plan
    {
        request.plumbing_mut().params = params;
        return Ok(((value, work), request));
    }
    Err(abort(404))
}

/// Sends a response. Sending fails if the client has left, which is not an error.
fn reply(job: Job, mut response: Response, session: Option<&OpenSession>) {
    let length = http_body::Body::size_hint(response.body()).exact();
    let body = response.take_body().into_bytes();
    if let Some(length) = length.filter(|length| *length >= ANNOUNCED_BYTES_MIN) {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    let head = wire::encode_response(&response, session);
    let _ = match body {
        Ok(bytes) => job.reply(&head, &bytes),
        Err(stream) => job.start(&head).and_then(|writer| drain(stream, writer)),
    };
}

/// Sends a stream piece by piece.
fn drain(mut body: Body, mut writer: JobWriter) -> io::Result<()> {
    while let Some(data) = block_on(|cx| body.poll_data(cx)) {
        match data {
            Ok(data) => {
                writer.write_all(&data)?;
                writer.flush()?;
            }
            Err(error) => {
                writer.fail(Failure::error(error.to_string()));
                return Ok(());
            }
        }
    }
    writer.finish()
}

/// Runs a stream route. A failure before the head becomes the response, a later one ends the stream early.
fn stream(
    job: Job,
    session: Option<OpenSession>,
    request: &mut Request,
    handler: impl Fn(&mut Request, &mut Writer<'_>) -> Result<(), Error>,
) {
    let mut sink = JobSink { job: Some(job), writer: None, session, is_head: *request.method() == Method::HEAD };
    let outcome = panics::caught(|| {
        let mut writer = Writer::new(&mut sink);
        handler(request, &mut writer)?;
        Ok(writer.start()?)
    });
    let error = match outcome {
        Ok(Ok(())) => return sink.finish(),
        Ok(Err(error)) | Err(error) => error,
    };
    // The handler failed because a response to HEAD has no body to write.
    if sink.is_head && sink.writer.is_some() {
        return sink.finish();
    }
    match (sink.job, sink.writer) {
        (Some(job), _) => reply(job, error.into(), sink.session.as_ref()),
        // The main process logs the failure, unless the client has left.
        (None, Some(writer)) => writer.fail(broken_off(&error)),
        (None, None) => {}
    }
}

fn broken_off(error: &Error) -> Failure {
    Failure::error(match error.place() {
        Some(place) => format!("{error}, at {place}"),
        None => error.to_string(),
    })
}

/// Sends the pieces of a stream to the main process.
struct JobSink {
    job: Option<Job>,
    writer: Option<JobWriter>,
    /// Its changes are sent with the head.
    session: Option<OpenSession>,
    /// Whether the response has no body. Then the first write fails, so that the handler ends.
    is_head: bool,
}

impl JobSink {
    fn finish(self) {
        if let Some(writer) = self.writer {
            // Fails only if the client has left.
            let _ = writer.finish();
        }
    }
}

impl PieceSink for JobSink {
    fn start(&mut self, head: &Response) -> io::Result<()> {
        let job = self.job.take().ok_or_else(|| io::Error::other("the head was sent before"))?;
        self.writer = Some(job.start(&wire::encode_response(head, self.session.as_ref()))?);
        Ok(())
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let writer = self.writer.as_mut().ok_or_else(|| io::Error::other("the head was not sent"))?;
        if self.is_head {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the response to a HEAD request has no body"));
        }
        writer.write_all(piece)?;
        writer.flush()
    }

    fn is_closed(&self) -> bool {
        if self.is_head && self.writer.is_some() {
            return true;
        }
        let of_job = self.job.as_ref().map(Job::cancellation);
        let cancellation = of_job.or_else(|| self.writer.as_ref().map(JobWriter::cancellation));
        cancellation.is_some_and(|cancellation| cancellation.is_canceled())
    }
}
