//! `Settings`: the numbers and switches of an app, and the table of all settings that a file or a variable of
//! the environment can set.
//!
//! Invariant: a setting of the app is one row of the table below; its field, default, name in `pixie.toml`,
//! variable, check and line of the reference page follow from it. The settings of the server and of forms
//! have such tables in their crates.
use std::{
    env::{self, VarError},
    ffi::OsString,
    path::PathBuf,
    sync::LazyLock,
    time::Duration,
};

use http::HeaderMap;
use pixie_core::{ByteSize, FormLimits, Response};
use pixie_grammar::{Setting, TextValue, read_within};
use pixie_server::Listen;

use crate::{
    error::StartError,
    table::{agent::AgentAddress, proxies::ProxyHeaders, roles::RoleNames, store::StoreAddress},
};

/// Blocking threads beyond those of thread routes. They read files and write uploads, which must not wait for
/// handlers. With the default of `threads` there are 512 threads, as many as tokio has by default.
pub(crate) const SPARE_THREADS: usize = 256;

/// Makes the fields, their defaults, and the table of those with a name for files and the environment (`as`).
/// `range` limits what a text may set. `default` has the default in words, if it depends on something.
macro_rules! settings {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty = $value:expr
        $(, as $name:literal $(, range $range:literal)? $(, default $default:literal)?)?;)+) => {
        /// The settings of an app. `App` has a method for each.
        #[derive(Clone, Debug)]
        pub(crate) struct Settings {
            $($(#[doc = $doc])* pub(crate) $field: $type,)+
        }

        impl Default for Settings {
            fn default() -> Settings {
                Settings { $($field: $value,)+ }
            }
        }

        static OF_APP: LazyLock<Vec<Setting<Settings>>> = LazyLock::new(|| {
            let rows = [$(settings!(@row $field, $type, concat!($($doc, "\n"),*)
                $(, $name, concat!($($range)?), settings!(@default $($default)?))?)),+];
            rows.into_iter().flatten().collect()
        });
    };
    (@row $field:ident, $type:ty, $doc:expr) => { None };
    (@row $field:ident, $type:ty, $doc:expr, $name:literal, $range:expr, $default:expr) => {
        Some(Setting::<Settings> {
            name: $name,
            doc: $doc,
            takes: <$type as TextValue>::TAKES,
            range: $range,
            default: $default,
            read: |settings| settings.$field.to_text(),
            write: |settings, text| Ok(settings.$field = read_within::<$type>(text, $range)?),
        })
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

settings! {
    /// The host name or address to listen on, if the code names no addresses with `App::listen`. Other
    /// machines cannot connect to `localhost`, the default: an app that was just started is for its author,
    /// as in the Python framework that pixie is modeled on.
    host: String = "localhost".into(), as "host";
    /// The port to listen on, if the code names no addresses with `App::listen`; with 0, the system chooses
    /// one. The default is that of the same framework.
    port: u16 = 8000, as "port";
    /// Where to listen instead of on `host` and `port`.
    listens: Vec<Listen> = Vec::new();
    /// What this process serves: `all`, `web` for the routes without a named pool, or the names of pools.
    role: RoleNames = RoleNames::default(), as "role";
    /// How many processes of this role run, on all machines together. Only for a warning if their store is not
    /// shared.
    replicas: usize = 1, as "replicas", range "1..100000";
    /// Where load balancers ask how many requests this process can take: `HOST:PORT` or `:PORT`.
    agent: Option<AgentAddress> = None, as "agent";
    /// Worker processes of each pool without a size of its own; in a file or in the environment, of all
    /// pools. With 0, pool and stream routes run on threads of the main process.
    workers: Workers = Workers::OnePerCore, as "workers";
    /// Limits the private memory of a worker. Unlimited by default, because the needs of a handler are
    /// unknown.
    worker_memory: Option<ByteSize> = None, as "worker_memory", range "1B..";
    /// Limits the time from the dispatch of a pool route to the head of its response, for pools without a
    /// deadline of their own. 15 s is long for a page and short for an endless loop.
    deadline: Duration = Duration::from_secs(15), as "deadline", range "1ms..";
    /// Time without a response after which a request of a pool is logged as slow.
    slow_after: Option<Duration> = pixie_pool::Config::default().slow_after, as "slow_after";
    /// Limits the body of a request, for routes without a limit of their own. 2 MiB because that holds any
    /// form, and a thousand of them fit into memory.
    body_limit: ByteSize = "2MiB".into(), as "body_limit";
    form_limits: FormLimits = FormLimits::default();
    /// The folder that contains the folder for large uploads. `none` means the system's folder for temporary
    /// files.
    upload_dir: Option<PathBuf> = None, as "upload_dir";
    /// Limits the bytes on disk that one slow client has not read. Enough for a video.
    response_backlog: ByteSize = "256MiB".into(), as "response_backlog";
    /// Limits the bytes on disk that all slow clients together have not read. What a small machine has to
    /// spare.
    response_backlog_total: ByteSize = "1GiB".into(), as "response_backlog_total";
    /// Where the app's store keeps its values: `memory`, `redb:PATH` or `redis://HOST:PORT`.
    store: StoreAddress = StoreAddress::default(), as "store";
    /// Whether clients use HTTPS, even if connections and proxies say otherwise.
    https: bool = false, as "https";
    /// How long browsers use only HTTPS after a response over HTTPS. One year, as checkers of sites
    /// recommend.
    hsts: Duration = Duration::from_secs(365 * 24 * 60 * 60), as "hsts";
    /// The proxies that are believed: addresses, networks and `unix`. `none` means that clients connect
    /// directly.
    behind_proxy: Option<Vec<String>> = None, as "behind_proxy";
    /// Which headers of these proxies count.
    proxy_headers: ProxyHeaders = ProxyHeaders::Any;
    /// Time from the beginning of a stop to the end of the listening sockets.
    ready_delay: Option<Duration> = None, as "ready_delay", default "5s with `App::ready`, 0s without it";
    /// Limits the handlers of thread routes that run at the same time. Each thread costs a stack.
    threads: usize = 256, as "threads", range "1..100000";
    /// Limits the time that a request waits for a blocking thread or a worker. Clients give up after about 10
    /// s.
    queue_timeout: Duration = Duration::from_secs(10), as "queue_timeout";
    /// Time that running jobs have after the last connection has closed. Short, because their clients are
    /// gone.
    shutdown_grace: Duration = Duration::from_secs(1), as "shutdown_grace";
    /// Limits how long a new process may take to be ready when the program is started anew. One minute is
    /// longer than the migrations of most databases, and shorter than systemd waits (90 s).
    restart_timeout: Duration = Duration::from_secs(60), as "restart_timeout", range "1s..";
    /// Whether error pages show causes and places.
    development: bool = cfg!(debug_assertions), as "dev", default "on in debug builds";
    /// Whether cross-site requests are refused.
    csrf: bool = true, as "csrf";
    /// Where sessions are kept: in an encrypted `cookie`, or in the `store` with a random id in the cookie.
    sessions: Sessions = Sessions::InCookie, as "sessions";
    /// Time without a request after which a session ends. A day: a session that was left open on a shared
    /// machine ends soon, and a person who comes daily stays signed in.
    session_idle: Duration = Duration::from_secs(24 * 60 * 60), as "session_idle", range "1s..";
    /// Time after which a session ends in any case, counted from its beginning or its last renewal. Two
    /// weeks: this limits the use of a stolen cookie.
    session_lifetime: Duration = Duration::from_secs(14 * 24 * 60 * 60), as "session_lifetime", range "1s..";
    /// The name of the cookie of sessions. Over HTTPS, `__Host-` is put before it.
    session_cookie: String = "session".into(), as "session_cookie";
    /// Whether responses get security headers.
    security_headers: bool = true, as "security_headers";
    server: pixie_server::Config = pixie_server::Config::default();
    /// Whether responses without an `ETag` get one from their bytes.
    etags: bool = false, as "etags";
    /// Compresses a response for a request with these headers.
    compress: Option<fn(&HeaderMap, &mut Response)> = None;
    /// Whether all requests have trace contexts, which the log shows.
    trace_contexts: bool = false, as "trace_contexts";
    /// Whether responses in development say where their time went.
    server_timing: bool = false, as "server_timing";
    /// Whether the requests of all routes have ids.
    request_ids: bool = false, as "request_ids";
    /// What the log has of each request: `on` for one event, `common` for one line in the Common Log Format
    /// on standard output, or `off`.
    access_log: AccessLog = AccessLog::On, as "access_log";
    /// How the built-in log writes an event: `text` for a line to read, `json` for a line for programs.
    log_format: LogFormat = LogFormat::Text, as "log_format";
    /// Installs the recorder of the metrics that a route shows.
    install_metrics: Option<fn() -> Result<(), StartError>> = None;
    /// Whether the banner is printed at the start.
    banner: bool = true, as "banner";
    /// Variables that the workers of sandboxed pools get.
    pass_env: Vec<String> = ["PIXIE_HOST", "PIXIE_PORT", "PIXIE_WORKERS", "PIXIE_DEV"].map(str::to_owned).into();
    /// The arguments of workers, if they differ from those of this process, as under a test harness.
    worker_args: Option<Vec<OsString>> = None;
    /// Whether the program is under test, so that files and variables do not change it.
    is_test: bool = false;
}

/// The number of worker processes of a pool, and who has set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    OnePerCore,
    /// From `App::workers`, for pools that do not set their size.
    OfApp(usize),
    /// From a file or from `PIXIE_WORKERS`, for all pools. A later layer can give a pool another size.
    OfOperator(usize),
    /// From a test, for all pools.
    OfTest(usize),
}

impl TextValue for Workers {
    const TAKES: &'static str = "a whole number";

    fn from_text(text: &str) -> Result<Workers, String> {
        usize::from_text(text).map(Workers::OfOperator)
    }

    fn to_text(&self) -> String {
        match self {
            Workers::OnePerCore => "one per core".to_owned(),
            Workers::OfApp(workers) | Workers::OfOperator(workers) | Workers::OfTest(workers) => workers.to_string(),
        }
    }
}

/// Makes an enum of the words that a setting takes.
macro_rules! words {
    ($(#[$of_enum:meta])+ $name:ident: $takes:literal,
        $($(#[doc = $of_word:literal])+ $variant:ident = $word:literal;)+) => {
        $(#[$of_enum])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $of_word])+ $variant,)+
        }

        impl TextValue for $name {
            const TAKES: &'static str = $takes;

            fn from_text(text: &str) -> Result<$name, String> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err(format!("`{text}` is not {}", $name::TAKES)),
                }
            }

            fn to_text(&self) -> String {
                match self {
                    $($name::$variant => $word,)+
                }
                .to_owned()
            }
        }
    };
}

words! {
    /// Where the sessions of an app are kept.
    #[cfg_attr(not(feature = "sessions"), expect(unreachable_pub, reason = "exported with the feature"))]
    Sessions: "`cookie` or `store`",
    /// In a cookie, encrypted with the keys of the app. It holds about 2.9 KB, and two requests at the same
    /// time can overwrite each other's changes.
    InCookie = "cookie";
    /// In the app's store, under a random id that the cookie holds.
    InStore = "store";
}

words! {
    /// What the log has of each request: see [`App::access_log`](crate::App::access_log).
    AccessLog: "`on`, `common` or `off`",
    /// One event with the target `pixie_web::access`.
    On = "on";
    /// One line on standard output, in the Common Log Format of web servers.
    Common = "common";
    /// Nothing, except for failures.
    Off = "off";
}

words! {
    /// How the built-in log writes an event: see [`App::log_format`](crate::App::log_format).
    LogFormat: "`text` or `json`",
    /// A line to read: time, level, message, fields.
    Text = "text";
    /// A JSON object, as the crate tracing-subscriber writes it: `timestamp`, `level`, `fields` and `target`.
    Json = "json";
}

type Write = dyn Fn(&mut Settings, &str) -> Result<(), String>;

/// A setting with its full name, on the settings of an app.
pub(crate) struct Row {
    /// Its table in `pixie.toml` and its name there, such as `server.linger`.
    pub(crate) key: String,
    pub(crate) name: &'static str,
    /// Its variable of the environment, such as `PIXIE_SERVER_LINGER`.
    pub(crate) variable: String,
    pub(crate) doc: &'static str,
    pub(crate) takes: &'static str,
    pub(crate) range: &'static str,
    pub(crate) default: Option<&'static str>,
    pub(crate) read: Box<dyn Fn(&Settings) -> String>,
    pub(crate) write: Box<Write>,
}

impl Row {
    /// Returns all settings except those of pools, which have a table of their own for each pool.
    pub(crate) fn all() -> Vec<Row> {
        let app = table("app", "PIXIE_", &OF_APP, |all| all, |all| all);
        let server = table(
            "server",
            "PIXIE_SERVER_",
            pixie_server::Config::settings(),
            |all| &all.server,
            |all| &mut all.server,
        );
        let forms =
            table("forms", "PIXIE_FORMS_", FormLimits::settings(), |all| &all.form_limits, |all| &mut all.form_limits);
        app.chain(server).chain(forms).collect()
    }
}

/// Returns the rows of one table of `pixie.toml`, which stands for a part of the settings.
fn table<C>(
    name: &'static str,
    prefix: &'static str,
    settings: &'static [Setting<C>],
    part: fn(&Settings) -> &C,
    part_mut: fn(&mut Settings) -> &mut C,
) -> impl Iterator<Item = Row> {
    settings.iter().map(move |setting| Row {
        key: format!("{name}.{}", setting.name),
        name: setting.name,
        variable: format!("{prefix}{}", setting.name.to_ascii_uppercase()),
        doc: setting.doc,
        takes: setting.takes,
        range: setting.range,
        default: setting.default,
        read: Box::new(move |all| (setting.read)(part(all))),
        write: Box::new(move |all, text| (setting.write)(part_mut(all), text)),
    })
}

/// Returns a variable of the environment. A value that is not UTF-8 is an error: if it counted as unset, the
/// app would run with a default that its operator has replaced.
pub(crate) fn variable(name: &str) -> Result<Option<String>, StartError> {
    match env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(StartError::new(format!("{name}: the value is not UTF-8"))),
    }
}
