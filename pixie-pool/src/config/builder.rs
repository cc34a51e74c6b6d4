//! A pool's numbers, set one after the other.
//!
//! Owns the methods behind `Pool::named`. Rule: each sets one field of [`Config`] and nothing else; what it means stands there.

use std::{ffi::OsString, time::Duration};

use crate::{
    config::{ByteSize, Config, Size},
    error::Error,
    job::Handler,
    pool::Pool,
    sandbox::Sandbox,
};

impl Pool {
    /// Returns the configuration of a pool of this name, with the default of every number.
    ///
    /// ```no_run
    /// # use std::{sync::Arc, time::Duration};
    /// # use pixie_pool::{Handler, Job, Pool};
    /// # async fn start(handler: Handler) -> Result<(), pixie_pool::Error> {
    /// let images = Pool::named("images").size(2..=8).deadline(Duration::from_secs(2)).memory("256MB");
    /// let pool = images.start(handler).await?;
    /// # Ok(()) }
    /// ```
    pub fn named(name: impl Into<String>) -> Config {
        Config { name: name.into(), ..Config::default() }
    }
}

impl Config {
    /// Starts the pool; see [`Pool::start`].
    pub async fn start(self, handler: Handler) -> Result<Pool, Error> {
        Pool::start(self, handler).await
    }

    /// Sets [`Config::size`]: `4`, `2..=8`, or `0..=8` for workers on demand.
    pub fn size(mut self, size: impl Into<Size>) -> Self {
        self.size = size.into();
        self
    }

    /// Sets [`Config::spares`].
    pub fn spares(mut self, spares: usize) -> Self {
        self.spares = spares;
        self
    }

    /// Sets [`Config::deadline`]; `None` never kills.
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Sets [`Config::extension`].
    pub fn extension(mut self, extension: Duration) -> Self {
        self.extension = extension;
        self
    }

    /// Sets [`Config::cpu_time`].
    pub fn cpu_time(mut self, limit: Duration) -> Self {
        self.cpu_time = Some(limit);
        self
    }

    /// Sets [`Config::queue`].
    pub fn queue(mut self, jobs: usize) -> Self {
        self.queue = jobs;
        self
    }

    /// Sets [`Config::queue_timeout`].
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.queue_timeout = timeout;
        self
    }

    /// Sets [`Config::boot_timeout`].
    pub fn boot_timeout(mut self, timeout: Duration) -> Self {
        self.boot_timeout = timeout;
        self
    }

    /// Sets [`Config::idle_timeout`].
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets [`Config::slow_after`]; `None` never reports.
    pub fn slow_after(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.slow_after = time.into();
        self
    }

    /// Sets [`Config::cancel_grace`].
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = grace;
        self
    }

    /// Sets [`Config::stream_idle_timeout`].
    pub fn stream_idle_timeout(mut self, timeout: Duration) -> Self {
        self.stream_idle_timeout = timeout;
        self
    }

    /// Sets [`Config::memory`]: a number of bytes, or a text such as `"256MB"`.
    pub fn memory(mut self, bytes: impl Into<ByteSize>) -> Self {
        self.memory = Some(bytes.into());
        self
    }

    /// Sets [`Config::collect_limit`]: a number of bytes, or a text such as `"16MB"`.
    pub fn collect_limit(mut self, bytes: impl Into<ByteSize>) -> Self {
        self.collect_limit = bytes.into();
        self
    }

    /// Sets [`Config::sandbox`].
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = sandbox;
        self
    }

    /// Sets [`Config::recycle_after`].
    pub fn recycle_after(mut self, jobs: u64) -> Self {
        self.recycle_after = Some(jobs);
        self
    }

    /// Sets [`Config::recycle_age`].
    pub fn recycle_age(mut self, age: Duration) -> Self {
        self.recycle_age = Some(age);
        self
    }

    /// Sets [`Config::recycle_memory`]: a number of bytes, or a text such as `"200MB"`.
    pub fn recycle_memory(mut self, bytes: impl Into<ByteSize>) -> Self {
        self.recycle_memory = Some(bytes.into());
        self
    }

    /// Sets [`Config::breaker`].
    pub fn breaker(mut self, on: bool) -> Self {
        self.breaker = on;
        self
    }

    /// Sets [`Config::poison_refusal`].
    pub fn poison_refusal(mut self, on: bool) -> Self {
        self.poison_refusal = on;
        self
    }

    /// Adds a name to [`Config::pass_env`].
    pub fn pass_env(mut self, name: impl Into<String>) -> Self {
        self.pass_env.push(name.into());
        self
    }

    /// Adds a variable to [`Config::env`].
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}
