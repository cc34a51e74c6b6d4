//! What an app does besides answering requests: at its start, at its stop, and at times.
use pixie_core::Result;

use crate::{
    app::App,
    table::{
        late::Late,
        lifecycle::{AppHandle, Periodic, Step},
    },
};

/// # Start, stop and background work
///
/// `main` runs in every worker process too. What these methods get runs in the main process only, on the
/// runtime of the app, in this order: [`state_with`](App::state_with),
/// [`state_late`](App::state_late) and [`on_start`](App::on_start) in the order of their calls, then the pools start and the app is ready. At a stop: requests end, then
/// [`every`](App::every) and [`AfterResponse`](crate::AfterResponse), for up to 5 s, then the pools,
/// then [`on_stop`](App::on_stop) in reverse order, for up to 5 s each.
///
/// With several processes, as with [`App::role`], each of them does all this. [`App::test`] runs everything
/// but `every`. [`App::into_service`] refuses an app that has any of it.
impl App {
    /// Makes a value before the app is ready, which sync, thread and async routes read as `State<T>`.
    ///
    /// An error ends the start. The port is open already, so that a second start on the same port fails
    /// before it reaches this.
    ///
    /// ```
    /// use pixie_web::{App, Route};
    /// # struct Db; impl Db { async fn connect(_: &str) -> pixie_web::Result<Db> { Ok(Db) } }
    /// let app = App::new().route(Route::get("/").sync(|_| "Hello"));
    /// let app = app.state_with(async || Db::connect("postgres://localhost").await);
    /// app.test()?.get("/").send().assert_status(200);
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("database", "db", "connection pool", "lifespan"))]
    #[track_caller]
    pub fn state_with<T, F>(mut self, make: F) -> App
    where
        T: Send + Sync + 'static,
        F: AsyncFnOnce() -> Result<T> + Send + 'static,
    {
        self.state.reserve::<T>();
        let fill = async move |app: AppHandle| {
            let value = make().await?;
            app.fill(value);
            Ok(())
        };
        self.lifecycle.starts.push(Step::new("App::state_with", fill));
        self
    }

    /// Opens a value that only one program at a time can have, such as the file of an embedded database. Sync,
    /// thread and async routes read it as `State<Late<T>>`, and [`Late::get`] returns it.
    ///
    /// The value is opened before the app is ready, and an error ends the start. A program that replaces another
    /// one, under `pixie dev` or at a restart, opens it when the other one has closed it: it tries again for up to
    /// 15 s, while requests that need the value wait.
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, Late, Result, State, get};
    /// # struct Notes; impl Notes { fn open(_: &str) -> Result<Notes> { Ok(Notes) } fn count(&self) -> u32 { 3 } }
    /// #[get("/count", thread)]
    /// fn count(notes: State<Late<Notes>>) -> Result<String> {
    ///     Ok(notes.get()?.count().to_string())
    /// }
    ///
    /// let client = App::collect().state_late(|| Notes::open("notes.redb")).test()?;
    /// client.get("/count").send().assert_text("3");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("database", "sqlite", "redb", "lock"))]
    #[track_caller]
    pub fn state_late<T: Send + Sync + 'static>(mut self, open: impl Fn() -> Result<T> + Send + Sync + 'static) -> App {
        self.state.insert(Late::new(open));
        let prepare = async |app: AppHandle| app.state::<Late<T>>()?.prepare();
        self.lifecycle.starts.push(Step::new("App::state_late", prepare));
        self
    }

    /// Runs code before the app is ready, such as the migrations of a database. An error ends the start.
    ///
    /// ```
    /// # use pixie_web::{App, AppHandle, Result, Route};
    /// # struct Db; impl Db { async fn migrate(&self) -> Result<()> { Ok(()) } }
    /// async fn migrate(app: AppHandle) -> Result<()> {
    ///     app.state::<Db>()?.migrate().await
    /// }
    ///
    /// # let app = App::new().route(Route::get("/").sync(|_| "Hello"));
    /// let app = app.state_with(async || Ok(Db)).on_start(migrate);
    /// # app.test()?; Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("startup", "migration", "lifespan"))]
    #[track_caller]
    pub fn on_start<F>(mut self, run: F) -> App
    where
        F: AsyncFnOnce(AppHandle) -> Result<()> + Send + 'static,
    {
        self.lifecycle.starts.push(Step::new("App::on_start", run));
        self
    }

    /// Runs code after the last request, such as sending the rest of the metrics. The last call runs first. A
    /// failure is logged.
    #[doc(alias("shutdown", "cleanup"))]
    #[track_caller]
    pub fn on_stop<F>(mut self, run: F) -> App
    where
        F: AsyncFnOnce(AppHandle) -> Result<()> + Send + 'static,
    {
        self.lifecycle.stops.push(Step::new("App::on_stop", run));
        self
    }

    /// Runs code again and again: the first time one period after the start, then one period after the end of
    /// the run before. The period is text such as `30s`, `5m` or `1h`. A failure or a panic is logged.
    ///
    /// If several processes serve the app, each runs the code. Let the [`Store`](crate::Store) decide which
    /// of them does the work.
    ///
    /// ```
    /// # use pixie_web::{App, AppHandle, Result, Route};
    /// # struct Db; impl Db { async fn remove_expired(&self) -> Result<()> { Ok(()) } }
    /// async fn clean_up(app: AppHandle) -> Result<()> {
    ///     app.state::<Db>()?.remove_expired().await
    /// }
    ///
    /// # let app = App::new().route(Route::get("/").sync(|_| "Hello"));
    /// let app = app.every("5m", clean_up);
    /// # let _ = app;
    /// ```
    #[doc(alias("background", "cron", "scheduler", "periodic"))]
    #[track_caller]
    pub fn every<F, R>(mut self, period: &str, run: F) -> App
    where
        F: Fn(AppHandle) -> R + Send + Sync + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        self.lifecycle.periodic.push(Periodic::new(period, Box::new(move |app| Box::pin(run(app)))));
        self
    }
}
