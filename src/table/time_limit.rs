//! `TimeLimit`: the time that a request has left, for handlers that run in a pool.
use std::{any::TypeId, time::Duration};

use pixie_core::{Error, FromRequest, Needs, Request, Route};

/// The time until the deadline of this request, when its worker is killed. Pool and stream routes can take it
/// as an argument, and can ask for more time.
///
/// ```standalone_crate
/// use pixie_web::{App, Pool, TimeLimit, get};
/// use std::time::Duration;
///
/// #[get("/report", pool = "reports", deadline = "5s")]
/// fn report(time: TimeLimit) -> String {
///     let mut pages = 0;
///     while pages < 100 && time.remaining().is_none_or(|left| left > Duration::from_secs(1)) {
///         pages += 1;                                // stops before it is stopped
///     }
///     time.extend(Duration::from_secs(2));           // or asks for more, up to what the pool allows
///     format!("{pages} pages")
/// }
///
/// fn main() -> pixie_web::Result<()> {
///     let reports = Pool::named("reports").extension(Duration::from_secs(10));
///     # if false {
///     App::collect().pool(reports).run()?;
///     # }
///     # Ok(())
/// }
/// ```
#[doc(alias("deadline", "timeout"))]
#[derive(Clone, Debug)]
pub struct TimeLimit(Option<pixie_pool::TimeLimit>);

impl TimeLimit {
    /// Returns the time until the deadline, or `None` if the pool has no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.0.as_ref().and_then(pixie_pool::TimeLimit::remaining)
    }

    /// Asks for more time and returns how much was granted, in whole milliseconds. The pool's
    /// [`extension`](pixie_pool::Config::extension) limits the total. Returns zero without a deadline, or
    /// after the response has begun.
    pub fn extend(&self, by: Duration) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |time| time.extend(by))
    }
}

impl FromRequest for TimeLimit {
    fn needs(needs: &mut Needs) {
        let remedy =
            "only pool and stream routes have a clock that can be looked at: make it one, or remove the argument";
        needs.provided(TypeId::of::<TimeLimit>(), "a `TimeLimit`", remedy);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(TimeLimit(request.extensions().get().cloned()))
    }
}

/// Returns whether the handler of a route has this argument. Other jobs do not measure the time.
pub(crate) fn is_read(route: &Route) -> bool {
    route.reads().states.iter().any(|state| state.id == TypeId::of::<TimeLimit>())
}
