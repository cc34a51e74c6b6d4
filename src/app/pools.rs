//! The worker pools of an app: their size, their memory, pools with settings of their own, and shared data.
use std::time::Duration;

use pixie_core::ByteSize;
use pixie_pool::Share;

use crate::{app::App, table::settings::Workers};

/// # Pools
///
/// A pool has the settings of the app that it does not set itself.
impl App {
    /// Sets the number of worker processes of each pool without a size of its own. `PIXIE_WORKERS` overrides
    /// it, for all pools. Default: one per CPU. The pool `streams` has up to 64 workers on demand, if this is
    /// not 0.
    ///
    /// With 0, pool and stream routes run on threads of the main process, where a handler cannot be killed.
    pub fn workers(mut self, workers: usize) -> App {
        self.settings.workers = Workers::OfApp(workers);
        self
    }

    /// Declares a pool, for the routes that name it: its size, deadline, queue and limits. What it does not
    /// set, it has from the app.
    ///
    /// Pool routes that name no pool run in the pool `default`, and stream routes in the pool `streams`,
    /// which has the settings of `default` that it does not set itself, except for its size. The variable
    /// `PIXIE_POOL_IMAGES` overrides the settings of the pool `images`: `PIXIE_POOL_IMAGES="size=2..8
    /// deadline=5s"`.
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, Pool, get};
    ///
    /// #[get("/thumbnail", pool = "images")]
    /// fn thumbnail() -> &'static str {
    ///     "made in a worker of the pool images"
    /// }
    ///
    /// # fn main() -> pixie_web::Result<()> {
    /// let images = Pool::named("images").size(2..=8).memory("256MB").recycle_after(1000);
    /// let client = App::collect().pool(images).test()?;
    /// client.get("/thumbnail").send().assert_status(200);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("process", "worker", "fork"))]
    pub fn pool(mut self, pool: pixie_pool::Config) -> App {
        self.pools.push(pool);
        self
    }

    /// Shares a file or bytes with all workers under a name, before the app is ready.
    /// [`shared`](crate::shared) returns them in every kind of route, at no copy, and [`share`](crate::share)
    /// replaces them while the app runs. The guide's page [`shared_data`](crate::guide::shared_data) explains
    /// it. An error, such as a missing file, ends the start.
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, Bytes, Result, Share, get, post, share, shared};
    ///
    /// #[get("/words")]
    /// fn words() -> Result<String> {
    ///     let words = shared("words")?;
    ///     Ok(format!("version {}: {}", words.version(), String::from_utf8_lossy(&words)))
    /// }
    ///
    /// #[post("/words", thread)]
    /// fn replace(words: Bytes) -> Result<String> {
    ///     Ok(format!("version {}", share("words", Share::bytes(words))?.version()))
    /// }
    ///
    /// # fn main() -> pixie_web::Result<()> {
    /// let client = App::collect().share("words", Share::bytes("one two")).test()?;
    /// client.get("/words").send().assert_text("version 1: one two");
    /// client.post("/words").body("three").send().assert_text("version 2");
    /// client.get("/words").send().assert_text("version 2: three");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("model", "mmap", "shared memory"))]
    pub fn share(mut self, name: impl Into<String>, share: Share) -> App {
        self.lifecycle.shares.push((name.into(), share));
        self
    }

    /// Limits the memory of each worker, for pools without a limit of their own: `"256MB"`, or a number of
    /// bytes. Above the limit an allocation fails and the worker aborts, or it is killed. See
    /// [`PoolConfig::memory`](crate::PoolConfig::memory). Default: no limit.
    pub fn worker_memory(mut self, size: impl Into<ByteSize>) -> App {
        self.settings.worker_memory = Some(size.into());
        self
    }

    /// Passes a variable of the environment to the workers of sandboxed pools, such as `"DATABASE_URL"`; a
    /// final `*` matches any ending. Each call adds one.
    ///
    /// Without this they get only `PATH HOME TMPDIR LANG LC_* TZ RUST_BACKTRACE RUST_LOG`, the settings
    /// `PIXIE_HOST PIXIE_PORT PIXIE_WORKERS PIXIE_DEV`, and `PIXIE_SECRET` if a route of the pool reads
    /// sealed cookies. [`PoolConfig::pass_env`](crate::PoolConfig::pass_env) passes a variable to one pool.
    /// Workers without a sandbox get all variables.
    pub fn pass_env(mut self, name: impl Into<String>) -> App {
        self.settings.pass_env.push(name.into());
        self
    }

    /// Sets the time without a response after which a request of a pool is logged once, with what its worker
    /// does. `None` disables it. A pool can set its own time. Default: 5 s.
    pub fn slow_after(mut self, time: impl Into<Option<Duration>>) -> App {
        self.settings.slow_after = time.into();
        self
    }
}
