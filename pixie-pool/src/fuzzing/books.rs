//! `Books`: a model of the jobs that a parent has sent, which is compared with the parent.
//!
//! Owns the rules that hold for every worker, also for one that lies. Leaves the content of replies to
//! `conversation`, whose worker is honest. Invariant: the model does not read the state of the parent.

use std::collections::VecDeque;

use crate::{config::WINDOW_BYTES, protocol::parent::Event};

/// The sent jobs, in the order in which they were sent.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) way: VecDeque<Entry>,
    /// Whether the worker may return jobs.
    pub(crate) is_withdrawing: bool,
}

/// One sent job.
pub(crate) struct Entry {
    pub(crate) stream: u32,
    is_ahead: bool,
    pub(crate) is_canceled: bool,
    pub(crate) is_body_sent: bool,
    is_headed: bool,
    /// Bytes of the reply that have arrived, and how many of them were taken.
    pub(crate) heard: usize,
    pub(crate) taken: usize,
}

impl Books {
    pub(crate) fn begun(&mut self, stream: u32, is_body_sent: bool) {
        let is_ahead = !self.way.is_empty();
        let (is_canceled, is_headed, heard, taken) = (false, false, 0, 0);
        self.way.push_back(Entry { stream, is_ahead, is_canceled, is_body_sent, is_headed, heard, taken });
    }

    /// Checks an event and returns the streams that it ends.
    pub(crate) fn hear(&mut self, stream: u32, event: &Event) -> Vec<u32> {
        if let Event::Returned { at, count } = *event {
            assert!(std::mem::take(&mut self.is_withdrawing), "jobs were returned without a request");
            let given: Vec<_> = self.way.drain(at..at + count).collect();
            assert!(!given.is_empty() && given[0].stream == stream);
            assert!(
                given.iter().all(|entry| entry.is_ahead && !entry.is_headed),
                "it was not pipelined, or is answered"
            );
            return given.into_iter().map(|entry| entry.stream).collect();
        }
        let entry = self.way.front_mut().expect("an event is of a job on the way");
        assert_eq!(entry.stream, stream, "an event of a job that is not the running one");
        entry.hear(event);
        if event.is_last() {
            self.way.pop_front();
            return vec![stream];
        }
        Vec::new()
    }
}

impl Entry {
    fn hear(&mut self, event: &Event) {
        assert_eq!(*event == Event::Gone, self.is_canceled, "{event:?}");
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
            Event::Failed(_) | Event::Room | Event::Gone | Event::Extended(_) => 0,
            Event::Greeted | Event::Ready | Event::Returned { .. } => panic!("{event:?} of a job"),
        };
        self.heard += bytes;
        assert!(self.heard - self.taken <= WINDOW_BYTES, "more than a window is unread");
    }
}
