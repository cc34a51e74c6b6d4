//! The fork server of a pool: an executed copy of the program, with one thread, that forks workers on request.
//!
//! Owns the messages between it and the main process, and its loop in `fork::serving`. Leaves to the pool when
//! it is started and replaced. Invariant: each request has exactly one answer, in order.
//!
//! A request is the worker's number, with five descriptors: the pipe whose end ends the worker, its lifeline,
//! stdout, stderr and its socket to the pool. The first message is no request: it has the lifeline of the
//! fork server. Forked workers are children of the main process, which waits for them as for executed ones,
//! so they continue if their fork server exits.

pub(crate) mod serving;

use std::str;

/// The bytes of a request.
pub(crate) const REQUEST_BYTES: usize = 4;
/// Limits an answer, in bytes. The error of a system call is far shorter.
pub(crate) const ANSWER_BYTES_MAX: usize = 512;

/// What a fork server answers, as a line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The program has come to the place where it serves. This answer has no request.
    Ready,
    /// A worker with this pid was forked.
    Forked(u32),
    /// Forking failed this time.
    Failed(String),
    /// This process cannot fork, for this reason.
    Refused(String),
}

impl Answer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (word, rest) = match self {
            Answer::Ready => ("ready", String::new()),
            Answer::Forked(pid) => ("forked", pid.to_string()),
            Answer::Failed(why) => ("failed", why.replace('\n', " ")),
            Answer::Refused(why) => ("refused", why.replace('\n', " ")),
        };
        let mut line = format!("{word} {rest}").into_bytes();
        line.truncate(ANSWER_BYTES_MAX - 1);
        line.push(b'\n');
        line
    }

    /// Reads an answer; `None` if the line is not complete or not an answer.
    pub(crate) fn decode(line: &[u8]) -> Option<Self> {
        let (word, rest) = str::from_utf8(line.strip_suffix(b"\n")?).ok()?.split_once(' ')?;
        match word {
            "ready" => Some(Answer::Ready),
            "forked" => rest.parse().ok().map(Answer::Forked),
            "failed" => Some(Answer::Failed(rest.to_owned())),
            "refused" => Some(Answer::Refused(rest.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_line_of_limited_length() {
        let why = || "no\nmemory".to_owned();
        for answer in [Answer::Ready, Answer::Forked(4711), Answer::Failed("EAGAIN".to_owned())] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(Answer::decode(&Answer::Refused(why()).encode()), Some(Answer::Refused("no memory".to_owned())));
        assert_eq!(Answer::Failed("x".repeat(9999)).encode().len(), ANSWER_BYTES_MAX);
        for line in ["", "ready", "ready ", "forked x\n", "forked -1\n", "other \n"] {
            assert_eq!(Answer::decode(line.as_bytes()), None, "{line}");
        }
    }
}
