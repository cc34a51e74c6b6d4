//! Counts the results of the requests.
//!
//! Each request has exactly one result: right, wrong, doubled, lost, cut, refused or failed.

use std::{collections::BTreeMap, io};

use bench_kit::{complaints::Complaints, histogram::Histogram, http::Answer};

use crate::visitor::{Fault, Kind, Visitor};

/// What may go wrong in a phase without being a broken promise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Excuses {
    /// Hosts or links fail, which cuts the POSTs that run there.
    pub(crate) hosts_fail: bool,
    /// The store restarts. The app refuses what needs it (503) if it is away for longer than 2 s, or if the
    /// store may have done a change whose answer was lost.
    pub(crate) store_is_away: bool,
}

/// The results of some requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests that were sent.
    pub(crate) requests: u64,
    /// Answers that belong to another request, or whose content or status is wrong.
    pub(crate) wrong: Complaints,
    /// POSTs that ran twice.
    pub(crate) doubled: Complaints,
    /// GETs and PUTs without a right answer.
    pub(crate) lost: Complaints,
    /// POSTs without an answer, while hosts fail.
    pub(crate) cut: Complaints,
    /// Requests that the app refused because the store was away.
    pub(crate) refused: Complaints,
    /// POSTs without an answer in a phase in which no host fails.
    pub(crate) failed: Complaints,
    /// The ids of POSTs without an answer.
    pub(crate) unknown_posts: Vec<String>,
    /// The latencies of the right answers.
    pub(crate) latencies: Histogram,
    /// The right answers of each host and version, such as `web1/1`.
    pub(crate) places: BTreeMap<String, u64>,
    /// Messages of topics that were published on another host than that of their subscriber.
    pub(crate) crossed: u64,
    /// Faults of workers that were ordered, by name.
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Judges an answer to the current request of a visitor. Returns whether it is right.
    pub(crate) fn judge(&mut self, visitor: &mut Visitor, answer: io::Result<Answer>, excuses: Excuses) -> bool {
        self.requests += 1;
        let is_right = match answer {
            Ok(answer) if answer.status == 200 => {
                let checked = visitor.check(std::str::from_utf8(&answer.body).unwrap_or_default());
                self.place(checked, visitor.kind)
            }
            Ok(answer) if answer.status == 429 && visitor.kind == Kind::Burst => true,
            Ok(answer) if (502..=504).contains(&answer.status) => {
                self.miss(visitor, answer.status, &answer.status.to_string(), excuses);
                false
            }
            Ok(answer) => {
                let start = String::from_utf8_lossy(&answer.body[..answer.body.len().min(80)]).into_owned();
                self.wrong.add(format!("{:?}: {} {start:?}", visitor.kind, answer.status));
                false
            }
            Err(error) => {
                self.miss(visitor, 0, &error.to_string(), excuses);
                false
            }
        };
        if !is_right {
            visitor.note_failure();
        }
        let burst = visitor.check_burst(excuses.hosts_fail);
        self.place(burst.map(|()| ""), visitor.kind);
        is_right
    }

    fn place(&mut self, checked: Result<&str, Fault>, kind: Kind) -> bool {
        let is_right = checked.is_ok();
        match checked {
            Ok("") => {}
            Ok(place) => *self.places.entry(place.to_owned()).or_default() += 1,
            Err(Fault::Wrong(what)) => self.wrong.add(format!("{kind:?}: {what}")),
            Err(Fault::Doubled(what)) => self.doubled.add(format!("{kind:?}: {what}")),
        }
        is_right
    }

    fn miss(&mut self, visitor: &Visitor, status: u16, reason: &str, excuses: Excuses) {
        let what = format!("{:?}: {reason}", visitor.kind);
        if !visitor.kind.is_idempotent() {
            self.unknown_posts.push(visitor.id());
        }
        let complaints = match visitor.kind.is_idempotent() {
            _ if excuses.store_is_away && status == 503 && visitor.kind.needs_store() => &mut self.refused,
            true => &mut self.lost,
            false if excuses.hosts_fail => &mut self.cut,
            false => &mut self.failed,
        };
        complaints.add(what);
    }

    /// Adds the counts of another tally.
    pub(crate) fn merge(&mut self, other: Tally) {
        self.requests += other.requests;
        self.wrong.merge(other.wrong);
        self.doubled.merge(other.doubled);
        self.lost.merge(other.lost);
        self.cut.merge(other.cut);
        self.refused.merge(other.refused);
        self.failed.merge(other.failed);
        self.unknown_posts.extend(other.unknown_posts);
        self.latencies.merge(&other.latencies);
        self.crossed += other.crossed;
        other.places.into_iter().for_each(|(place, count)| *self.places.entry(place).or_default() += count);
        other.faults.into_iter().for_each(|(name, count)| *self.faults.entry(name).or_default() += count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_get_counts_always_and_a_cut_post_only_while_no_host_fails() {
        let mut tally = Tally::default();
        let mut judge = |kind, excuses, answer: io::Result<(u16, &str)>| {
            let mut visitor = Visitor::new(kind, "a".into());
            visitor.request();
            let answer = answer.map(|(status, body)| Answer { status, body: body.into() });
            tally.judge(&mut visitor, answer, excuses)
        };
        let fail = Excuses { hosts_fail: true, ..Excuses::default() };
        let away = Excuses { store_is_away: true, ..Excuses::default() };
        let cut = || Err(io::ErrorKind::UnexpectedEof.into());
        assert!(judge(Kind::Image, fail, Ok((200, "a-1 images1/1"))));
        assert!(!judge(Kind::Image, fail, cut()));
        assert!(!judge(Kind::NewImage, fail, cut()));
        assert!(!judge(Kind::NewImage, Excuses::default(), Ok((502, ""))));
        assert!(!judge(Kind::Session, away, Ok((503, ""))));
        assert!(!judge(Kind::Sync, away, Ok((503, ""))));
        assert!(!judge(Kind::Sync, fail, Ok((421, ""))));
        let counts = [&tally.lost, &tally.cut, &tally.failed, &tally.refused, &tally.wrong].map(|all| all.count);
        assert_eq!((tally.requests, counts), (7, [2, 1, 1, 1, 1]));
        assert_eq!(tally.unknown_posts, ["a-1", "a-1"]);
    }
}
