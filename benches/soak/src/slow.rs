//! Faults that take a while: endless loops, memory without end, clients that disconnect and clients that are
//! slow.
//!
//! They run one at a time, each followed by a pause of the same length. With two workers they use a quarter
//! of the pool.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use bench_kit::http::Client;

use crate::{
    load::{PATIENCE, Phase},
    tally::Tally,
};

/// The shortest pause after a fault.
const REST_MIN: Duration = Duration::from_millis(50);
/// Time after which a client disconnects. Its job has begun by then.
const STAY: Duration = Duration::from_millis(50);
/// Pieces of the response that is read slowly: 4 MiB together, more than the socket buffers hold.
const SLOW_PIECES: usize = 256;
/// Bytes and pause of a slow reader: 1.3 s for the whole response.
const SLOW_READ: (usize, Duration) = (32 * 1024, Duration::from_millis(10));
/// Pause of a slow writer between two bytes: 1 s for a request.
const SLOW_WRITE: Duration = Duration::from_millis(20);

type SlowFault = fn(&mut Client, &str, &mut Tally);

const FAULTS: [(&str, SlowFault); 6] = [
    ("loop", |client, id, tally| ask(client, &format!("/loop?id={id}"), 504, tally)),
    ("client leaves a job", leave_job),
    ("oom", |client, id, tally| ask(client, &format!("/oom?id={id}"), 502, tally)),
    ("client reads slowly", read_slowly),
    ("client leaves a stream", leave_stream),
    ("client writes slowly", write_slowly),
];

/// Sends one slow fault after the other until the phase ends.
pub(crate) fn run(phase: &Phase) -> Tally {
    let mut tally = Tally::default();
    let mut client = Client::new(phase.address, PATIENCE);
    // Each phase begins with another fault, so that short runs include all of them.
    let skipped = phase.number as usize / 3;
    for (number, (name, fault)) in FAULTS.iter().cycle().skip(skipped % FAULTS.len()).enumerate() {
        if !phase.is_on() {
            break;
        }
        let start = Instant::now();
        fault(&mut client, &format!("{}-slow-{number}", phase.number), &mut tally);
        tally.fault(name);
        sleep(start.elapsed().max(REST_MIN));
    }
    tally
}

fn ask(client: &mut Client, target: &str, status: u16, tally: &mut Tally) {
    let answer = client.get(target);
    tally.judge(target, status, None, answer);
}

fn leave_job(client: &mut Client, id: &str, tally: &mut Tally) {
    let target = format!("/sleep/20000?id={id}");
    match client.send(&target) {
        Ok(()) => tally.requests += 1,
        Err(error) => drop(tally.judge(&target, 200, None, Err(error))),
    }
    sleep(STAY);
    client.close();
}

fn leave_stream(client: &mut Client, id: &str, tally: &mut Tally) {
    let target = format!("/lines/1000000?id={id}");
    match client.send(&target).and_then(|()| client.read_some(&mut [0; 1024])) {
        Ok(1..) => tally.requests += 1,
        Ok(0) => drop(tally.judge(&target, 200, None, Err(std::io::ErrorKind::UnexpectedEof.into()))),
        Err(error) => drop(tally.judge(&target, 200, None, Err(error))),
    }
    client.close();
}

fn read_slowly(client: &mut Client, id: &str, tally: &mut Tally) {
    let target = format!("/lines/{SLOW_PIECES}?id={id}");
    let body: String = (0..SLOW_PIECES).map(|number| format!("{id} {number:>16000}\n")).collect();
    let answer = client.send(&target).and_then(|()| client.receive_slowly(SLOW_READ.0, SLOW_READ.1));
    if answer.is_err() {
        client.close();
    }
    tally.judge(&target, 200, Some(body.as_bytes()), answer);
}

fn write_slowly(client: &mut Client, id: &str, tally: &mut Tally) {
    let target = format!("/ok?id={id}");
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let sent = request.as_bytes().chunks(1).try_for_each(|byte| {
        sleep(SLOW_WRITE);
        client.send_bytes(byte)
    });
    let answer = sent.and_then(|()| client.receive());
    if answer.is_err() {
        client.close();
    }
    tally.judge(&target, 200, Some(id.as_bytes()), answer);
}
