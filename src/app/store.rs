//! The store that all routes of an app share, and limits of requests, which count there.
use pixie_store::Store;

use crate::{
    app::{App, group::Group},
    table::rates::Limit,
};

/// # Store
impl App {
    /// Gives the app this store. A handler of any kind takes [`Store`] as an argument. `PIXIE_STORE` overrides
    /// it: `memory`, `redb:PATH` (feature `store-file`) or `redis://HOST:PORT` (feature `store-redis`).
    /// Default: a store in memory.
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, Result, Store, get};
    ///
    /// #[get("/visits")]
    /// fn visits(store: Store) -> Result<String> {
    ///     Ok(format!("visit {}", store.add("visits", 1).wait()?))
    /// }
    ///
    /// # fn main() -> pixie_web::Result<()> {
    /// let client = App::collect().store(Store::memory()).test()?;
    /// client.get("/visits").send().assert_text("visit 1");
    /// client.get("/visits").send().assert_text("visit 2");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("redis", "cache", "database"))]
    pub fn store(mut self, store: Store) -> App {
        self.store = Some(store);
        self
    }
}

/// # Rate limits
impl App {
    /// Limits how often a client may ask: `"100/min"`, or a [`Limit`] by another key than the address. Each call
    /// adds one. The attribute of a route has `limit = "5/min"`.
    ///
    /// A request above the limit gets 429 with `Retry-After`, before other hooks and the handler run. All
    /// responses tell the client its limits in the headers `RateLimit` and `RateLimit-Policy`. The guide's page
    /// [`limits`](crate::guide::limits) says where requests are counted.
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, get, post};
    ///
    /// #[post("/login", sync, limit = "2/min")]
    /// fn login() -> &'static str {
    ///     "welcome"
    /// }
    ///
    /// # fn main() -> pixie_web::Result<()> {
    /// let client = App::collect().limit("1000/h").test()?;
    /// client.post("/login").send().assert_status(200);
    /// client.post("/login").send().assert_status(200);
    /// client.post("/login").send().assert_status(429).assert_header("retry-after", "30");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("rate limit", "throttle"))]
    pub fn limit(mut self, limit: impl Into<Limit>) -> App {
        self.level.limits.push(limit.into());
        self
    }
}

impl Group {
    /// Limits how often a client may ask for what is under the prefix. See [`App::limit`].
    pub fn limit(mut self, limit: impl Into<Limit>) -> Group {
        self.level.limits.push(limit.into());
        self
    }
}
