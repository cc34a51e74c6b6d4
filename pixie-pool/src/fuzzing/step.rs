//! `Step`: one thing that one side of a conversation does.
//!
//! Owns what may be done and how bytes choose it. Leaves doing it to `conversation`.

use super::choices::Choices;

/// One thing that one side does; a step for which there is no occasion is none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The pool sends a job with the first bytes of its body.
    Begin { body: usize, complete: bool },
    /// The pool sends on a body.
    Send { job: usize, bytes: usize },
    /// The pool ends a body.
    Finish { job: usize },
    /// The submitter takes bytes of the answer that is arriving.
    Take { bytes: usize },
    /// The submitter leaves.
    Cancel { job: usize },
    /// The pool wants back what is not started.
    Recall,
    /// So many bytes reach the worker.
    ToWorker(usize),
    /// So many bytes reach the pool.
    ToParent(usize),
    /// The worker starts its next job.
    Start,
    /// The handler reads its body.
    Read(usize),
    /// The handler begins its answer.
    Reply { body: usize, complete: bool },
    /// The handler goes on with its answer.
    Data(usize),
    /// The handler ends its answer.
    End,
    /// The handler gives up.
    Fail,
}

impl Step {
    pub(crate) fn choose(script: &mut Choices<'_>) -> Self {
        match script.byte() % 18 {
            0 | 1 => Step::Begin { body: script.size(), complete: script.flag() },
            2 => Step::Send { job: script.byte().into(), bytes: script.size() },
            3 => Step::Finish { job: script.byte().into() },
            4 => Step::Take { bytes: script.number() },
            5 => Step::Cancel { job: script.byte().into() },
            6 => Step::Recall,
            7 => Step::ToWorker(script.number()),
            8 => Step::ToWorker(usize::MAX),
            9 => Step::ToParent(script.number()),
            10 => Step::ToParent(usize::MAX),
            11 | 12 => Step::Start,
            13 => Step::Read(script.size()),
            14 => Step::Reply { body: script.size(), complete: script.flag() },
            15 => Step::Data(script.size()),
            16 => Step::End,
            _ => Step::Fail,
        }
    }
}
