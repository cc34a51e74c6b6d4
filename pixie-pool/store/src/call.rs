//! `Call` and `Write`: one operation that was described but not started, for async and blocking code.
//!
//! `await` starts it, and so does `wait`. Both poll the same future, and no back end needs a runtime of the
//! caller, so `wait` works on every thread.

use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use tokio::task::coop::unconstrained;

use crate::{
    Error,
    backend::{Backend, Caller, Later, Started},
    op::{Answer, Op, Verb},
};

/// Makes the result out of the answer. The number is the length of the namespaces in keys.
pub(crate) type Read<T> = fn(Answer, &Op, usize) -> Result<T, Error>;

/// One operation of a [`Store`](crate::Store): `.await?` in async code, [`.wait()?`](Call::wait) elsewhere.
///
/// ```
/// # use pixie_store::{Error, Store};
/// async fn visits(store: &Store) -> Result<i64, Error> {
///     store.add("visits", 1).await
/// }
/// fn visits_in_blocking_code(store: &Store) -> Result<i64, Error> {
///     store.add("visits", 1).wait()
/// }
/// # assert_eq!(visits_in_blocking_code(&Store::memory())?, 1);
/// # Ok::<(), Error>(())
/// ```
#[must_use = "a call does nothing until it is awaited or `wait` is called"]
pub struct Call<T> {
    backend: Arc<Backend>,
    op: Result<Op, Error>,
    cut: usize,
    read: Read<T>,
}

impl<T> Call<T> {
    pub(crate) fn new(backend: Arc<Backend>, op: Result<Op, Error>, cut: usize, read: Read<T>) -> Call<T> {
        Call { backend, op, cut, read }
    }

    /// Runs the operation and blocks this thread until it has ended. Works on every thread. In an async handler,
    /// use `.await` instead, so that the thread can do other work.
    pub fn wait(self) -> Result<T, Error> {
        let op = self.op?;
        let answer = match self.backend.start(&op, Caller::Thread) {
            Started::Now(answer) => answer,
            Started::Later(later) => block_on(later),
        };
        (self.read)(answer?, &op, self.cut)
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("op", &self.op).finish_non_exhaustive()
    }
}

impl<T> IntoFuture for Call<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pending<T>;

    fn into_future(self) -> Pending<T> {
        Pending { call: Some(self), later: None }
    }
}

/// An operation that writes: a [`Call`] that can be given an expiry.
///
/// ```
/// # use pixie_store::Store;
/// # use std::time::Duration;
/// # let store = Store::memory();
/// store.put("code", &"3141").expires_in(Duration::from_secs(600)).wait()?;
/// # Ok::<(), pixie_store::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a call does nothing until it is awaited or `wait` is called"]
pub struct Write<T>(pub(crate) Call<T>);

impl<T> Write<T> {
    /// Removes the value after this time. At least a millisecond; 100 years and more mean never. Without it,
    /// `put` and `put_if` write a value that stays. For `add` the time counts from the first `add`, and later
    /// ones do not change it.
    pub fn expires_in(mut self, time: Duration) -> Write<T> {
        let left_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if let Ok(Op {
            verb: Verb::Put { expires_ms, .. } | Verb::PutIf { expires_ms, .. } | Verb::Add { expires_ms, .. },
            ..
        }) = &mut self.0.op
        {
            *expires_ms = Some(left_ms);
        }
        self
    }

    /// Runs the operation and blocks this thread, like [`Call::wait`].
    pub fn wait(self) -> Result<T, Error> {
        self.0.wait()
    }
}

impl<T> IntoFuture for Write<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pending<T>;

    fn into_future(self) -> Pending<T> {
        self.0.into_future()
    }
}

/// The future of a [`Call`].
#[must_use = "a call does nothing until it is awaited"]
pub struct Pending<T> {
    call: Option<Call<T>>,
    later: Option<Later>,
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("call", &self.call).finish_non_exhaustive()
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let call = this.call.as_ref().expect("a future that has ended is not polled again");
        let answer = match (&mut this.later, &call.op) {
            (Some(later), _) => later.as_mut().poll(context),
            (None, Err(error)) => Poll::Ready(Err(error.clone())),
            (None, Ok(op)) => match call.backend.start(op, Caller::Task) {
                Started::Now(answer) => Poll::Ready(answer),
                Started::Later(later) => this.later.insert(later).as_mut().poll(context),
            },
        };
        answer.map(|answer| {
            let call = this.call.take().expect("it was there before");
            (call.read)(answer?, &call.op?, call.cut)
        })
    }
}

/// Polls a future on this thread, which sleeps in between.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    // On a thread of a runtime, tokio would limit how much is polled before a pause, which never comes here.
    let mut future = pin!(unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
