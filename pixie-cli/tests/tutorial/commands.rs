//! A reader of the tutorial: a folder, a terminal for commands, and another one in which the app runs.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::{
    builds, environment,
    text::{fits, line_fits},
};

/// Longer than a build on a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Reader {
    checkout: PathBuf,
    folder: PathBuf,
    port: u16,
    /// The command that runs the app, until the next one.
    server: Option<String>,
    running: Option<Running>,
}

/// A program in the terminal of the app; killed with its children when it is dropped.
struct Running {
    process: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Reader {
    pub(crate) fn new(text: &str, checkout: &Path) -> Reader {
        let folder = builds::place(&format!("{text}-world"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Reader { checkout: checkout.to_owned(), folder, port, server: None, running: None }
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Writes a file. The app starts again before the next command, so that the command meets this file.
    pub(crate) fn write(&mut self, path: &Path, text: &str) {
        self.running = None;
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command as a reader does, and compares its output.
    pub(crate) fn run(&mut self, command: &str, output: &str) -> Result<(), String> {
        if let Some(folder) = command.strip_prefix("cd ") {
            self.folder.push(folder);
            // Also the versions, which are here without a network.
            builds::share(&self.folder);
            // The text names programs in the project's folder of builds.
            std::os::unix::fs::symlink(builds::target(), self.folder.join("target")).unwrap();
            return Ok(());
        }
        if ["pixie dev", "cargo run --release -p hello"].contains(&command) || command.ends_with("/wall") {
            self.running = None;
            self.server = Some(command.to_owned());
            self.start()?;
            return output.lines().try_for_each(|line| self.sees(line));
        }
        if command.contains("localhost:") && self.running.is_none() {
            self.start()?;
        }
        self.asks(command, output)
    }

    fn asks(&self, command: &str, output: &str) -> Result<(), String> {
        let done = self.shell(command).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (told, complained) = (text(&done.stdout), text(&done.stderr));
        if output.is_empty() && !done.status.success() {
            return Err(format!("`{command}` failed: {told}{complained}"));
        }
        if output.is_empty() || fits(output, &told) {
            return Ok(());
        }
        Err(format!("`{command}` does not show\n{output}but\n{told}{complained}"))
    }

    /// Waits until the terminal of the app shows a line.
    pub(crate) fn sees(&mut self, line: &str) -> Result<(), String> {
        let line = self.here(line);
        let running = self.running.as_mut().ok_or("no app is running")?;
        loop {
            if running.seen.iter().any(|seen| line_fits(&line, seen)) {
                return Ok(());
            }
            match running.lines.recv_timeout(PATIENCE) {
                Ok(next) => running.seen.push(next),
                Err(error) => return Err(format!("no line {line:?}: {error}\n{}", running.seen.join("\n"))),
            }
        }
    }

    /// Starts the app and waits until it is ready.
    fn start(&mut self) -> Result<(), String> {
        let server = self.server.clone().ok_or("the text has not started an app yet")?;
        let mut command = self.shell(&format!("exec 2>&1; exec env {server}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        self.running = Some(Running { process, lines, seen: Vec::new() });
        self.sees(if server == "pixie dev" { "…eady in…" } else { "…listening on …" })
    }

    /// Returns a command of the shell with the environment of a reader.
    fn shell(&self, command: &str) -> Command {
        let pixie = Path::new(env!("CARGO_BIN_EXE_pixie")).parent().unwrap().to_owned();
        let path = env::var_os("PATH").unwrap_or_default();
        let paths = env::join_paths([pixie].into_iter().chain(env::split_paths(&path))).unwrap();
        let mut shell = Command::new("sh");
        environment::clean(&mut shell).args(["-c", &self.here(command)]).env("PATH", paths);
        let folder = if command.contains("-p hello") { &self.checkout } else { &self.folder };
        shell.current_dir(folder).env("CARGO_TARGET_DIR", builds::target());
        // Each program is built a few times at most.
        shell.env("CARGO_NET_OFFLINE", "true").env("CARGO_INCREMENTAL", "0");
        shell.env("PIXIE_PORT", self.port.to_string());
        // The crates of this folder, also where the checkout has a remote.
        if command.starts_with("pixie new ") {
            shell.env("PIXIE_NEW_CRATES", &self.checkout);
        }
        shell
    }

    /// Returns a text with the port of this test, and with builds that do not take the time to optimize.
    fn here(&self, text: &str) -> String {
        let text = text.replace("localhost:8000", &format!("localhost:{}", self.port));
        let text = text.replace("pixie build", "pixie build --debug").replace(" --release", "");
        text.replace("target/release/", "target/debug/")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        builds::forget(self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = self.process.id();
        // `pixie dev` ends its app and its workers itself.
        let _ = Command::new("kill").arg("-TERM").arg(group.to_string()).status();
        let _ = self.process.wait();
        let mut rest = String::new();
        while let Ok(line) = self.lines.recv() {
            rest += &line;
        }
    }
}
