//! The worker's side: a job becomes a request again, the handler runs, and its answer goes back as bytes.
//!
//! This runs in a worker process, and with `workers(0)` on a thread of the main process; nothing here can tell the
//! difference. Nothing is async: a body that is a stream is read to its end by blocking on it.
use std::{
    io::{self, Read, Write},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use http_body::Frame;
use pixie_core::{
    Body, BodyReader, BodyUse, Error, Found, Handler, PieceSink, PieceSource, Request, Response, StateMap, Writer,
    abort,
};
use pixie_pool::{Failure, Job, JobWriter};

use crate::{
    app::compose::{Composed, Endpoint},
    jobs::{
        block_on::block_on,
        streamed::LengthOnly,
        wire::{self, JobBody},
    },
    table::panics,
};

/// From this length on an answer's head announces it: a shorter one reaches the main process in one piece, and shows it.
const ANNOUNCED_BYTES_MIN: u64 = 32 * 1024;

/// Turns this process into the worker that it was started as.
pub(crate) fn serve(worker: pixie_pool::Worker, app: &Arc<Composed>) -> ! {
    // The state is made before the worker says that it is ready, so no request waits for it.
    let state = OnceLock::from(Arc::new(app.make_worker_state()));
    worker.serve(app.table_hash, handler_with(app, state))
}

/// Makes the function that runs a job on a thread of this process; the worker's state is made by the first.
pub(crate) fn handler(app: &Arc<Composed>) -> pixie_pool::Handler {
    handler_with(app, OnceLock::new())
}

fn handler_with(app: &Arc<Composed>, state: OnceLock<Arc<StateMap>>) -> pixie_pool::Handler {
    // A pool's slot holds this and the app holds the slot, so it must not hold the app.
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
        Ok((request, body)) => find(app, request).map(|(endpoint, request)| (endpoint, request, body)),
        Err(wire::Malformed) => Err(Error::internal("the request's head is malformed")),
    };
    let (endpoint, mut request, form) = match outcome {
        Ok(found) => found,
        Err(error) => return reply(job, error.into()),
    };
    request.plumbing_mut().state = Some(state.clone());
    if endpoint.reads_time_limit {
        request.extensions_mut().insert(job.time_limit());
    }
    match endpoint.route.reads().body {
        BodyUse::Unused => {}
        BodyUse::Read => request.plumbing_mut().reader = Some(Box::new(BodyReader::new(Pieces(job.detached_body())))),
        BodyUse::Whole | BodyUse::Form | BodyUse::Stream => {
            let mut body = Vec::new();
            // A body that breaks off ends the job: there is nobody left to answer.
            if job.body().read_to_end(&mut body).is_err() {
                return;
            }
            match form {
                JobBody::Bytes => request.set_body(Body::from(body)),
                JobBody::Parts => match wire::decode_parts(&body.into()) {
                    Ok(parts) => request.plumbing_mut().parts = Some(Box::new(parts)),
                    Err(wire::Malformed) => return reply(job, Error::internal("the job's form is malformed").into()),
                },
            }
        }
    }
    match endpoint.route.handler() {
        Handler::Stream(handler) => stream(job, &mut request, |request, writer| handler(request, writer)),
        Handler::Pool(handler) => {
            let mut response = panics::caught(|| handler(&mut request)).unwrap_or_else(Response::from);
            // Nothing of a stream would be sent, so it need not run.
            if *request.method() == Method::HEAD && response.body().as_bytes().is_none() {
                let length = LengthOnly::of(response.body());
                response.set_body(Body::new(length));
            }
            reply(job, response);
        }
        _ => reply(job, Error::internal("a route of the main process was sent to a worker").into()),
    }
}

/// A job's body as the pieces of a reader.
struct Pieces(pixie_pool::JobBody);

impl PieceSource for Pieces {
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        self.0.next_piece()
    }
}

/// Finds the route again: the tables are the same, which the pool has checked when the worker started.
fn find(app: &Composed, mut request: Request) -> Result<(&Endpoint, Request), Error> {
    match app.router.find(request.method(), request.path()) {
        Found::Route { value, params } => {
            request.plumbing_mut().params = params;
            Ok((value, request))
        }
        _ => Err(abort(404)),
    }
}

/// Sends a whole answer. That it cannot be sent means that nobody waits for it.
fn reply(job: Job, mut response: Response) {
    let length = http_body::Body::size_hint(response.body()).exact();
    let body = response.take_body().into_bytes();
    if let Some(length) = length.filter(|length| *length >= ANNOUNCED_BYTES_MIN) {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    let head = wire::encode_response(&response);
    let _ = match body {
        Ok(bytes) => job.reply(&head, &bytes),
        Err(stream) => job.start(&head).and_then(|writer| drain(stream, writer)),
    };
}

/// Sends a body that is a stream, frame by frame.
fn drain(body: Body, mut writer: JobWriter) -> io::Result<()> {
    let mut body = std::pin::pin!(body);
    while let Some(frame) = block_on(|cx| http_body::Body::poll_frame(body.as_mut(), cx)) {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                writer.write_all(&data)?;
                writer.flush()?;
            }
            // Trailers are not part of the content.
            Ok(Err(_)) => {}
            Err(error) => {
                writer.fail(Failure::error(error.to_string()));
                return Ok(());
            }
        }
    }
    writer.finish()
}

/// Runs a stream route: a failure before the head is an answer, one after it cuts the stream.
fn stream(job: Job, request: &mut Request, handler: impl Fn(&mut Request, &mut Writer<'_>) -> Result<(), Error>) {
    let mut sink = JobSink { job: Some(job), writer: None, is_head: *request.method() == Method::HEAD };
    let outcome = panics::caught(|| {
        let mut writer = Writer::new(&mut sink);
        handler(request, &mut writer)?;
        Ok(writer.start()?)
    });
    let error = match outcome {
        Ok(Ok(())) => return sink.finish(),
        Ok(Err(error)) | Err(error) => error,
    };
    // Its writes failed because the answer was over.
    if sink.is_head && sink.writer.is_some() {
        return sink.finish();
    }
    match (sink.job, sink.writer) {
        (Some(job), _) => reply(job, error.into()),
        // Where the answer is read it is known whose it was. Nobody is told if the client has left.
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

/// The connection to the main process as the place where a stream's pieces go.
struct JobSink {
    job: Option<Job>,
    writer: Option<JobWriter>,
    /// Whether the answer is over with its head: then the first write fails, which ends the handler in its own way.
    is_head: bool,
}

impl JobSink {
    fn finish(self) {
        if let Some(writer) = self.writer {
            // It fails only if the client has gone, and then nobody is left to tell.
            let _ = writer.finish();
        }
    }
}

impl PieceSink for JobSink {
    fn start(&mut self, head: &Response) -> io::Result<()> {
        let job = self.job.take().ok_or_else(|| io::Error::other("the head was sent before"))?;
        self.writer = Some(job.start(&wire::encode_response(head))?);
        Ok(())
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let writer = self.writer.as_mut().ok_or_else(|| io::Error::other("the head was not sent"))?;
        if self.is_head {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the request is HEAD: its answer has no body"));
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
