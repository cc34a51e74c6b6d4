//! `pixie dev`: builds and runs the app, watches its files, and reloads its pages.
//!
//! This process keeps the listening sockets and passes them to each program. The old program serves until the
//! new one is ready. This file reads the arguments and creates the parts; `session.rs` then reacts to events.

mod app;
mod apps;
mod build;
mod event;
mod guard;
mod https;
mod link;
mod only;
mod port;
mod progress;
mod session;
mod sources;
mod substitute;
mod template_mistake;
mod terminal;
mod watch;

pub(crate) use guard::guard_if_asked;

use std::{
    fs,
    path::PathBuf,
    sync::mpsc::channel,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    dev::{
        apps::{Apps, Launch},
        build::Builds,
        event::Event,
        guard::Guard,
        https::Certificate,
        link::Meeting,
        only::Only,
        session::Session,
        sources::Sources,
        substitute::Substitute,
        terminal::Urls,
        watch::Watch,
    },
    env_files::EnvFiles,
    error::Error,
    interrupt, output,
    project::{Project, Which},
};

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    #[command(flatten)]
    which: Which,
    /// Build with optimization
    #[arg(long)]
    release: bool,
    /// Listen on this port [default: 8000]
    #[arg(long, env = "PIXIE_PORT")]
    port: Option<u16>,
    /// Listen on this address; without a value, on all networks [default: localhost]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, env = "PIXIE_HOST", default_missing_value = "0.0.0.0")]
    host: Option<String>,
    /// Serve HTTPS with a local certificate; the app needs the feature `tls`
    #[arg(long)]
    https: bool,
    /// Fail if the port is used, instead of offering another one
    #[arg(long)]
    strict_port: bool,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// Read the files every MS milliseconds (500 without a value), if the file system does not report changes
    #[arg(long, value_name = "MS", num_args = 0..=1, default_missing_value = "500")]
    poll: Option<u64>,
    /// Also build when this file or folder changes
    #[arg(long, value_name = "PATH")]
    watch: Vec<PathBuf>,
    /// Also accept requests of the page's reload script under this host name
    #[arg(long, value_name = "NAME")]
    allowed_host: Vec<String>,
    /// The number of worker processes of each pool
    #[arg(long, value_name = "NUMBER", env = "PIXIE_WORKERS")]
    workers: Option<usize>,
    /// Arguments for the app
    #[arg(last = true)]
    args: Vec<String>,
}

pub(crate) fn dev(args: DevArgs) -> Result<(), Error> {
    let mut project = Project::find(args.which.clone())?;
    project.is_release = args.release;
    if let Some(missing) = args.watch.iter().find(|path| !path.exists()) {
        let error = Error::usage(format_args!("cannot watch `{}`: it does not exist", missing.display()));
        return Err(error.help("give --watch an existing file or folder"));
    }
    let mut only = Only::take(&project)?;
    EnvFiles::complete(&project.root)?;
    let (host, port) = port::address(args.host.as_deref(), args.port, &project.root)?;
    let certificate = args.https.then(Certificate::find).transpose()?;
    let (sockets, addresses) = port::bind(&host, port, args.strict_port)?;
    let urls = Urls { scheme: if args.https { "https" } else { "http" }, addresses };
    let (sender, events) = channel();
    let quit = sender.clone();
    // Before the first line, so that Ctrl-C after that line ends the session in order. It fails if the session
    // has ended when the signal arrives.
    interrupt::hand_over(move || drop(quit.send(Event::Quit)));
    output::status("Listening", urls.local());
    only.tell(&urls.local());
    let guard =
        Guard::start().map_err(|error| Error::new(format_args!("could not start the guard process: {error}")))?;
    let meeting = Meeting::open(sender.clone())?;
    let poll = args.poll.or_else(|| polled_file_system(&project)).map(|ms| Duration::from_millis(ms.max(1)));
    let watch = Watch::start(Sources::new(&project, &args.watch), poll, sender.clone())?;
    let copies: Result<Vec<_>, _> = sockets.iter().map(|socket| socket.try_clone()).collect();
    let copies = copies.map_err(|error| Error::new(format_args!("could not share the port: {error}")))?;
    terminal::listen(sender.clone());
    let builds = Builds::new(guard.clone(), sender.clone());
    let DevArgs { allowed_host: hosts, workers, args, open: opens, .. } = args;
    let substitute = Substitute::start(copies, certificate.as_ref().map(|certificate| certificate.config.clone()));
    let certificate = certificate.map(|certificate| certificate.file);
    let launch = Launch { sockets, certificate, meeting, guard, sender, hosts, workers, args };
    let apps = Apps::new(launch, substitute);
    let cause = (String::new(), Instant::now());
    let session = Session { project, urls, watch, builds, apps, opens, cause, is_outdated: false, is_announced: false };
    session.run(&events);
    Ok(())
}

/// Returns the interval of polling if the file system reports no changes, as Windows folders in WSL.
fn polled_file_system(project: &Project) -> Option<u64> {
    let system = fs::read_to_string("/proc/version").unwrap_or_default().to_ascii_lowercase();
    let is_polled = system.contains("microsoft") && project.root.starts_with("/mnt");
    is_polled.then(|| {
        output::help("this file system does not report changes, so the files are read twice a second (--poll)");
        500
    })
}
