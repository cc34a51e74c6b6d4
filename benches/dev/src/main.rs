//! Edits an app under `pixie dev` and its twin under `cargo build` in turn, and prints the medians.
#![forbid(unsafe_code)]
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const MODULES: usize = 20;
const ROUNDS: usize = 9;
const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace");
    let work = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/apps");
    let (live, twin) = (write_app(&work, "live", &workspace), write_app(&work, "twin", &workspace));
    cargo_build(&twin);
    let dev = Dev::start(&workspace, &live);
    let (mut handler, mut template, mut css) = (Edits::default(), Edits::default(), Vec::new());
    let mut events = dev.events();
    for round in 1..=ROUNDS {
        let word = format!("handler-{round}");
        let edit = |app: &Path| replace(&app.join("src/m7.rs"), &module(7, &word));
        handler.add(dev.until_page("/h/7", &word, || edit(&live)), cargo_time(&twin, || edit(&twin)));

        let word = format!("template-{round}");
        let edit = |app: &Path| replace(&app.join("templates/m3.html"), &html(&word));
        template.add(dev.until_page("/t/3", &word, || edit(&live)), cargo_time(&twin, || edit(&twin)));

        events = dev.events();
        let start = Instant::now();
        replace(&live.join("static/app.css"), &format!("p {{ margin: {round}px }}"));
        wait_line(&mut events, "event: css");
        css.push(start.elapsed());
    }
    drop(events);
    println!("{:<10} {:>14} {:>14} {:>10}", "edit", "save to page", "cargo build", "added");
    handler.print("handler");
    template.print("template");
    println!("{:<10} {:>11.0} ms {:>14} {:>10}", "css", ms(median(&mut css)), "-", "-");
}

#[derive(Default)]
struct Edits {
    page: Vec<Duration>,
    cargo: Vec<Duration>,
}

impl Edits {
    fn add(&mut self, page: Duration, cargo: Duration) {
        self.page.push(page);
        self.cargo.push(cargo);
    }

    fn print(&mut self, name: &str) {
        let (page, cargo) = (ms(median(&mut self.page)), ms(median(&mut self.cargo)));
        println!("{name:<10} {page:>11.0} ms {cargo:>11.0} ms {:>7.0} ms", page - cargo);
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

struct Dev {
    process: Child,
    port: u16,
}

impl Dev {
    fn start(workspace: &Path, app: &Path) -> Dev {
        let mut command = Command::new(workspace.join("target/debug/pixie"));
        command.args(["dev", "--port", "0", "--workers", "1"]).current_dir(app).env("CARGO_TARGET_DIR", target(app));
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pixie: build it first");
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("Listening")).expect("it listens");
        let port = line.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        lines.find(|line| line.contains("ready in")).expect("it gets ready");
        thread::spawn(move || lines.for_each(drop));
        Dev { process, port }
    }

    /// Edits, and asks until the page has the word.
    fn until_page(&self, path: &str, word: &str, edit: impl FnOnce()) -> Duration {
        let start = Instant::now();
        edit();
        while !self.get(path).contains(word) {
            assert!(start.elapsed() < PATIENCE, "{path} never says {word}");
            thread::park_timeout(Duration::from_millis(2));
        }
        start.elapsed()
    }

    fn ask(&self, target: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Dest: document\r\nConnection: close\r\n\r\n"
        )
        .expect("it is sent");
        stream
    }

    fn get(&self, target: &str) -> String {
        let mut text = String::new();
        self.ask(target).read_to_string(&mut text).expect("it answers");
        text
    }

    fn events(&self) -> BufReader<TcpStream> {
        let page = self.get("/t/1");
        let token = page.split("token=").nth(1).and_then(|rest| rest.split('"').next()).expect("the script").to_owned();
        let mut events = BufReader::new(self.ask(&format!("/__pixie/events?token={token}")));
        wait_line(&mut events, "event: hello");
        events
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

fn wait_line(events: &mut impl BufRead, wanted: &str) {
    let mut line = String::new();
    while !line.starts_with(wanted) {
        line.clear();
        assert!(events.read_line(&mut line).expect("it can be read") > 0, "the stream ended before `{wanted}`");
    }
}

fn cargo_time(app: &Path, edit: impl FnOnce()) -> Duration {
    let start = Instant::now();
    edit();
    cargo_build(app);
    start.elapsed()
}

fn cargo_build(app: &Path) {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--bin", &name(app)]).current_dir(app).env("CARGO_TARGET_DIR", target(app));
    assert!(cargo.status().is_ok_and(|status| status.success()), "the twin builds");
}

fn target(app: &Path) -> PathBuf {
    app.with_file_name("target")
}

fn name(app: &Path) -> String {
    app.file_name().and_then(|name| name.to_str()).expect("a name").to_owned()
}

fn replace(file: &Path, text: &str) {
    fs::write(file, text).expect("a file");
}

fn html(word: &str) -> String {
    format!("<!doctype html><link rel=stylesheet href=/static/app.css><h1>{word} {{{{ number }}}}</h1>")
}

fn module(number: usize, word: &str) -> String {
    format!(
        "use askama::Template;\nuse pixie_web::{{Html, get}};\n\n#[derive(Template)]\n#[template(path = \"m{number}.html\")]\n\
         struct Page {{\n    number: usize,\n}}\n\n#[get(\"/t/{number}\", sync)]\nfn page() -> Html<String> {{\n    \
         Html(Page {{ number: {number} }}.render().unwrap_or_default())\n}}\n\n#[get(\"/h/{number}\", sync)]\n\
         fn handler() -> &'static str {{\n    \"{word}\"\n}}\n"
    )
}

fn write_app(work: &Path, name: &str, workspace: &Path) -> PathBuf {
    let app = work.join(name);
    for folder in ["src", "templates", "static"] {
        fs::create_dir_all(app.join(folder)).expect("a folder");
    }
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         askama = {{ version = \"0.16\", default-features = false, features = [\"std\", \"derive\", \"config\", \"urlencode\"] }}\n\
         pixie-web = {{ path = {:?} }}\n\n[profile.dev]\ndebug = \"line-tables-only\"\n\n[profile.dev.package.\"*\"]\ndebug = false\n\n[workspace]\n",
        workspace.display().to_string()
    );
    replace(&app.join("Cargo.toml"), &manifest);
    fs::copy(workspace.join("Cargo.lock"), app.join("Cargo.lock")).expect("the lock file");
    let modules: String = (1..=MODULES).map(|number| format!("mod m{number};\n")).collect();
    replace(
        &app.join("src/main.rs"),
        &format!("{modules}\nfn main() -> pixie_web::Result<()> {{\n    pixie_web::run()\n}}\n"),
    );
    for number in 1..=MODULES {
        replace(&app.join(format!("src/m{number}.rs")), &module(number, "first"));
        replace(&app.join(format!("templates/m{number}.html")), &html("first"));
    }
    replace(&app.join("static/app.css"), "p { margin: 0 }");
    app
}
