//! The connection to `pixie dev`: sends lines, receives events, and ends the program when it closes.
//!
//! The app sends `BUILD=number` first, then `READY=1` and `STOPPING=1`. It receives `pools`, or the name of
//! an event, a space and JSON for the pages. A thread of its own reads the connection, so that a handler that
//! blocks the runtime cannot keep the program running.
use std::{
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use crate::{dev::events::Events, table::Composed};

/// Time that an app has for a graceful stop after `pixie dev` has exited.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Link(Mutex<UnixStream>);

impl Link {
    /// Connects and starts the reading thread.
    pub(super) fn open(name: &OsStr, build: &str, app: &Arc<Composed>, events: &Arc<Events>) -> io::Result<Link> {
        let mut socket = UnixStream::connect(name)?;
        writeln!(socket, "BUILD={build}")?;
        let lines = BufReader::new(socket.try_clone()?).lines();
        let (name, app, events) = (PathBuf::from(name), Arc::downgrade(app), events.clone());
        thread::Builder::new().name("pixie-dev".into()).spawn(move || {
            lines.map_while(Result::ok).for_each(|line| obey(&line, &app, &events));
            tidy(&name);
            end(&app);
        })?;
        Ok(Link(Mutex::new(socket)))
    }

    pub(super) fn tell(&self, word: &str) {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // If sending fails, the reading thread detects that the connection has ended, and ends the program.
        let _ = socket.write_all(format!("{word}\n").as_bytes());
    }
}

fn obey(line: &str, app: &Weak<Composed>, events: &Events) {
    match (line.split_once(' '), app.upgrade()) {
        (Some((name, data)), _) => events.send(name, data),
        (None, Some(app)) if line == "pools" => print_pools(&app),
        _ => {}
    }
}

/// Removes the socket and its folder, which a killed `pixie dev` could not remove.
fn tidy(socket: &Path) {
    let folder = socket
        .parent()
        .filter(|folder| folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"pixiedev-")));
    if let Some(folder) = folder {
        // Another program of the same `pixie dev` may have removed them already.
        let _ = fs::remove_file(socket).and_then(|()| fs::remove_dir(folder));
    }
}

/// Ends the program, after a graceful stop if that is quick.
fn end(app: &Weak<Composed>) {
    if let Some(app) = app.upgrade() {
        app.shutdown.trigger_at_once();
    }
    thread::sleep(PATIENCE);
    std::process::exit(0);
}

fn print_pools(app: &Composed) {
    let mut text = String::new();
    for pool in app.pools.values().filter_map(|slot| slot.running()) {
        let now = pool.snapshot();
        let spares = if now.spares == 0 { String::new() } else { format!(", {} spare", now.spares) };
        text += &format!("  pool {}: {} of {} busy, {} queued{spares}\n", now.name, now.busy, now.size, now.queued);
        for worker in &now.workers {
            let pid = worker.pid.map_or("-".into(), |pid| pid.to_string());
            let (state, label) = (format!("{:?}", worker.state).to_lowercase(), worker.label.as_deref().unwrap_or(""));
            text += &format!("    #{:<3} pid {pid:<8} {state:<9} {:>6} jobs  {label}\n", worker.number, worker.jobs);
        }
    }
    if text.is_empty() {
        text = "  no pools: no route runs in a worker process\n".into();
    }
    // Continues if standard output is closed.
    let _ = io::stdout().write_all(text.as_bytes());
}
