//! Shared by the tests of whole programs: start an example on a free port, send requests, count its
//! processes.
//!
//! Invariant: every wait is for an event and has a time limit.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of this file")]
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Limits each wait. Longer than any step takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running example. Dropping the value kills the process.
pub struct Program {
    process: Child,
    pub port: u16,
    lines: std::sync::Mutex<std::sync::mpsc::Receiver<String>>,
}

impl Program {
    /// Starts an example on a port that the system chooses and waits until it listens.
    pub fn start(name: &str) -> Program {
        Program::start_with(name, &[])
    }

    /// As [`start`](Program::start), with environment variables.
    pub fn start_with(name: &str, variables: &[(&str, &str)]) -> Program {
        Program::start_to(name, variables, Stdio::null())
    }

    /// As [`start_with`](Program::start_with), with a destination for the log.
    pub fn start_to(name: &str, variables: &[(&str, &str)], log: Stdio) -> Program {
        let mut command = Command::new(example(name));
        command.envs(variables.iter().copied()).stderr(log);
        Program::spawn(command)
    }

    /// As [`start`](Program::start), with one worker and with limits that the shell's `ulimit` sets.
    pub fn start_within(ulimit: &str, name: &str) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit {ulimit} && exec \"$0\"")]).arg(example(name));
        command.env("PIXIE_WORKERS", "1").stderr(Stdio::null());
        Program::spawn(command)
    }

    /// As [`start`](Program::start), with a command that starts an example.
    pub fn spawn(mut command: Command) -> Program {
        let mut process = command
            .env("PIXIE_PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("the example does not start ({error}): `cargo build --examples` first"));
        let mut lines = BufReader::new(process.stdout.take().expect("stdout is a pipe")).lines();
        let is_address = |line: &String| line.contains("listening on http://");
        let (sender, kept) = std::sync::mpsc::channel();
        let mut keep = |line: &String| drop(sender.send(line.clone()));
        let line = lines.by_ref().map_while(Result::ok).inspect(&mut keep).find(is_address);
        let line = line.expect("the program says where it listens");
        let port =
            line.rsplit(':').next().and_then(|port| port.trim().parse().ok()).expect("the address ends in a port");
        // The rest of its output is read too, so that it does not block on a full pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Program { process, port, lines: kept.into() }
    }

    /// Returns its output from the start to the line of the pool `default`.
    pub fn banner(&self) -> String {
        self.output_to("pool default")
    }

    /// Returns its output from the start to the first line with this text.
    pub fn output_to(&self, end: &str) -> String {
        let lines = self.lines.lock().expect("nobody panicked with it");
        let mut text = String::new();
        while !text.contains(end) {
            text += &lines.recv_timeout(PATIENCE).expect("the banner names its pools");
            text.push('\n');
        }
        text
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a GET on a new connection.
    pub fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    /// Sends these bytes on a new connection and reads the response.
    pub fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("the request can be sent");
        Answer::read(&mut stream)
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.port)
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Waits for the program's end and returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        until("the program ends", || self.process.try_wait().expect("it can be waited for")).code()
    }

    /// Returns the pids of its living children: the workers.
    pub fn workers(&self) -> Vec<u32> {
        children(self.pid())
    }

    /// Returns how many file descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("its descriptors can be listed").count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A response, split into its parts.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Reads a response until the connection is closed.
    pub fn read(stream: &mut TcpStream) -> Answer {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the answer can be read");
        Answer::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer { status: status.unwrap_or_default(), head: head.to_lowercase(), body: body.to_owned() }
    }

    /// Returns the value of a header. The name must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Connects to a port of this machine. Reading has the limit [`PATIENCE`].
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts connections");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// Returns an address that was free a moment ago.
pub fn free_address() -> String {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
    probe.local_addr().expect("its number").to_string()
}

/// Asks the agent check at an address as HAProxy does, which sends the name of a role and keeps its side open.
pub fn ask_agent(address: &str, name: &str) -> String {
    let mut stream = to_agent(address);
    stream.write_all(name.as_bytes()).expect("the name can be sent");
    read_text(stream)
}

/// Connects to the agent check.
pub fn to_agent(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the agent accepts connections");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// Reads until the connection is closed.
pub fn read_text(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the answer can be read");
    text
}

/// Reads the head of a response, in lower case, and no byte behind it.
pub fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the head can be read");
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).to_lowercase()
}

/// Returns the path of an example's program. Cargo builds examples before it runs tests.
pub fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the test's own path");
    let folder = this.parent().and_then(|deps| deps.parent()).expect("the tests lie in target/<profile>/deps");
    folder.join("examples").join(name)
}

/// Returns the children of a process, zombies included.
pub fn children(parent: u32) -> Vec<u32> {
    processes().filter(|process| process.parent == parent).map(|process| process.pid).collect()
}

/// Returns the states of those of these processes that exist, such as `S` or `Z`.
pub fn states(pids: &[u32]) -> Vec<char> {
    processes().filter(|process| pids.contains(&process.pid)).map(|process| process.state).collect()
}

struct Process {
    pid: u32,
    parent: u32,
    state: char,
}

fn processes() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").expect("processes can be listed").flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name in parentheses may contain any character, so the fields start behind the last parenthesis.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        Some(Process { pid, parent: fields.next()?.parse().ok()?, state })
    })
}

/// Returns the peak of a process's resident memory, in KiB.
pub fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says its peak");
    line.trim().trim_end_matches("kB").trim().parse().expect("it is a number of kB")
}

/// Calls `look` until it returns a value. Panics after [`PATIENCE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
