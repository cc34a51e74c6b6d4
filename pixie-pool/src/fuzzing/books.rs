//! `Books`: a model of the jobs of one worker, which is compared with the parent.
//!
//! Owns the rules that hold for every worker, also for one that lies, and receives as the pool does. Leaves
//! the content of replies to `conversation`, whose worker is honest. Invariant: the model does not read the
//! state of the parent.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::job::a_start;
use crate::{
    config::WINDOW_BYTES,
    protocol::{
        frame::Violation,
        parent::{Event, Parent},
    },
};

/// The jobs of one worker.
#[derive(Default)]
pub(crate) struct Books {
    /// The jobs that the parent knows, in the order of their replies.
    pub(crate) way: VecDeque<Entry>,
    /// The jobs that the worker has claimed and that the parent does not know.
    pub(crate) claimed: VecDeque<Entry>,
}

/// One job.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) stream: u32,
    is_ticket: bool,
    /// Whether the submitter has left, and whether the worker was told.
    pub(crate) is_left: bool,
    pub(crate) is_canceled: bool,
    pub(crate) is_body_sent: bool,
    is_headed: bool,
    /// Whether it waits for the answer to a call.
    pub(crate) is_calling: bool,
    /// Bytes of the reply that have arrived, and how many of them were taken.
    pub(crate) heard: usize,
    pub(crate) taken: usize,
}

impl Books {
    /// Notes a job that was sent on the connection.
    pub(crate) fn begun(&mut self, stream: u32, is_body_sent: bool) {
        self.way.retain(|entry| entry.stream != stream);
        self.way.push_back(Entry { stream, is_body_sent, ..Entry::default() });
    }

    /// Notes a job that the worker has claimed from the queue.
    pub(crate) fn claim(&mut self, stream: u32, is_ticket: bool) {
        self.claimed.push_back(Entry { stream, is_ticket, is_body_sent: !is_ticket, ..Entry::default() });
    }

    /// Tells the parent of a claimed job.
    pub(crate) fn adopt(&mut self, at: usize, is_over: bool, parent: &mut Parent, out: &mut BytesMut) {
        let Some(mut entry) = self.claimed.remove(at) else { return };
        parent.adopt(entry.stream, 0, entry.is_ticket, is_over);
        // A ticket is canceled when it is fetched.
        if entry.is_left && !entry.is_ticket {
            entry.is_canceled = true;
            assert!(parent.cancel(entry.stream, out));
        }
        if is_over { self.way.push_front(entry) } else { self.way.push_back(entry) }
    }

    /// Takes the next event as the pool does: tells the parent of a claimed job, and answers a FETCH.
    pub(crate) fn receive(
        &mut self,
        parent: &mut Parent,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<(u32, Event)>, Violation> {
        let unknown = parent.unknown(input);
        if let Some(at) = self.claimed.iter().position(|entry| Some(entry.stream) == unknown) {
            self.adopt(at, !self.way.is_empty(), parent, out);
        }
        let received = parent.receive(input)?;
        match &received {
            None | Some((0, Event::Greeted | Event::Ready)) => {}
            Some((stream, event)) => self.hear(*stream, event, parent, out),
        }
        Ok(received)
    }

    fn hear(&mut self, stream: u32, event: &Event, parent: &mut Parent, out: &mut BytesMut) {
        let entry = self.way.front_mut().expect("an event is of a known job");
        assert_eq!(entry.stream, stream, "an event of a job whose turn it is not");
        entry.hear(event);
        if *event == Event::Fetch {
            if entry.is_left {
                let is_new = !std::mem::replace(&mut entry.is_canceled, true);
                assert_eq!(parent.cancel(stream, out), is_new);
            } else {
                parent.begin(stream, &a_start(1, Bytes::new(), Bytes::from(vec![1; 9]), false), out);
                self.begun(stream, false);
            }
        } else if event.is_last() {
            self.way.pop_front();
        }
    }
}

impl Entry {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Fetch => return assert!(self.is_ticket, "{event:?} of a job that is there"),
            Event::Failed(_) | Event::Gone => {}
            event => assert!(!self.is_ticket || self.is_canceled, "{event:?} of a ticket"),
        }
        assert_eq!(matches!(event, Event::Gone | Event::Late), self.is_canceled, "{event:?}");
        let bytes = match event {
            Event::Reply(answer) => {
                assert!(!std::mem::replace(&mut self.is_headed, true), "a second head");
                answer.body.len()
            }
            Event::Data(chunk) => {
                assert!(self.is_headed, "data before a head");
                chunk.len()
            }
            Event::End => {
                assert!(self.is_headed, "an end before a head");
                0
            }
            Event::Call(_) => {
                assert!(!std::mem::replace(&mut self.is_calling, true), "a second call");
                0
            }
            Event::Failed(_) | Event::Room | Event::Gone | Event::Late | Event::Extended(_) => 0,
            Event::Greeted | Event::Ready | Event::Fetch => panic!("{event:?} of a job"),
        };
        self.heard += bytes;
        assert!(self.heard - self.taken <= WINDOW_BYTES, "more than a window is unread");
    }
}
