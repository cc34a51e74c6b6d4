//! A small app in a folder of its own, and `pixie dev` at work on it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use crate::{builds, environment, events::Events, terminal::Terminal};

/// Longer than every wait, also for the first build of an app on a slow machine while other tests run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);

/// The source of an app whose page and pool route say a word.
pub(crate) fn page(word: &str) -> String {
    format!(
        "use pixie_web::{{App, Html, Route}};\nfn main() -> pixie_web::Result<()> {{\n    App::new()\n        \
         .route(Route::get(\"/\").sync(|_| Html(\"<!doctype html><h1>{word}</h1>\")))\n        \
         .route(Route::get(\"/pool\").pool(|_| \"{word}\"))\n        .workers(1)\n        .run()\n}}\n"
    )
}

/// An app under `pixie dev`; dropping it ends the command.
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    process: Mutex<Child>,
    said: Arc<Mutex<String>>,
}

/// An answer, split into its parts.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Site {
    /// Writes a project.
    pub(crate) fn project(name: &str, main: &str) -> PathBuf {
        let folder = builds::place(name);
        for inside in ["src", "templates", "static"] {
            fs::create_dir_all(folder.join(inside)).expect("a folder");
        }
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\npixie-web = {{ path = {:?} }}\n\n\
             [workspace]\n",
            workspace.display().to_string()
        );
        for (file, text) in [
            ("Cargo.toml", manifest.as_str()),
            (".gitignore", "ignored\n"),
            ("src/main.rs", main),
            ("templates/a.html", "<!doctype html>from the template"),
            ("static/app.css", "p { color: blue }"),
        ] {
            fs::write(folder.join(file), text).expect("a file");
        }
        // Also the versions, so that nothing has to be fetched.
        builds::share(&folder);
        folder
    }

    /// Starts `pixie dev` in a new project and waits until it listens.
    pub(crate) fn launch(name: &str, main: &str) -> Site {
        Site::launch_as(command(&Site::project(name, main), &[]))
    }

    /// Starts a command and waits until it listens.
    pub(crate) fn launch_as(mut command: Command) -> Site {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let (said, pipe) = (Arc::new(Mutex::new(String::new())), process.stderr.take().expect("a pipe"));
        let all = said.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                *all.lock().expect("no panic") += &format!("{line}\n");
            }
        });
        Site::listening(&command, process, said)
    }

    /// Starts a command in a terminal and waits until it listens.
    pub(crate) fn launch_at(terminal: &Terminal, command: &Command) -> Site {
        Site::listening(command, terminal.run(command), terminal.seen())
    }

    fn listening(command: &Command, process: Child, said: Arc<Mutex<String>>) -> Site {
        let folder = command.get_current_dir().expect("a folder").to_path_buf();
        let mut site = Site { folder, process: Mutex::new(process), port: 0, said };
        let line = site.says("Listening");
        site.port = line.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        site
    }

    /// Starts `pixie dev` and waits until the app answers.
    pub(crate) fn start(name: &str, main: &str) -> Site {
        let site = Site::launch(name, main);
        site.says("ready in");
        site
    }

    /// Waits until the command has said this in a whole line, and returns the line.
    pub(crate) fn says(&self, text: &str) -> String {
        until(text, || {
            let has_ended = self.process().try_wait().is_ok_and(|status| status.is_some());
            let said = self.said.lock().expect("no panic");
            let whole = said.rfind('\n').map_or("", |end| &said[..end]);
            let line = whole.lines().find(|line| line.contains(text)).map(|line| line.trim_end().to_owned());
            assert!(line.is_some() || !has_ended, "it has ended without a word of `{text}`");
            line
        })
    }

    /// How often the command has said this.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.said.lock().expect("no panic").matches(text).count()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).expect("a file");
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).expect("a file")
    }

    /// Puts another file in the place of one, as many editors save.
    pub(crate) fn replace(&self, file: &str, text: &str) {
        let (place, new) = (self.folder.join(file), self.folder.join(".new"));
        fs::write(&new, text).expect("a file");
        fs::rename(new, place).expect("it takes the place");
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the connection is accepted");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// Asks on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("the request is sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the answer is whole");
        Answer::parse(&bytes)
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    /// Asks as a browser that loads a page.
    pub(crate) fn page(&self, target: &str) -> Answer {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nSec-Fetch-Dest: document\r\nConnection: close\r\n\r\n"
        );
        // A program that stops redirects a page that it still accepted to the next program, which a browser
        // follows.
        (0..20).map(|_| self.ask(&request)).find(|answer| answer.status != 307).expect("the next program answers")
    }

    /// The token, as a page has it.
    pub(crate) fn token(&self) -> String {
        let body = self.page("/").body;
        let (_, rest) = body.split_once("token=").expect("the page has the script");
        rest.split('"').next().expect("the address ends").to_owned()
    }

    /// Listens as a page does.
    pub(crate) fn events(&self) -> Events {
        Events::open(self.connect(), &self.token())
    }

    /// The command's process.
    pub(crate) fn id(&self) -> u32 {
        self.process().id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    pub(crate) fn wait(&self) -> Option<i32> {
        until("the command ends", || self.process().try_wait().expect("it can be waited for")).code()
    }

    fn process(&self) -> MutexGuard<'_, Child> {
        self.process.lock().expect("no panic")
    }

    /// The processes that the command has started, and theirs.
    pub(crate) fn descendants(&self) -> Vec<u32> {
        let mut found = vec![self.id()];
        let mut at = 0;
        while let Some(parent) = found.get(at).copied() {
            found.extend(processes().filter(|process| process.1 == parent).map(|process| process.0));
            at += 1;
        }
        found.split_off(1)
    }

    /// The folder of the socket that the app is connected to.
    pub(crate) fn socket_folder(&self) -> PathBuf {
        let socket_of = |pid: u32| {
            let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let text = String::from_utf8_lossy(&variables).into_owned();
            text.split('\0').find_map(|variable| variable.strip_prefix("PIXIE_DEV_SOCKET=").map(str::to_owned))
        };
        let socket = self.descendants().into_iter().find_map(socket_of).expect("the socket");
        Path::new(&socket).parent().expect("a folder").to_path_buf()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("pixie dev said:\n{}", self.said.lock().map(|said| said.clone()).unwrap_or_default());
        }
        let is_alive = self.process().try_wait().is_ok_and(|status| status.is_none());
        if is_alive {
            self.signal("TERM");
        }
        let _ = self.process().wait();
        builds::forget(self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default());
    }
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }
}

/// Returns `pixie dev` in a folder, at a port that is free.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixie"));
    isolated(&mut command).env("PIXIE_PORT", "0").arg("dev").args(args).current_dir(folder);
    command
}

/// Writes a program that notes its arguments in a file beside it, `NAME.said`.
pub(crate) fn stand_in(folder: &Path, name: &str) -> PathBuf {
    fs::create_dir_all(folder).expect("a folder");
    let program = folder.join(name);
    let (new, said) = (program.with_extension("new"), program.with_extension("said"));
    let script =
        format!("#!/bin/sh\necho \"$@\" > '{}' && mv '{}' '{}'\n", new.display(), new.display(), said.display());
    fs::write(&program, script).expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it can be run");
    program
}

/// Waits until a stand-in was started and returns its arguments.
pub(crate) fn heard(program: &Path) -> String {
    let said = program.with_extension("said");
    until(&format!("{} is started", program.display()), || fs::read_to_string(&said).ok()).trim().to_owned()
}

/// Lets a command build into the folder that the tests share, from what is on this machine.
pub(crate) fn isolated(command: &mut Command) -> &mut Command {
    environment::clean(command).env("CARGO_TARGET_DIR", builds::target()).env("CARGO_NET_OFFLINE", "true")
}

/// Those of these processes that are still there, zombies left out.
pub(crate) fn living(pids: &[u32]) -> Vec<u32> {
    processes().filter(|process| pids.contains(&process.0) && process.2 != 'Z').map(|process| process.0).collect()
}

/// Every process with its parent and state.
fn processes() -> impl Iterator<Item = (u32, u32, char)> {
    let entries = fs::read_dir("/proc").expect("processes can be listed").flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let mut stat = String::new();
        fs::File::open(entry.path().join("stat")).ok()?.read_to_string(&mut stat).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        Some((pid, fields.next()?.parse().ok()?, state))
    })
}

/// Looks again and again until there is a value, and fails the test when patience ends.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long until: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}
