//! `pixie dev`: builds, runs, watches, reloads.
//!
//! The listening sockets stay here and are handed to each program; the old one serves until the new one is ready. This
//! file reads the arguments and puts the parts together; what happens then is in `session.rs`.

mod app;
mod build;
mod event;
mod guard;
mod link;
mod opener;
mod port;
mod process;
mod session;
mod sources;
mod substitute;
mod terminal;
mod watch;

pub(crate) use guard::guard_if_asked;

use std::{fs, path::PathBuf, sync::mpsc::channel, time::Duration};

use clap::Args;

use crate::{
    dev::{
        event::Event, guard::Guard, link::Meeting, session::Session, sources::Sources, substitute::Substitute,
        watch::Watch,
    },
    env_files::EnvFiles,
    error::Error,
    interrupt, output,
    project::{Project, Which},
};

/// The address that an app listens on by itself.
const HOST: &str = "localhost";
/// The port that an app listens on by itself.
const PORT: u16 = 8000;
/// How often files are looked at where the system does not tell.
const POLL_MS: u64 = 500;

/// Arguments of `pixie dev`.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    #[command(flatten)]
    which: Which,
    /// Listen on this port [default: 8000]
    #[arg(long, env = "PIXIE_PORT")]
    port: Option<u16>,
    /// Listen on this address; without a value on every network [default: localhost]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, env = "PIXIE_HOST", default_missing_value = "0.0.0.0")]
    host: Option<String>,
    /// Fail where the port is taken
    #[arg(long)]
    strict_port: bool,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// Look at the files every so many milliseconds, where the file system does not tell of changes
    #[arg(long, value_name = "MS", num_args = 0..=1, default_missing_value = "500")]
    poll: Option<u64>,
    /// Build on changes of this file or folder too
    #[arg(long, value_name = "PATH")]
    watch: Vec<PathBuf>,
    /// Answer the page's questions under this host name too
    #[arg(long, value_name = "NAME")]
    allowed_host: Vec<String>,
    /// Worker processes of each pool
    #[arg(long, value_name = "NUMBER", env = "PIXIE_WORKERS")]
    workers: Option<usize>,
    /// Arguments of the program
    #[arg(last = true)]
    args: Vec<String>,
}

/// Runs until Ctrl-C.
pub(crate) fn dev(args: DevArgs) -> Result<(), Error> {
    let project = Project::find(args.which.clone())?;
    if let Some(missing) = args.watch.iter().find(|path| !path.exists()) {
        return Err(Error::usage(format_args!("there is nothing to watch at `{}`", missing.display())));
    }
    let (host, port) = address(&args, &project)?;
    let (sockets, addresses) = port::bind(&host, port, args.strict_port)?;
    output::status("Listening", terminal::local(&addresses));
    let (sender, events) = channel();
    let quit = sender.clone();
    // The session may be over when the signal comes.
    interrupt::hand_over(move || drop(quit.send(Event::Quit)));
    let guard = Guard::start().map_err(|error| Error::new(format_args!("could not start a guard: {error}")))?;
    let meeting = Meeting::open(sender.clone())?;
    let poll = args.poll.or_else(|| polled_file_system(&project)).map(|ms| Duration::from_millis(ms.max(1)));
    let watch = Watch::start(Sources::new(&project, args.watch), poll, sender.clone())?;
    let copies: Result<Vec<_>, _> = sockets.iter().map(|socket| socket.try_clone()).collect();
    let copies = copies.map_err(|error| Error::new(format_args!("could not share the port: {error}")))?;
    terminal::listen(sender.clone());
    let parts = session::Parts {
        project,
        sockets,
        addresses,
        watch,
        meeting,
        substitute: Substitute::start(copies),
        guard,
        sender,
        opens: args.open,
        hosts: args.allowed_host,
        workers: args.workers,
        args: args.args,
    };
    Session::new(parts).run(&events);
    Ok(())
}

/// Where to listen: as the arguments say, else the variables, else the project's files of variables.
fn address(args: &DevArgs, project: &Project) -> Result<(String, u16), Error> {
    // A line that cannot be read is told when the program is started.
    let files = EnvFiles::read(&project.root).unwrap_or_default();
    let host = args.host.as_deref().or(files.get("PIXIE_HOST").map(|(host, _)| host)).unwrap_or(HOST);
    let port = match (args.port, files.get("PIXIE_PORT")) {
        (Some(port), _) => port,
        (None, Some((text, file))) => text.parse().map_err(|_| {
            let error = Error::new(format_args!("PIXIE_PORT is `{text}`, but should be a port from 0 to 65535"));
            error.at(file.display())
        })?,
        (None, None) => PORT,
    };
    Ok((host.to_owned(), port))
}

/// Windows folders in a Linux under Windows tell of no changes.
fn polled_file_system(project: &Project) -> Option<u64> {
    let system = fs::read_to_string("/proc/version").unwrap_or_default().to_ascii_lowercase();
    let is_polled = system.contains("microsoft") && project.root.starts_with("/mnt");
    is_polled.then(|| {
        output::help("this file system does not tell of changes, so files are looked at twice a second (--poll)");
        POLL_MS
    })
}
