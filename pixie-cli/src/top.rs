//! `pixie top`: asks the status pages of all hosts, and shows their roles, pools and queues.
//!
//! Each host is asked on a thread of its own. Invariant: an answer is limited in time and in bytes, and a
//! text of an answer is shown without control characters.

use std::{
    io::{self, IsTerminal, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::Value;

use crate::{
    error::{self, Error},
    interrupt, output,
};

/// Limits how long a host may take to answer. Shorter than a person waits for a new picture.
const PATIENCE: Duration = Duration::from_secs(2);
/// Limits an answer. A worker takes about 300 bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Time between two pictures.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// The hosts to ask, such as 10.0.0.11:8000,10.0.0.12:8000
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',', required = true, value_parser = line)]
    hosts: Vec<String>,
    /// The path of `App::status`
    #[arg(long, default_value = "/status", value_parser = line)]
    path: String,
    /// A header of each request, such as "authorization: Bearer 7b1f"
    #[arg(long, value_name = "NAME: VALUE", value_parser = line)]
    header: Vec<String>,
    /// Print the table once
    #[arg(long)]
    once: bool,
}

/// Refuses what would end a line of a request.
fn line(text: &str) -> Result<String, String> {
    let is_line = !text.is_empty() && !text.chars().any(char::is_control);
    is_line.then(|| text.to_owned()).ok_or_else(|| "use text without control characters".into())
}

/// What a host has answered, or why it has not.
type Answer = Result<Value, String>;

/// Shows the table once, or until Ctrl-C.
pub(crate) fn top(args: TopArgs) -> Result<(), Error> {
    let is_once = args.once || !io::stdout().is_terminal();
    let answers = ask_all(&args, is_once);
    let mut latest = vec![None; args.hosts.len()];
    if is_once {
        collect(&answers, &mut latest, PATIENCE, true);
        return output::print(&table(&args.hosts, &latest, usize::MAX));
    }
    let _screen = Screen::enter()?;
    loop {
        collect(&answers, &mut latest, INTERVAL, false);
        output::write(b"\x1b[H")?;
        let picture = table(&args.hosts, &latest, width());
        // Each line removes what the last picture has left of it.
        picture.lines().try_for_each(|line| {
            output::print(line)?;
            output::write(b"\x1b[K\n")
        })?;
        output::write(b"\x1b[J")?;
    }
}

/// Starts a thread for each host, which sends what the host answers each second.
fn ask_all(args: &TopArgs, is_once: bool) -> Receiver<(usize, Answer)> {
    let (sender, answers) = mpsc::channel();
    for (at, host) in args.hosts.iter().cloned().enumerate() {
        let more: String = args.header.iter().map(|header| format!("{header}\r\n")).collect();
        // In HTTP/1.0, the answer ends with the connection.
        let request = format!("GET {} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n{more}\r\n", args.path);
        let sender = sender.clone();
        thread::spawn(move || {
            while sender.send((at, ask(&host, &request))).is_ok() && !is_once {
                thread::sleep(INTERVAL);
            }
        });
    }
    answers
}

/// Takes the answers that arrive within a time. With `is_once`, returns when all hosts have answered.
fn collect(
    answers: &Receiver<(usize, Answer)>,
    latest: &mut [Option<(Instant, Answer)>],
    time: Duration,
    is_once: bool,
) {
    let by = Instant::now() + time;
    while !is_once || latest.iter().any(Option::is_none) {
        let left = by.saturating_duration_since(Instant::now());
        let Ok((at, answer)) = answers.recv_timeout(left) else { break };
        latest[at] = Some((Instant::now(), answer));
    }
}

fn ask(host: &str, request: &str) -> Answer {
    let by = Instant::now() + PATIENCE;
    let left = || by.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let why = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("no answer within {PATIENCE:?}"),
        _ => error::reason(&error),
    };
    let addresses = host.to_socket_addrs().map_err(why)?;
    let mut stream = Err("the name has no address".to_owned());
    for address in addresses {
        stream = TcpStream::connect_timeout(&address, left()).map_err(why);
        if stream.is_ok() {
            break;
        }
    }
    let mut stream = stream?;
    stream.set_write_timeout(Some(left())).and_then(|()| stream.write_all(request.as_bytes())).map_err(why)?;
    let (mut answer, mut part) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let read = stream.set_read_timeout(Some(left())).and_then(|()| stream.read(&mut part)).map_err(why)?;
        answer.extend(&part[..read]);
        match read {
            0 => return status(&answer),
            _ if answer.len() > ANSWER_BYTES_MAX => {
                return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"));
            }
            _ if Instant::now() > by => return Err(format!("no whole answer within {PATIENCE:?}")),
            _ => {}
        }
    }
}

/// Reads the body of a response.
fn status(answer: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
    match head.split_whitespace().nth(1).unwrap_or("no status") {
        "200" => serde_json::from_str(body).map_err(|_| "the answer is not a status of pixie".into()),
        "403" => Err("403: `App::operators` decides who may look, see --header".into()),
        "404" => Err("404: call `App::status`, or name its path with --path".into()),
        code => Err(format!("status {}", shown(code))),
    }
}

/// Returns the table, with lines of at most `width` characters.
fn table(hosts: &[String], latest: &[Option<(Instant, Answer)>], width: usize) -> String {
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    for (host, answer) in hosts.iter().zip(latest) {
        let is_fresh = |(when, _): &&(Instant, Answer)| when.elapsed() < PATIENCE + INTERVAL * 2;
        match answer.as_ref().filter(is_fresh) {
            None => rows.push(vec![host.clone(), format!("no answer within {PATIENCE:?}")]),
            Some((_, Err(why))) => rows.push(vec![host.clone(), why.clone()]),
            Some((_, Ok(status))) => rows.extend(rows_of(host, status)),
        }
    }
    // The reason of a failure may be longer than its column.
    let length = |row: &Vec<String>, at: usize| match row.len() {
        2 if at > 0 => 0,
        _ => row.get(at).map_or(0, |cell| cell.chars().count()),
    };
    let widths: Vec<_> = (0..HEAD.len()).map(|at| rows.iter().map(|row| length(row, at)).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().chars().take(width).collect::<String>()
    };
    let (head, rest) = rows.split_first().expect("the table has a head");
    let rest: String = rest.iter().map(|row| line(row) + "\n").collect();
    format!("{0}{1}{0:#}\n{rest}", output::HEAD, line(head))
}

const HEAD: [&str; 9] = ["HOST", "ROLE", "CONNS", "POOL", "BUSY", "QUEUE", "JOBS", "FAILED", "MEMORY"];

/// Returns a row for each pool of a host. Only the first one has its name.
fn rows_of(host: &str, status: &Value) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or("-".into(), shown);
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let values = |value: &Value| value.as_object().into_iter().flatten().map(|(_, value)| number(value)).sum::<u64>();
    let mut start = vec![host.to_owned(), text(&status["role"]), number(&status["connections"]["open"]).to_string()];
    let mut rows = Vec::new();
    for pool in status["pools"].as_array().into_iter().flatten() {
        let counts = &pool["counts"];
        let broken = if pool["is_broken"] == true { " broken" } else { "" };
        let wait = pool["oldest_wait"].as_f64().map(|wait| format!(" ({wait:.1} s)")).unwrap_or_default();
        let memory: u64 =
            pool["workers"].as_array().into_iter().flatten().map(|worker| number(&worker["memory"])).sum();
        let mut row = std::mem::replace(&mut start, vec![String::new(); 3]);
        row.extend([
            text(&pool["name"]),
            format!("{}/{}{broken}", number(&pool["busy"]), number(&pool["size_max"])),
            format!("{}{wait}", number(&pool["queued"])),
            number(&counts["jobs"]).to_string(),
            (values(&counts["kills"]) + values(&counts["exits"])).to_string(),
            format!("{} MB", memory / 1_000_000),
        ]);
        rows.push(row);
    }
    if rows.is_empty() {
        start.extend(HEAD[3..].iter().map(|_| "-".to_owned()));
        rows.push(start);
    }
    rows
}

/// Returns a text of another program without control characters, and not too long for its column.
fn shown(text: &str) -> String {
    let mut letters = text.chars().filter(|letter| !letter.is_control());
    let start: String = letters.by_ref().take(14).collect();
    if letters.next().is_some() { start + "…" } else { start }
}

/// The other screen of the terminal, until this value is dropped or a signal ends the program.
struct Screen;

impl Screen {
    fn enter() -> Result<Screen, Error> {
        interrupt::hand_over(|| {
            drop(Screen);
            std::process::exit(130);
        });
        output::write(b"\x1b[?1049h\x1b[?25l").map(|()| Screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It fails if the terminal is closed.
        let _ = output::write(b"\x1b[?25h\x1b[?1049l");
    }
}

/// Returns the columns of the terminal, or the usual number.
fn width() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout()) {
        return size.ws_col.max(1).into();
    }
    80
}
