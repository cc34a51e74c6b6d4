//! Counts the results of the requests.
//!
//! Each request has exactly one result: right, wrong, refused (503) or lost.

use std::{collections::BTreeMap, io};

use bench_kit::{complaints::Complaints, histogram::Histogram, http::Answer};

/// The routes that faults must not affect, in the order of the report.
pub(crate) const HEALTHY: [&str; 3] = ["sync", "async", "ok"];

/// The name of forks without a pool, among the faults.
pub(crate) const RAW: &str = "raw fork";

/// The results of some requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests that were sent.
    pub(crate) requests: u64,
    /// Faulty ones among them, by name.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// Responses with a wrong status or body.
    pub(crate) wrong: Complaints,
    /// Requests without a complete response.
    pub(crate) lost: Complaints,
    /// Requests that the server refused.
    pub(crate) refused: Complaints,
    /// The latencies of the correct responses of each healthy route.
    pub(crate) latencies: [Histogram; HEALTHY.len()],
}

impl Tally {
    /// Checks a response, which must have this status and, if given, this body. Returns whether it is
    /// correct.
    pub(crate) fn judge(&mut self, target: &str, status: u16, body: Option<&[u8]>, answer: io::Result<Answer>) -> bool {
        self.requests += 1;
        match answer {
            Ok(answer) if answer.status == status && body.is_none_or(|body| body == answer.body) => return true,
            Ok(answer) if answer.status == 503 => self.refused.add(format!("{target}: 503")),
            Ok(answer) => {
                let start = &answer.body[..answer.body.len().min(80)];
                let text = String::from_utf8_lossy(start);
                self.wrong.add(format!("{target}: {} {text:?} instead of {status}", answer.status));
            }
            Err(error) => self.lost.add(format!("{target}: {error}")),
        }
        false
    }

    /// Counts one fault.
    pub(crate) fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    /// Returns the number of faulty requests.
    pub(crate) fn faulty(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Adds the counts of another tally.
    pub(crate) fn merge(&mut self, other: Tally) {
        self.requests += other.requests;
        other.faults.into_iter().for_each(|(name, count)| *self.faults.entry(name).or_default() += count);
        self.wrong.merge(other.wrong);
        self.lost.merge(other.lost);
        self.refused.merge(other.refused);
        self.latencies.iter_mut().zip(&other.latencies).for_each(|(all, more)| all.merge(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_right_wrong_refused_or_lost() {
        let mut tally = Tally::default();
        let mut judge = |answer: io::Result<(u16, &str)>| {
            let answer = answer.map(|(status, body)| Answer { status, body: body.into() });
            tally.judge("/ok?id=7", 200, Some(b"7"), answer)
        };
        assert!(judge(Ok((200, "7"))));
        assert!(!judge(Ok((200, "8"))));
        assert!(!judge(Ok((502, "7"))));
        assert!(!judge(Ok((503, "later"))));
        assert!(!judge(Err(io::ErrorKind::UnexpectedEof.into())));
        let mut all = Tally::default();
        all.merge(tally);
        assert_eq!((all.requests, all.wrong.count, all.refused.count, all.lost.count), (5, 2, 1, 1));
        assert_eq!(all.wrong.examples[0], "/ok?id=7: 200 \"8\" instead of 200");
    }
}
