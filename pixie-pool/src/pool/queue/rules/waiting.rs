//! The queue: the jobs that wait for a worker, in the order in which they get one.
//!
//! Owns the lines of the clients, which take turns: a client with many jobs delays another one by one job at
//! a time. Leaves limits of number and time to `rules`. Invariant: a line is not empty and has one turn.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use crate::pool::connection::Queued;

/// Jobs without a client are those of one more client.
type Client = Option<u64>;

#[derive(Debug)]
pub(super) struct Waiting<J> {
    /// Jobs that were put back, before all others.
    first: VecDeque<Queued<J>>,
    lines: HashMap<Client, VecDeque<Queued<J>>>,
    /// The clients that have a line; the next job is the first one's.
    turns: VecDeque<Client>,
    count: usize,
}

impl<J> Waiting<J> {
    pub(super) fn new() -> Self {
        Waiting { first: VecDeque::new(), lines: HashMap::new(), turns: VecDeque::new(), count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn push(&mut self, client: Client, queued: Queued<J>) {
        let line = self.lines.entry(client).or_default();
        if line.is_empty() {
            self.turns.push_back(client);
        }
        line.push_back(queued);
        self.count += 1;
    }

    /// Puts jobs before all others, in their order.
    pub(super) fn put_back(&mut self, jobs: Vec<Queued<J>>) {
        self.count += jobs.len();
        jobs.into_iter().rev().for_each(|queued| self.first.push_front(queued));
    }

    pub(super) fn pop(&mut self) -> Option<Queued<J>> {
        let queued = self.first.pop_front().or_else(|| self.pop_turn())?;
        self.count -= 1;
        Some(queued)
    }

    fn pop_turn(&mut self) -> Option<Queued<J>> {
        let client = self.turns.pop_front()?;
        let line = self.lines.get_mut(&client)?;
        let queued = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&client);
        } else {
            self.turns.push_back(client);
        }
        queued
    }

    /// Takes the last job of the longest line, for a new job of a client whose line is shorter also with it.
    pub(super) fn make_room(&mut self, client: Client) -> Option<J> {
        let own = self.lines.get(&client).map_or(0, VecDeque::len);
        let longest = self.lines.values_mut().max_by_key(|line| line.len())?;
        // A line that is longer by two does not become empty.
        let last = if longest.len() > own + 1 { longest.pop_back() } else { None }?;
        self.count -= 1;
        Some(last.job)
    }

    /// Returns since when the oldest job waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let firsts = self.lines.values().filter_map(VecDeque::front);
        self.first.iter().chain(firsts).map(|queued| queued.since).min()
    }

    /// Returns when the first job has waited for too long.
    pub(super) fn until(&self) -> Option<Instant> {
        let lines = self.lines.values().filter_map(VecDeque::front);
        self.first.iter().chain(lines).map(|queued| queued.until).min()
    }

    /// Takes all jobs for which this is true.
    pub(super) fn take(&mut self, is_taken: impl Fn(&Queued<J>) -> bool) -> Vec<J> {
        let mut taken = Vec::new();
        for line in self.lines.values_mut().chain([&mut self.first]) {
            if line.iter().any(&is_taken) {
                let (gone, rest): (VecDeque<_>, _) = line.drain(..).partition(&is_taken);
                *line = rest;
                taken.extend(gone.into_iter().map(|queued| queued.job));
            }
        }
        self.count -= taken.len();
        self.lines.retain(|_, line| !line.is_empty());
        self.turns.retain(|client| self.lines.contains_key(client));
        taken
    }
}
