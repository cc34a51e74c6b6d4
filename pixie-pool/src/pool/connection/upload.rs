//! The part of a job's body that does not fit into the first frame.
//!
//! Owns the rest of the body and sends it to the worker as credit allows, on the submitter's task.
//! Invariant: the source is polled only while the worker has room.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;

use crate::{
    config::CHUNK_BYTES_MAX,
    pool::connection::job_state::JobState,
    submission::{Body, BodyStream},
};

pub(crate) struct Upload {
    unsent: Bytes,
    source: Option<Pin<Box<dyn BodyStream + Send>>>,
    /// The whole body, unless it is streamed.
    whole: Option<Bytes>,
}

impl Upload {
    /// Splits a body into the bytes that are sent with the head and the rest.
    pub(crate) fn split(body: Body) -> (Bytes, Option<Self>) {
        match body {
            Body::Empty => (Bytes::new(), None),
            Body::Full(all) if all.len() <= CHUNK_BYTES_MAX => (all, None),
            Body::Full(whole) => {
                let (first, unsent) = (whole.slice(..CHUNK_BYTES_MAX), whole.slice(CHUNK_BYTES_MAX..));
                (first, Some(Upload { unsent, source: None, whole: Some(whole) }))
            }
            Body::Stream(source) => {
                (Bytes::new(), Some(Upload { unsent: Bytes::new(), source: Some(source), whole: None }))
            }
        }
    }

    pub(crate) fn whole(&self) -> Option<&Bytes> {
        self.whole.as_ref()
    }

    /// Sends as much as the worker has room for. Ready when it has the whole body or does not want the rest.
    pub(crate) fn pump(&mut self, cx: &mut Context<'_>, job: &JobState) -> Poll<io::Result<()>> {
        let Some((connection, stream)) = job.connection(cx.waker()) else {
            return Poll::Pending;
        };
        loop {
            let room = match connection.send_room(stream) {
                None => return Poll::Ready(Ok(())),
                Some(0) => return Poll::Pending,
                Some(room) => room,
            };
            if self.unsent.is_empty() {
                match self.source.as_mut().map(|source| source.as_mut().poll_next(cx)) {
                    Some(Poll::Pending) => return Poll::Pending,
                    Some(Poll::Ready(Some(chunk))) => self.unsent = chunk?,
                    None | Some(Poll::Ready(None)) => {
                        connection.end(stream);
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            let chunk = self.unsent.split_to(room.min(self.unsent.len()));
            if !chunk.is_empty() {
                connection.data(stream, &chunk);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use std::{sync::Arc, task::Waker, time::Instant};

    use super::*;
    use crate::{
        pool::connection::{
            Continuation, JobName,
            tests::{connection, serving},
        },
        protocol::frame::Start,
    };

    /// The worker has exited and the pool has not seen it yet, so sending the job fails and the job moves on.
    #[tokio::test]
    async fn nothing_of_a_body_goes_to_a_worker_that_did_not_get_the_job() {
        let (body, upload) = Upload::split(Body::Full(vec![b'x'; 2 * CHUNK_BYTES_MAX].into()));
        let mut upload = upload.unwrap();
        let start = Start { number: 0, deadline_ms: 0, extension_ms: 0, head: "".into(), body, complete: false };
        let name = JobName { number: 0, label: "".into(), request_id: None, trace_id: None };
        let job = Arc::new(JobState::new(name, None, start, false));
        let exited = connection(1, 0, serving());
        exited.send(Arc::clone(&job), Instant::now());

        let mut cx = Context::from_waker(Waker::noop());
        assert!(upload.pump(&mut cx, &job).is_pending());
        assert_eq!(upload.unsent.len(), CHUNK_BYTES_MAX);
        let unsent = exited.take_sent().pop_front().unwrap().unsent;
        let continuation = job.after_exit(unsent, false, Instant::now());
        assert_eq!(continuation, Continuation::Move, "the job is left for another worker");
        assert!(upload.pump(&mut cx, &job).is_pending());
    }
}
