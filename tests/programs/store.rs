//! The store when processes die, and the progress of a job in a browser.
use std::{
    io::{Read, Write},
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    thread,
};

use crate::{
    browser::Browser,
    support::{Program, until},
};

const KILLS: i64 = 20;

/// Adds from several connections until told to stop. Returns what was acknowledged, and what was attempted.
fn add_until(program: &Program, stopped: &AtomicBool, kinds: &[&str]) -> (i64, i64) {
    let (acknowledged, attempted) = (AtomicI64::new(0), AtomicI64::new(0));
    thread::scope(|scope| {
        for kind in kinds {
            scope.spawn(|| {
                while !stopped.load(Ordering::Relaxed) {
                    attempted.fetch_add(1, Ordering::Relaxed);
                    if is_added(program, kind) {
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    (acknowledged.into_inner(), attempted.into_inner())
}

/// The server may be gone.
fn is_added(program: &Program, kind: &str) -> bool {
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", program.port)) else { return false };
    let request = format!("GET /add/{kind} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let told = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    told.is_ok() && answer.starts_with("HTTP/1.1 200 ")
}

fn value(program: &Program) -> i64 {
    program.get("/value").body.parse().expect("a number")
}

#[test]
fn workers_that_are_killed_lose_no_addition_that_was_answered() {
    let state = Program::start_with("state", &[("PIXIE_WORKERS", "4")]);
    let stopped = AtomicBool::new(false);
    let (acknowledged, attempted) = thread::scope(|scope| {
        let adding = scope.spawn(|| add_until(&state, &stopped, &["pool", "pool", "pool", "async", "thread", "sync"]));
        for round in 1..=KILLS {
            until("the sum grows", || (value(&state) >= round * 50).then_some(()));
            // It may have ended since.
            if let Some(worker) = state.workers().get(round as usize % 4) {
                let _ = std::process::Command::new("kill").args(["-9", &worker.to_string()]).status();
            }
        }
        stopped.store(true, Ordering::Relaxed);
        adding.join().expect("it does not panic")
    });
    let sum = value(&state);
    // A GET whose worker has died runs again, and its first run may have added.
    let most = attempted + KILLS;
    assert!((acknowledged..=most).contains(&sum), "{acknowledged} answered, {attempted} asked, sum {sum}");
}

#[test]
fn a_server_that_is_killed_loses_no_addition_that_was_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("redb:{}", folder.path().join("state.redb").display());
    let (mut acknowledged, mut attempted) = (0, 0);
    for round in 1..=5 {
        let state = Program::start_with("state", &[("PIXIE_STORE", &address), ("PIXIE_WORKERS", "2")]);
        let sum = value(&state);
        assert!((acknowledged..=attempted).contains(&sum), "{acknowledged} answered, {attempted} asked, sum {sum}");
        let stopped = AtomicBool::new(false);
        let (answered, asked) = thread::scope(|scope| {
            let adding = scope.spawn(|| add_until(&state, &stopped, &["pool", "async", "thread", "sync"]));
            until("the sum grows", || (value(&state) >= sum + 20 * round).then_some(()));
            state.signal("KILL");
            stopped.store(true, Ordering::Relaxed);
            adding.join().expect("it does not panic")
        });
        acknowledged += answered;
        attempted += asked;
    }
}

/// Counts a visit. Returns the count, and the cookie that was set.
fn visit(program: &Program, cookie: &str) -> (String, String) {
    let (mut stream, mut answer) = (program.connect(), String::new());
    let head = format!("Host: localhost\r\nConnection: close\r\nCookie: {cookie}");
    write!(stream, "GET /session HTTP/1.1\r\n{head}\r\n\r\n").expect("it can be sent");
    stream.read_to_string(&mut answer).expect("the answer can be read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("it has a head");
    let set = head.lines().find(|line| line.to_lowercase().starts_with("set-cookie: "));
    let cookie = set.and_then(|line| line[12..].split(';').next()).unwrap_or_default();
    (body.to_owned(), cookie.to_owned())
}

#[test]
fn two_servers_of_one_store_know_the_same_sessions_unless_the_operator_chooses_cookies() {
    let Some(redis) = crate::redis::Redis::start() else { return };
    let address = redis.address();
    let start = |more: &[(&str, &str)]| Program::start_with("state", &[&[("PIXIE_STORE", &*address)], more].concat());
    let (one, other) = (start(&[]), start(&[]));
    let (count, cookie) = visit(&one, "");
    assert_eq!((&*count, cookie.len()), ("1", "session=".len() + 43));
    assert_eq!([&other, &one, &other].map(|program| visit(program, &cookie).0), ["2", "3", "4"]);
    let secret = "an example of a secret that is longer than 32 bytes";
    let in_cookie = start(&[("PIXIE_SESSIONS", "cookie"), ("PIXIE_SECRET", secret)]);
    let (count, cookie) = visit(&in_cookie, &cookie);
    assert_eq!(count, "1", "what the store has does not count");
    assert_eq!(visit(&in_cookie, &cookie).0, "2");
    assert_eq!(visit(&one, &cookie).0, "1");
}

#[pixie_browser_test::browser_test]
fn a_browser_shows_the_progress_of_a_job_that_another_machine_runs() {
    let (Some(browser), Some(redis)) = (Browser::start(), crate::redis::Redis::start()) else { return };
    let address = redis.address();
    let start = || Program::start_with("progress", &[("PIXIE_STORE", &address)]);
    let (works, watches) = (start(), start());
    let url = |program: &Program| format!("http://127.0.0.1:{}/", program.port);
    browser.open(&url(&works));
    // As when a visitor chooses a file and submits the form.
    browser.script(
        "const files = new DataTransfer();
         files.items.add(new File(['a\\nb\\nc\\n'], 'lines.txt'));
         document.querySelector('input').files = files.files;
         document.querySelector('form').requestSubmit();",
    );
    let id = until("the job has an id", || {
        let hash = browser.script("return location.hash");
        hash.as_str().filter(|hash| hash.len() > 1).map(str::to_owned)
    });
    let percent = || browser.script("return document.querySelector('progress').value").as_f64().unwrap_or(0.0);
    until("the bar moves", || (percent() > 0.0).then_some(()));
    assert!(percent() < 100.0, "the bar shows more than the end");
    browser.open(&format!("{}{id}", url(&watches)));
    until("the page of the other machine shows the end", || (percent() >= 100.0).then_some(()));
    assert!(browser.text().contains("100 %"), "{}", browser.text());
}
