//! What a person sees and types: the banner, the news of builds, and keys with Enter.
//!
//! The terminal stays in its ordinary mode, so that scrolling, Ctrl-C and the program's own output work as ever.

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
    dev::{event::Event, watch::Change},
    output,
};

/// How often it is looked whether a program in the background has come to the front, when keys wait.
const BACKGROUND_PAUSE: Duration = Duration::from_millis(250);

/// Says whether the terminal shows colours, for programs whose output passes through here.
pub(crate) fn has_colors() -> bool {
    anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never
}

/// Prints where the app is.
pub(crate) fn banner(addresses: &[SocketAddr], time: Duration) {
    let version = env!("CARGO_PKG_VERSION");
    anstream::eprintln!("\n  {0}pixie {version}{0:#}  dev  ready in {1}\n", output::HEAD, seconds(time));
    anstream::eprintln!("  Local:    {}", local(addresses));
    match network(addresses) {
        Some(address) => anstream::eprintln!("  Network:  http://{address}/"),
        None => anstream::eprintln!("  Network:  use --host to expose"),
    }
    match has_keys() {
        true => anstream::eprintln!("\n  r rebuild · o open · c clear · p pools · q quit, then Enter\n"),
        false => anstream::eprintln!(),
    }
}

/// Returns the address to type on this machine.
pub(crate) fn local(addresses: &[SocketAddr]) -> String {
    let port = addresses.first().map_or(0, SocketAddr::port);
    match addresses.iter().find(|address| address.ip().is_loopback() || address.ip().is_unspecified()) {
        Some(_) => format!("http://localhost:{port}/"),
        None => addresses.first().map_or_else(String::new, |address| format!("http://{address}/")),
    }
}

/// The address for others: of the way that a packet to the outside would take; none is sent.
fn network(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let open = addresses.iter().find(|address| !address.ip().is_loopback())?;
    if !open.ip().is_unspecified() {
        return Some(*open);
    }
    let socket = UdpSocket::bind((IpAddr::from([0, 0, 0, 0]), 0)).ok()?;
    socket.connect((IpAddr::from([192, 0, 2, 1]), 9)).ok()?;
    Some(SocketAddr::new(socket.local_addr().ok()?.ip(), open.port()))
}

/// Says which files have changed: the first by name, the others by number.
pub(crate) fn changed(changes: &[Change], root: &Path) -> String {
    let Some(first) = changes.first() else { return "asked for".into() };
    let name = first.path.strip_prefix(root).unwrap_or(&first.path).display();
    match changes.len() {
        1 => name.to_string(),
        count => format!("{name} and {} more", count - 1),
    }
}

/// Writes a time as people read it.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_millis() {
        ms @ ..1000 => format!("{ms} ms"),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// Listens to keys, on a terminal only.
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

/// Waits for a line. The system stops a program that reads while it is in the background of its terminal, as with `pixie dev &`,
/// so that is not done before it is in front.
fn next_line() -> Option<String> {
    loop {
        retry_on_intr(|| poll(&mut [PollFd::new(&stdin(), PollFlags::IN)], None)).ok()?;
        // Other terminals than the session's own have no background.
        if tcgetpgrp(stdin()).map_or(true, |front| front == getpgrp()) {
            let mut line = String::new();
            return stdin().read_line(&mut line).ok().filter(|count| *count > 0).map(|_| line);
        }
        thread::sleep(BACKGROUND_PAUSE);
    }
}

/// Clears the terminal.
pub(crate) fn clear() {
    anstream::eprint!("\x1b[2J\x1b[3J\x1b[H");
}

fn has_keys() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}
