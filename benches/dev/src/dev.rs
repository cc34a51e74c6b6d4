//! A running `pixie dev`, and the requests that a browser would send to it. It exits when the value is
//! dropped.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longer than a first build takes.
const PATIENCE: Duration = Duration::from_secs(1200);
/// Pause between requests for a page that is not ready. A measured time is at most this much too long.
const PAUSE: Duration = Duration::from_millis(1);

/// The command and the port of its app.
pub struct Dev {
    process: Child,
    port: u16,
}

impl Dev {
    /// Starts the command in an app's folder and waits until it listens, which is before the first build.
    pub fn start(pixie: &Path, app: &Path, target: &Path) -> Dev {
        let mut command = Command::new(pixie);
        command.args(["dev", "--port", "0", "--workers", "1"]).current_dir(app).env("CARGO_TARGET_DIR", target);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("pixie starts");
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("Listening")).expect("it listens");
        let port = line.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        thread::spawn(move || lines.for_each(drop));
        Dev { process, port }
    }

    /// Requests the page until it contains the word, and returns how long that took.
    pub fn until_page(&self, path: &str, word: &str) -> Duration {
        let start = Instant::now();
        while !self.get(path).contains(word) {
            assert!(start.elapsed() < PATIENCE, "{path} never says {word}");
            thread::sleep(PAUSE);
        }
        start.elapsed()
    }

    /// Opens the event stream that a page reads.
    pub fn events(&self, path: &str) -> Events {
        let page = self.get(path);
        let token = page.split("token=").nth(1).and_then(|rest| rest.split('"').next()).expect("the script").to_owned();
        let mut events = Events(BufReader::new(self.ask(&format!("/__pixie/events?token={token}"))));
        events.until("hello");
        events
    }

    fn get(&self, target: &str) -> String {
        let mut text = String::new();
        self.ask(target).read_to_string(&mut text).expect("it answers");
        text
    }

    fn ask(&self, target: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the connection is accepted");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = "Host: localhost\r\nSec-Fetch-Dest: document\r\nConnection: close";
        write!(stream, "GET {target} HTTP/1.1\r\n{head}\r\n\r\n").expect("it is sent");
        stream
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // SIGTERM lets it stop its app. The standard library can only send SIGKILL.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// The events, as a page gets them.
pub struct Events(BufReader<TcpStream>);

impl Events {
    /// Waits for an event of this name.
    pub fn until(&mut self, name: &str) {
        let (mut line, wanted) = (String::new(), format!("event: {name}\n"));
        while line != wanted {
            line.clear();
            assert!(self.0.read_line(&mut line).expect("it can be read") > 0, "the stream ended before `{name}`");
        }
    }
}
