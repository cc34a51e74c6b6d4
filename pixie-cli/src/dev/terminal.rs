//! The terminal of `pixie dev`: the banner, and keys with Enter.
//!
//! The terminal stays in its normal mode, so that scrolling, Ctrl-C and the program's own output work as
//! usual.

use std::{
    io::{IsTerminal, stderr, stdin},
    net::{IpAddr, SocketAddr, UdpSocket},
    path::Path,
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::retry_on_intr,
    process::getpgrp,
    termios::tcgetpgrp,
};

use crate::{
    dev::event::{Change, Event},
    output,
};

/// How often a `pixie dev` in the background checks whether it is in the foreground again, while input waits.
const BACKGROUND_PAUSE: Duration = Duration::from_millis(250);

/// Returns whether the terminal shows colors, for programs whose output this process prints.
pub(crate) fn has_colors() -> bool {
    anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never
}

/// Where the app is found.
pub(crate) struct Urls {
    pub(crate) scheme: &'static str,
    pub(crate) addresses: Vec<SocketAddr>,
}

pub(crate) fn banner(urls: &Urls, time: Duration) {
    let version = env!("CARGO_PKG_VERSION");
    anstream::eprintln!("\n  {0}pixie {version}{0:#}  dev  ready in {1}\n", output::HEAD, output::time(time));
    anstream::eprintln!("  Local:    {}", urls.local());
    match network(&urls.addresses) {
        Some(address) => anstream::eprintln!("  Network:  {}://{address}/", urls.scheme),
        None => anstream::eprintln!("  Network:  use --host to expose"),
    }
    match has_keys() {
        true => anstream::eprintln!("\n  r rebuild · o open · c clear · p pools · q quit, then Enter\n"),
        false => anstream::eprintln!(),
    }
}

impl Urls {
    /// Returns the address of the app for a browser on this machine.
    pub(crate) fn local(&self) -> String {
        let Urls { scheme, addresses } = self;
        let port = addresses.first().map_or(0, SocketAddr::port);
        match addresses.iter().find(|address| address.ip().is_loopback() || address.ip().is_unspecified()) {
            Some(_) => format!("{scheme}://localhost:{port}/"),
            None => addresses.first().map_or_else(String::new, |address| format!("{scheme}://{address}/")),
        }
    }
}

/// Returns the address of the app for other machines. Connecting a UDP socket sends nothing, but it selects
/// the network interface that packets to the outside use.
fn network(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let open = addresses.iter().find(|address| !address.ip().is_loopback())?;
    if !open.ip().is_unspecified() {
        return Some(*open);
    }
    let socket = UdpSocket::bind((IpAddr::from([0, 0, 0, 0]), 0)).ok()?;
    socket.connect((IpAddr::from([192, 0, 2, 1]), 9)).ok()?;
    Some(SocketAddr::new(socket.local_addr().ok()?.ip(), open.port()))
}

/// Returns the name of the first changed file and the number of the others.
pub(crate) fn changed(changes: &[Change], root: &Path) -> String {
    let Some(first) = changes.first() else { return "asked for".into() };
    let name = first.path.strip_prefix(root).unwrap_or(&first.path).display();
    match changes.len() {
        1 => name.to_string(),
        count => format!("{name} and {} more", count - 1),
    }
}

pub(crate) fn listen(events: Sender<Event>) {
    if !has_keys() {
        return;
    }
    thread::spawn(move || {
        let lines = std::iter::from_fn(next_line);
        for key in lines.filter_map(|line| line.trim().chars().next()) {
            if events.send(Event::Key(key)).is_err() {
                return;
            }
        }
    });
}

/// Waits for a line of input. In the background of a terminal (`pixie dev &`) it does not read, because the
/// system would stop the process; it waits until the process is in the foreground.
fn next_line() -> Option<String> {
    loop {
        retry_on_intr(|| poll(&mut [PollFd::new(&stdin(), PollFlags::IN)], None)).ok()?;
        // An error means that the input is not the terminal of this session, which has no background.
        if tcgetpgrp(stdin()).map_or(true, |front| front == getpgrp()) {
            let mut line = String::new();
            return stdin().read_line(&mut line).ok().filter(|count| *count > 0).map(|_| line);
        }
        thread::sleep(BACKGROUND_PAUSE);
    }
}

pub(crate) fn clear() {
    anstream::eprint!("\x1b[2J\x1b[3J\x1b[H");
}

fn has_keys() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}
