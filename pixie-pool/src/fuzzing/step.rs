//! `Step`: one action of one side of a conversation.
//!
//! Owns the possible actions and how bytes choose them. Leaves performing them to `conversation`.

use super::choices::Choices;

/// One action of one side; a step that is not possible at its time does nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The pool sends a job with the first bytes of its body to a worker that has none.
    Begin { body: usize, complete: bool },
    /// The pool puts a job into the queue, or its ticket.
    Enqueue { body: usize, complete: bool },
    /// The pool sends more of a body.
    Send { job: usize, bytes: usize },
    /// The pool ends a body.
    Finish { job: usize },
    /// The submitter takes bytes of the arriving reply.
    Take { bytes: usize },
    /// The submitter cancels a job.
    Cancel { job: usize },
    /// The pool takes all jobs out of the queue.
    TakeBack,
    /// The pool's timer notes the job that the worker has claimed last.
    Adopt,
    /// So many bytes reach the worker.
    ToWorker(usize),
    /// So many bytes reach the pool.
    ToParent(usize),
    /// The worker claims the next job in the queue.
    Claim,
    /// The worker starts its next job, or fetches it.
    Start,
    /// The handler reads its body.
    Read(usize),
    /// The handler starts its reply.
    Reply { body: usize, complete: bool },
    /// The handler sends more of its reply.
    Data(usize),
    /// The handler calls the pool.
    Call(usize),
    /// The pool returns an answer.
    Return,
    /// The handler looks for the answer.
    TakeReturn,
    /// The handler ends its reply.
    End,
    /// The handler fails.
    Fail,
}

impl Step {
    pub(crate) fn choose(script: &mut Choices<'_>) -> Self {
        match script.byte() % 22 {
            0 => Step::Begin { body: script.size(), complete: script.flag() },
            1 => Step::Enqueue { body: script.size(), complete: script.flag() },
            2 => Step::Send { job: script.byte().into(), bytes: script.size() },
            3 => Step::Finish { job: script.byte().into() },
            4 => Step::Take { bytes: script.number() },
            5 => Step::Cancel { job: script.byte().into() },
            6 => Step::TakeBack,
            7 => Step::ToWorker(script.number()),
            8 => Step::ToWorker(usize::MAX),
            9 => Step::ToParent(script.number()),
            10 => Step::ToParent(usize::MAX),
            11 => Step::Start,
            12 => Step::Claim,
            13 => Step::Read(script.size()),
            14 => Step::Reply { body: script.size(), complete: script.flag() },
            15 => Step::Data(script.size()),
            16 => Step::End,
            17 => Step::Adopt,
            18 => Step::Call(script.size()),
            19 => Step::Return,
            20 => Step::TakeReturn,
            _ => Step::Fail,
        }
    }
}
