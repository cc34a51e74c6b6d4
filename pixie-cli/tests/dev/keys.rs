//! `pixie dev` at a terminal: keys, questions, Ctrl-C, and what the terminal is like afterwards.

use std::{env, net::TcpListener, process::Command};

use crate::{
    site::{self, Site, command, heard, isolated, page, stand_in, until},
    terminal::Terminal,
};

#[test]
fn each_key_does_what_the_banner_says() {
    let (terminal, folder) = (Terminal::open(), Site::project("keys", &page("x")));
    let before = terminal.modes();
    let browser = stand_in(&folder.join("ignored"), "xdg-open");
    let path = format!("{}:{}", folder.join("ignored").display(), env::var("PATH").expect("a path"));
    let mut command = command(&folder, &["--open"]);
    command.env("PATH", path);
    let site = Site::launch_at(&terminal, &command);
    terminal.sees("r rebuild · o open · c clear · p pools · q quit, then Enter");
    let address = format!("http://localhost:{}/", site.port);
    assert_eq!(heard(&browser), address);
    for (key, shown) in [
        ("h", "r rebuild, o open, c clear, p pools, q quit"),
        ("p", "pool default: 0 of 1 busy, 0 queued"),
        ("c", "\u{1b}[2J"),
        ("r", "(asked for)"),
    ] {
        terminal.types(&format!("{key}\n"));
        terminal.sees(shown);
    }
    std::fs::remove_file(browser.with_extension("said")).expect("it was started before");
    terminal.types("o\n");
    assert_eq!(heard(&browser), address);
    site.page("/pool");
    terminal.sees("/pool ");
    terminal.sees("pool default#");
    let processes = site.descendants();
    terminal.types("q\n");
    assert_eq!(site.wait(), Some(0));
    assert_eq!(terminal.modes(), before);
    until("its processes are gone", || site::living(&processes).is_empty().then_some(()));
}

#[test]
fn ctrl_c_ends_everything_and_leaves_the_terminal_as_it_was() {
    let terminal = Terminal::open();
    let before = terminal.modes();
    let site = Site::launch_at(&terminal, &command(&Site::project("ctrl-c", &page("x")), &[]));
    terminal.sees("then Enter");
    let processes = site.descendants();
    terminal.types("\u{3}");
    assert_eq!(site.wait(), Some(0));
    until("its processes are gone", || site::living(&processes).is_empty().then_some(()));
    assert_eq!(terminal.modes(), before);
}

#[test]
fn in_the_background_of_a_terminal_it_goes_on() {
    let (terminal, folder) = (Terminal::open(), Site::project("background", &page("one")));
    // A shell with jobs, of which the command is one that is not in front.
    let script = "set -m; \"$0\" dev & trap 'kill %1' TERM; wait; wait";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_pixie")]).current_dir(&folder);
    let site = Site::launch_at(&terminal, isolated(&mut shell).env("PIXIE_PORT", "0"));
    terminal.sees("then Enter");
    // A line waits for the shell; the command must not take it, or be stopped for trying.
    terminal.types("q\n");
    site.write("src/main.rs", &page("two"));
    until("the page shows two", || site.page("/").body.contains("two").then_some(()));
}

#[test]
fn another_port_is_offered_where_one_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let folder = Site::project("offered", &page("x"));
    let mut command = command(&folder, &[]);
    command.args(["--port", &port]);
    let question = format!("port {port} is used by ");
    let end = |keys: &str| {
        let terminal = Terminal::open();
        let before = terminal.modes();
        let mut pixie = terminal.run(&command);
        terminal.sees(&question);
        // Before that, Ctrl-C is a signal, which may end the process while it changes the modes.
        until("the question reads keys", || (terminal.modes() != before).then_some(()));
        terminal.types(keys);
        let code = pixie.wait().expect("it ends").code();
        assert_eq!(terminal.modes(), before, "after {keys:?}");
        (code, terminal)
    };
    let (code, terminal) = end("n");
    assert_eq!(code, Some(1));
    terminal.sees("stop it, or use the free one: --port ");
    let (code, terminal) = end("\u{3}");
    assert_eq!(code, Some(130));
    terminal.sees("\u{1b}[?25h");

    let terminal = Terminal::open();
    let site = {
        let terminal = &terminal;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                terminal.sees(&question);
                terminal.types("y");
            });
            Site::launch_at(terminal, &command)
        })
    };
    assert_ne!(site.port.to_string(), port);
    terminal.types("\u{3}");
    assert_eq!(site.wait(), Some(0));

    // Who wants this port and no other is not asked.
    command.arg("--strict-port");
    let terminal = Terminal::open();
    let mut pixie = terminal.run(&command);
    assert_eq!(pixie.wait().expect("it ends").code(), Some(1));
    terminal.sees("port ");
    assert!(!terminal.sees("--port ").contains('?'));
}
