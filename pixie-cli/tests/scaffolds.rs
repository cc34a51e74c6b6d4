//! Every scaffold is a project that builds, passes its own tests and lints, starts and answers.
//!
//! This is slow, because each project is compiled. They share a target folder with the workspace, so
//! that their dependencies are compiled once. They use the workspace's lock file, so that cargo does not need
//! the network.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "cli/builds.rs"]
mod builds;
#[path = "cli/environment.rs"]
mod environment;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long a request or a start may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn the_minimal_scaffold_works() {
    let project = Project::new("minimal");
    project.is_sound();
    let app = project.start();
    assert!(app.get("/").contains("<h1>It works!</h1>"));
    assert!(app.get("/pool").contains("computed by pool process "));
    assert!(app.get("/crash").starts_with("HTTP/1.1 502 "));
    assert!(app.get("/stream").contains("5, sent by pool"));
    drop(app);
    project.grows();
}

#[test]
fn the_app_scaffold_works() {
    let project = Project::new("app");
    project.is_sound();
    let app = project.start();
    assert!(app.get("/").contains("It works!"));
    assert!(app.get("/notes").contains("There are no notes yet."));
    assert!(app.get("/static/style.css").contains("content-type: text/css"));
    assert!(app.get("/primes?below=100").contains("<strong>25</strong>"));
    assert!(app.get("/nowhere").contains("This page does not exist"));
    // The program tells what the command reads.
    let deployed = pixie(&project.folder, &["deploy", "compose", "--domain", "app.example"]);
    assert!(deployed.contains("PIXIE_ROLE: \"web\""), "{deployed}");
    drop(app);
    project.grows();
}

#[test]
fn the_api_scaffold_works() {
    let project = Project::new("api");
    project.is_sound();
    let app = project.start();
    assert!(app.get("/api/tasks").ends_with("\r\n\r\n[]"));
    assert!(app.get("/api/tasks/1").contains("HTTP/1.1 404 "));
    assert!(app.get("/health").contains("\"alive\":true"));
    assert!(app.get("/openapi.json").contains("\"/api/tasks/{id}\""));
    assert!(app.get("/docs").contains("<title>"));
    drop(app);
    project.grows();
}

#[test]
fn the_pool_scaffold_works() {
    let project = Project::new("pool");
    project.is_sound();
    let app = project.start();
    assert!(app.get("/").contains("enctype=\"multipart/form-data\""));
    assert!(app.get("/static/style.css").contains("content-type: text/css"));
    assert!(app.get("/nowhere").contains("This page does not exist"));
    assert!(app.get("/status").contains("?script.js"));
    drop(app);
    project.grows();
}

#[test]
fn the_app_scaffold_says_why_it_does_not_start() {
    // A program of another name: the other test may be about to start its own.
    let project = Project::named("scaffold-refusing", "app");
    project.cargo(&["build", "--offline"]);
    let says = |command: &mut Command, reason: &str| {
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(reason), "{said}");
    };
    says(project.program().env_remove("PIXIE_SECRET").env("PIXIE_CONFIG", "none"), "openssl rand -hex 32");
    says(project.program().env("NOTES_FILE", "src"), "could not open the notes in src: ");
}

struct Project {
    name: String,
    folder: PathBuf,
    template: &'static str,
}

impl Project {
    fn new(template: &'static str) -> Self {
        Self::named(&format!("scaffold-{template}"), template)
    }

    fn named(name: &str, template: &'static str) -> Self {
        let place = builds::place(&format!("{name}-world"));
        pixie(&place, &["new", name, "--template", template, "--yes"]);
        let folder = place.join(name);
        builds::share(&folder);
        Self { name: name.to_owned(), folder, template }
    }

    /// It is formatted, compiles, and its tests pass.
    fn is_sound(&self) {
        self.cargo(&["fmt", "--check"]);
        self.cargo(&["build", "--offline"]);
        self.cargo(&["test", "--offline"]);
    }

    /// It stays sound with additions of each sort, twice with different names. The lints see its own code as
    /// well.
    fn grows(&self) {
        for addition in [
            "route visitors",
            "route visitor --path /visitors/<id:int>/<rest:path> --method post --kind thread",
            "route ticks --kind stream --path /ticks/über",
            "template about",
            "template person --path /people/<name>",
            "pool pdf-files",
            "pool sound --path /sound/convert",
            "login members --path /members",
            "login staff --path /staff",
        ] {
            let arguments: Vec<_> = ["add"].into_iter().chain(addition.split(' ')).chain(["--yes"]).collect();
            let shown = pixie(&self.folder, &arguments);
            assert!(!shown.contains("\nhelp: add"), "{addition}: {shown}");
        }
        self.cargo(&["fmt", "--check"]);
        // Without what only tests depend on.
        self.cargo(&["build", "--offline"]);
        let app = self.start();
        assert!(app.get("/members/login").contains("Are you new here?"));
        assert!(app.get("/people/ada").contains("<p>ada</p>"));
        drop(app);
        self.cargo(&["test", "--offline"]);
        self.lints();
    }

    /// No lint of the compiler or of clippy complains. Unlike `cargo clippy`, this takes the dependencies that
    /// are built already, instead of checking all of them.
    fn lints(&self) {
        let manifest = self.folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, text + "\n[lints.rust]\nwarnings = \"deny\"\n").unwrap();
        let mut clippy = self.command(&["build", "--offline", "--all-targets"]);
        clippy.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
        succeed(&mut clippy, &format!("clippy in {}", self.template));
    }

    fn cargo(&self, arguments: &[&str]) {
        succeed(&mut self.command(arguments), &format!("cargo {} in {}", arguments[0], self.template));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        environment::clean(&mut command).args(arguments).current_dir(&self.folder);
        // With this, a changed snapshot fails instead of being written.
        command.env("CARGO_TARGET_DIR", builds::target()).env("INSTA_UPDATE", "no");
        command
    }

    /// Returns the program as it is started in production: with its variables set.
    fn program(&self) -> Command {
        let mut command = Command::new(builds::target().join("debug").join(&self.name));
        environment::clean(&mut command).current_dir(&self.folder).env("PIXIE_PORT", "0").env("PIXIE_WORKERS", "1");
        command.env("PIXIE_SECRET", "a secret that only seals the cookies of a test");
        command.env("PIXIE_DEV", "off");
        command
    }

    fn start(&self) -> App {
        let mut process = self.program().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, port)) = line.split_once("listening on http://localhost:") {
                    let _ = sender.send(port.trim().parse().unwrap());
                }
            }
        });
        let port = receiver.recv_timeout(PATIENCE);
        App { process, port: port.expect("the app announces its port") }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        builds::forget(&self.name);
    }
}

/// Runs `pixie` and returns what it wrote.
fn pixie(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixie"));
    environment::clean(&mut command).args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env("CARGO_TARGET_DIR", builds::target()).env("CARGO_NET_OFFLINE", "true");
    // The crates of this folder, also where the checkout has a remote.
    command.env("PIXIE_NEW_CRATES", checkout());
    succeed(&mut command, &format!("pixie {arguments:?}"))
}

fn succeed(command: &mut Command, name: &str) -> String {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{name}:\n{said}");
    said
}

/// The folder of the workspace.
fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A running app; killed at the end of the test.
struct App {
    process: Child,
    port: u16,
}

impl App {
    /// Returns the whole answer to a browser's request.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("localhost", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
