//! Sends healthy requests at a steady rate, commits a fault in between, and counts the results of both.
//!
//! Decides the times of one case: a second without faults, the faults one second apart, and some seconds to
//! see whether the service recovers.

use std::{
    io::{self, ErrorKind},
    thread,
    time::{Duration, Instant},
};

use bench_kit::http::Answer;

use crate::server::{Asker, Server};

/// Connections that send healthy requests.
const CONNECTIONS: u32 = 8;
/// Time from one request of a connection to its next one, if the first has been answered by then.
const STEP: Duration = Duration::from_millis(20);
/// Time before the first fault.
const BEFORE: Duration = Duration::from_secs(1);
/// Time from one fault to the next.
const BETWEEN: Duration = Duration::from_secs(1);
/// Time that the service is observed after the last fault. Longer than the deadline of the servers that have
/// one.
const AFTER: Duration = Duration::from_secs(5);
/// A correct response that took longer counts as stalled.
const STALLED: Duration = Duration::from_secs(1);
/// A healthy request without a response after this time counts as failed.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time to wait for the response of a faulty request.
const FAULT_PATIENCE: Duration = Duration::from_secs(5);

/// The results of the healthy and the faulty requests.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Healthy requests with a correct response.
    pub(crate) answered: usize,
    /// Those that took longer than a second.
    pub(crate) stalled: usize,
    /// Healthy requests without a response, or with a wrong one.
    pub(crate) failed: usize,
    /// The longest time after the first fault without a correct response on any connection.
    pub(crate) silence: Duration,
    /// Whether correct responses came until the end.
    pub(crate) is_back: bool,
    /// Processors that the server used in the last second, after all deadlines.
    pub(crate) busy: f64,
    /// The results of the faulty requests, in order.
    pub(crate) faulty: Vec<String>,
}

/// One healthy request: when it was sent, how long it took, and whether its response was correct.
#[derive(Clone, Copy, Debug)]
struct Request {
    sent: Instant,
    time: Duration,
    is_right: bool,
}

/// Sends healthy requests to a new server, and commits a fault this many times meanwhile.
pub(crate) fn observe(server: &Server, fault: &str, times: u32) -> Observed {
    let start = Instant::now();
    let end = start + BEFORE + BETWEEN * (times - 1) + AFTER;
    thread::scope(|scope| {
        let healthy: Vec<_> =
            (0..CONNECTIONS).map(|connection| scope.spawn(move || stream(server, connection, end))).collect();
        let faulty: Vec<_> = (0..times)
            .map(|time| {
                scope.spawn(move || {
                    thread::sleep(BEFORE + BETWEEN * time);
                    let answer = server.asker(FAULT_PATIENCE).get(&format!("/fault/{fault}?time={time}"));
                    describe(answer)
                })
            })
            .collect();
        let busy = scope.spawn(move || busy(server, end));
        let requests: Vec<Request> =
            healthy.into_iter().flat_map(|thread| thread.join().expect("a client does not panic")).collect();
        let faulty = faulty.into_iter().map(|thread| thread.join().expect("a client does not panic")).collect();
        let busy = busy.join().expect("a look does not panic");
        Observed { busy, faulty, ..sum_up(&requests, start + BEFORE, end) }
    })
}

fn stream(server: &Server, connection: u32, end: Instant) -> Vec<Request> {
    let mut asker: Asker = server.asker(PATIENCE);
    let mut requests = Vec::new();
    for number in 0.. {
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        let id = format!("{connection}-{number}");
        let answer = asker.get(&format!("/ok?id={id}"));
        let is_right = answer.is_ok_and(|answer| answer.status == 200 && answer.body == id.as_bytes());
        let time = sent.elapsed();
        requests.push(Request { sent, time, is_right });
        thread::sleep(STEP.saturating_sub(time));
    }
    requests
}

/// Returns how many processors the server uses in the second before the end.
fn busy(server: &Server, end: Instant) -> f64 {
    const LAST: Duration = Duration::from_secs(1);
    thread::sleep(end.saturating_duration_since(Instant::now()).saturating_sub(LAST));
    let (before, start) = (server.processor_time(), Instant::now());
    thread::sleep(LAST);
    server.processor_time().saturating_sub(before).as_secs_f64() / start.elapsed().as_secs_f64()
}

fn describe(answer: io::Result<Answer>) -> String {
    match answer {
        Ok(answer) => answer.status.to_string(),
        Err(error) => match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("no answer in {} s", FAULT_PATIENCE.as_secs()),
            ErrorKind::ConnectionRefused => "refused".into(),
            _ => "cut off".into(),
        },
    }
}

fn sum_up(requests: &[Request], first_fault: Instant, end: Instant) -> Observed {
    let right = || requests.iter().filter(|request| request.is_right);
    let mut answers: Vec<Instant> = right().map(|request| request.sent + request.time).collect();
    answers.retain(|&at| at > first_fault && at < end);
    answers.sort_unstable();
    let last = answers.last().copied().unwrap_or(first_fault);
    let begins = [first_fault].into_iter().chain(answers.iter().copied());
    let ends = answers.iter().copied().chain([end]);
    Observed {
        answered: right().count(),
        stalled: right().filter(|request| request.time > STALLED).count(),
        failed: requests.len() - right().count(),
        silence: begins.zip(ends).map(|(begin, end)| end.saturating_duration_since(begin)).max().unwrap_or_default(),
        is_back: end.saturating_duration_since(last) < STALLED,
        ..Observed::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_the_longest_time_without_a_right_answer_after_the_fault() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let request = |sent, ms, is_right| Request { sent: at(sent), time: Duration::from_millis(ms), is_right };
        let requests = [
            request(0, 10, true),
            request(1000, 400, true),
            request(1410, 0, false),
            request(1420, 1080, true),
            request(5900, 10, true),
        ];
        let seen = sum_up(&requests, at(1000), at(6000));
        assert_eq!((seen.answered, seen.failed, seen.stalled), (4, 1, 1));
        assert_eq!((seen.silence, seen.is_back), (Duration::from_millis(3410), true));
        let seen = sum_up(&requests[..1], at(1000), at(6000));
        assert_eq!((seen.silence, seen.is_back), (Duration::from_secs(5), false));
    }
}
