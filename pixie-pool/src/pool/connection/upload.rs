//! The part of a job's body that did not fit beside its head.
//!
//! Owns the rest of the body and moves it to the worker as credit allows, on the submitter's own task.
//! Rule: nothing is asked of the source while the worker has no room.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;

use crate::{
    config::CHUNK_BYTES_MAX,
    pool::connection::job_state::Exchange,
    submission::{Body, BodyStream},
};

pub(crate) struct Upload {
    unsent: Bytes,
    source: Option<Pin<Box<dyn BodyStream + Send>>>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").finish_non_exhaustive()
    }
}

impl Upload {
    /// Splits a body into what travels with the head and what follows.
    pub(crate) fn split(body: Body) -> (Bytes, Option<Self>) {
        match body {
            Body::Empty => (Bytes::new(), None),
            Body::Full(all) if all.len() <= CHUNK_BYTES_MAX => (all, None),
            Body::Full(mut all) => {
                let first = all.split_to(CHUNK_BYTES_MAX);
                (first, Some(Upload { unsent: all, source: None }))
            }
            Body::Stream(source) => (Bytes::new(), Some(Upload { unsent: Bytes::new(), source: Some(source) })),
        }
    }

    /// Sends what may be sent now; ready once the worker has all of it or wants no more.
    pub(crate) fn pump(&mut self, cx: &mut Context<'_>, exchange: &Exchange) -> Poll<io::Result<()>> {
        let Some((link, stream)) = exchange.running(cx.waker()) else {
            return Poll::Pending;
        };
        loop {
            let room = match link.send_room(stream) {
                None => return Poll::Ready(Ok(())),
                Some(0) => return Poll::Pending,
                Some(room) => room,
            };
            if self.unsent.is_empty() {
                match self.next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(chunk)) => self.unsent = chunk?,
                    Poll::Ready(None) => {
                        link.end(stream);
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            let chunk = self.unsent.split_to(room.min(self.unsent.len()));
            if !chunk.is_empty() {
                link.data(stream, &chunk);
            }
        }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.source {
            Some(source) => source.as_mut().poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use std::{sync::Arc, task::Waker, time::Instant};

    use super::*;
    use crate::{
        pool::{
            connection::job_state::Name,
            connection::socket::tests::{link, serving},
        },
        protocol::frame::Start,
    };

    /// The worker has died and nobody has noticed, so the job is sent to it in vain and moves on.
    #[tokio::test]
    async fn nothing_of_a_body_goes_to_a_worker_that_did_not_get_the_job() {
        let (body, upload) = Upload::split(Body::Full(vec![b'x'; 2 * CHUNK_BYTES_MAX].into()));
        let mut upload = upload.unwrap();
        let start = Start { number: 0, deadline_ms: 0, extension_ms: 0, head: "".into(), body, complete: false };
        let name = Name { number: 0, label: "".into(), request_id: None };
        let (exchange, dead) = (Arc::new(Exchange::new(name, None, start, false)), link(1, 0, serving()));
        dead.begin(&mut vec![Arc::clone(&exchange)], Instant::now());

        let mut cx = Context::from_waker(Waker::noop());
        assert!(upload.pump(&mut cx, &exchange).is_pending());
        assert_eq!(upload.unsent.len(), CHUNK_BYTES_MAX);
        let unsent = dead.take_flights().pop_front().unwrap().unsent;
        assert!(unsent.is_some() && exchange.move_on(unsent), "it is left to be sent elsewhere");
        assert!(upload.pump(&mut cx, &exchange).is_pending());
    }
}
