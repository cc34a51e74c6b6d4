//! A topic across hosts: a subscriber and a publisher that the balancer sends to any web host.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bench_kit::{Result, http::Client};

use crate::{
    load::unique,
    namespaces::Host,
    tally::{Excuses, Tally},
};

/// Time between two messages.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a message may take.
const LATEST: Duration = Duration::from_secs(2);
/// Limits one read or one request, so that a thread sees the end of the phase.
const PATIENCE: Duration = Duration::from_secs(3);

/// What both threads know.
#[derive(Default)]
struct Messages {
    /// The host and version of the subscriber, while it listens.
    place: Option<String>,
    /// Confirmed publications while the subscriber listened, and the time.
    published: BTreeMap<u64, Instant>,
    /// Publications without an answer, which may still happen.
    unknown: BTreeSet<u64>,
    arrived: Vec<u64>,
    strange: Vec<String>,
    /// Messages that were published on another host than that of the subscriber.
    crossed: u64,
}

/// Publishes and subscribes until `stop`. Messages that are sent while the subscriber's host or the store
/// fails may be missed; otherwise each arrives once, in order.
pub(crate) fn run(client: &Host, address: SocketAddr, excuses: Excuses, stop: &AtomicBool) -> Result<Tally> {
    let (topic, messages, ended) = (unique(), Mutex::new(Messages::default()), AtomicBool::new(false));
    let messages = thread::scope(|scope| -> Result<Messages> {
        let listener = scope.spawn(|| {
            client.enter()?;
            while !ended.load(Ordering::Relaxed) {
                // Hosts are killed and replaced, so a connection may end.
                let _ = listen(address, &topic, &messages, &ended);
                lock(&messages).close();
                thread::sleep(PAUSE);
            }
            io::Result::Ok(())
        });
        let sent = client.run(|| publish(address, &topic, &messages, stop));
        let until = Instant::now() + LATEST;
        while Instant::now() < until && lock(&messages).missed().next().is_some() {
            thread::sleep(PAUSE);
        }
        // Before the listener closes its connection.
        let all = std::mem::take(&mut *lock(&messages));
        ended.store(true, Ordering::Relaxed);
        listener.join().map_err(|_| "a listener panicked")??;
        sent.map(|()| all).map_err(Into::into)
    })?;
    Ok(messages.tally(excuses))
}

fn publish(address: SocketAddr, topic: &str, messages: &Mutex<Messages>, stop: &AtomicBool) {
    let mut client = Client::new(address, PATIENCE);
    for number in 1.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let before = lock(messages).place.clone();
        let request = format!("POST /publish/{topic}/{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let answer = client.send_bytes(request.as_bytes()).and_then(|()| client.receive());
        match answer {
            Ok(answer) if answer.status == 200 => {
                let place = String::from_utf8_lossy(&answer.body).rsplit(' ').next().unwrap_or_default().to_owned();
                lock(messages).confirm(number, before, &place);
            }
            _ => {
                client.close();
                lock(messages).unknown.insert(number);
            }
        }
        thread::sleep(PAUSE);
    }
}

fn listen(address: SocketAddr, topic: &str, messages: &Mutex<Messages>, ended: &AtomicBool) -> io::Result<()> {
    let mut client = Client::new(address, PATIENCE);
    client.send(&format!("/events/{topic}"))?;
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !ended.load(Ordering::Relaxed) {
        let length = match client.read_some(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        text += &String::from_utf8_lossy(&buffer[..length]);
        while let Some((line, rest)) = text.split_once('\n') {
            match line.trim() {
                // The last chunk: the app has ended the stream, and the balancer keeps the connection.
                "0" => return Ok(()),
                line => drop(line.strip_prefix("data: ").map(|data| lock(messages).take(data))),
            }
            text = rest.to_owned();
        }
    }
    Ok(())
}

fn lock(messages: &Mutex<Messages>) -> MutexGuard<'_, Messages> {
    messages.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Messages {
    /// Notes a confirmed publication. It must arrive if the same subscriber listened before and after it.
    fn confirm(&mut self, number: u64, before: Option<String>, place: &str) {
        if before.is_some() && before == self.place {
            self.crossed += u64::from(self.place.as_deref() != Some(place));
            self.published.insert(number, Instant::now());
        }
    }

    /// Takes the data of an event.
    fn take(&mut self, data: &str) {
        match (data.parse::<u64>(), data.strip_prefix("subscribed ")) {
            (Ok(number), _) => self.arrived.push(number),
            (_, Some(place)) => self.place = Some(place.to_owned()),
            _ if data == "lagged" => {}
            _ => self.strange.push(data.to_owned()),
        }
    }

    /// Notes the end of a connection, which the other side may have closed a moment ago.
    fn close(&mut self) {
        self.place = None;
        let arrived: BTreeSet<_> = self.arrived.iter().collect();
        self.published.retain(|number, time| arrived.contains(number) || time.elapsed() > LATEST);
    }

    fn missed(&self) -> impl Iterator<Item = u64> {
        let arrived: BTreeSet<_> = self.arrived.iter().copied().collect();
        self.published.keys().copied().filter(move |number| !arrived.contains(number))
    }

    fn tally(self, excuses: Excuses) -> Tally {
        let requests = (self.published.len() + self.unknown.len()) as u64;
        let mut tally = Tally { requests, crossed: self.crossed, ..Tally::default() };
        let known: Vec<_> = self.arrived.iter().filter(|number| !self.unknown.contains(number)).collect();
        for pair in known.windows(2).filter(|pair| pair[0] >= pair[1]) {
            tally.wrong.add(format!("Topic: {} after {}", pair[1], pair[0]));
        }
        let excused = if excuses.hosts_fail || excuses.store_is_away { &mut tally.refused } else { &mut tally.failed };
        for number in self.missed() {
            excused.add(format!("Topic: message {number} did not arrive"));
        }
        self.unknown.iter().for_each(|number| excused.add(format!("Topic: message {number} was not confirmed")));
        self.strange.into_iter().for_each(|what| tally.wrong.add(format!("Topic: {what}")));
        tally
    }
}
