//! Sends requests without a pause while new versions of a program are built. Some versions do not build, and
//! some crash at their start. Every request gets a whole response, from the old or the new version.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
};

use crate::site::{Site, page, until};

/// Edits, each of which is a build.
const EDITS: usize = 20;

/// What each client asks for, and whether it keeps its connection.
const CLIENTS: [(&str, bool); 5] = [("/", true), ("/", false), ("/pool", true), ("/pool", false), ("/slow", false)];

/// An app that says how many edits it has seen, in one of its answers slowly.
fn counting(number: usize) -> String {
    let slow = format!(
        ".route(Route::get(\"/slow\").thread(|_| {{ std::thread::sleep(std::time::Duration::from_millis(100)); \"edit {number}.\" }}))"
    );
    page(&format!("edit {number}.")).replace(".workers(1)", &format!("{slow}.workers(1)"))
}

/// How the clients fare.
#[derive(Default)]
struct Traffic {
    is_over: AtomicBool,
    answered: AtomicUsize,
    /// The program that may still answer.
    before: AtomicUsize,
    /// The latest that may answer already.
    after: AtomicUsize,
}

#[test]
fn no_request_is_lost_while_programs_take_turns() {
    let (site, traffic) = (Site::start("busy-site", &counting(0)), Traffic::default());
    thread::scope(|scope| {
        for (path, keeps) in CLIENTS {
            let (site, traffic) = (&site, &traffic);
            scope.spawn(move || {
                while !traffic.is_over.load(Relaxed) {
                    traffic.visit(site, path, keeps);
                }
            });
        }
        // A panic below must end the clients too.
        let _ending = Ending(&traffic.is_over);
        let mut serving = 0;
        for number in 1..=EDITS {
            let failures = site.count("the program before it still serves");
            let broken = match number % 5 {
                2 => "fn main() { broken }",
                4 => "fn main() { panic!(\"no database\") }",
                _ => "",
            };
            if broken.is_empty() {
                traffic.after.store(number, Relaxed);
                site.write("src/main.rs", &counting(number));
                let word = format!("edit {number}.");
                until("the next program answers", || site.get("/").body.contains(&word).then_some(()));
                traffic.before.store(serving, Relaxed);
                serving = number;
            } else {
                site.write("src/main.rs", broken);
                until("the failure is told", || {
                    (site.count("the program before it still serves") > failures).then_some(())
                });
            }
        }
    });
    let answered = traffic.answered.load(Relaxed);
    assert!(answered > 100, "only {answered} answers");
}

struct Ending<'f>(&'f AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Traffic {
    /// Uses one connection for as long as the server keeps it, or for one request.
    fn visit(&self, site: &Site, path: &str, keeps: bool) {
        let mut stream = site.connect();
        let connection = if keeps { "keep-alive" } else { "close" };
        loop {
            let before = self.before.load(Relaxed);
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n")
                .expect("the request is sent");
            let (head, body) = read_answer(&mut stream);
            assert!(head.starts_with("http/1.1 200"), "{head}");
            let number = body.split_once("edit ").and_then(|(_, rest)| rest.split_once('.')?.0.parse().ok());
            let turns = before..=self.after.load(Relaxed);
            assert!(number.is_some_and(|number| turns.contains(&number)), "{body} instead of {turns:?}");
            self.answered.fetch_add(1, Relaxed);
            if !keeps || head.contains("connection: close") || self.is_over.load(Relaxed) {
                return;
            }
        }
    }
}

fn read_answer(stream: &mut TcpStream) -> (String, String) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).expect("the answer is read");
        assert!(count > 0, "the connection was cut: {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= length.expect("the answer has a length") {
            return (head, body.to_owned());
        }
    }
}
