//! Requests without pause while programs take turns: none is refused, none is cut, none gets an answer but 200.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
};

use crate::site::{Site, page, until};

/// Programs that take turns.
const TURNS: usize = 4;
const CLIENTS: usize = 4;

#[test]
fn no_request_is_lost_while_programs_take_turns() {
    let site = Site::start("busy-site", &page("turn 0"));
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (site, is_over, answered) = (&site, &is_over, &answered);
            let keeps = client % 2 == 0;
            scope.spawn(move || {
                while !is_over.load(Relaxed) {
                    answered.fetch_add(visit(site, keeps, is_over), Relaxed);
                }
            });
        }
        // A panic below must end the clients too.
        let ending = Ending(&is_over);
        for turn in 1..=TURNS {
            site.write("src/main.rs", &page(&format!("turn {turn}")));
            until("the next program answers", || site.get("/").body.contains(&format!("turn {turn}<")).then_some(()));
            if turn == 2 {
                let mut events = site.events();
                site.write("src/main.rs", "fn main() { broken }");
                events.next("failed");
            }
        }
        drop(ending);
    });
    assert!(answered.load(Relaxed) > 100, "{answered:?}");
}

struct Ending<'f>(&'f AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Uses one connection for as long as the server keeps it, or for one request.
fn visit(site: &Site, keeps: bool, is_over: &AtomicBool) -> usize {
    let mut stream = site.connect();
    let connection = if keeps { "keep-alive" } else { "close" };
    for count in 1.. {
        write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n")
            .expect("the request is sent");
        let head = read_answer(&mut stream);
        assert!(head.starts_with("http/1.1 200"), "{head}");
        if !keeps || head.contains("connection: close") || is_over.load(Relaxed) {
            return count;
        }
    }
    0
}

fn read_answer(stream: &mut TcpStream) -> String {
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
            return head;
        }
    }
}
