//! `Visitor`: one client with one kind of request, which knows what each answer must be.
//!
//! Each request has an id that is unique in the run, and its answer repeats the id, so that an answer to
//! another request is found.

use std::time::{Duration, Instant};

/// The kinds of requests, and how many of nine visitors send each.
pub(crate) const KINDS: [Kind; 9] = [
    Kind::Sync,
    Kind::Async,
    Kind::Image,
    Kind::Order,
    Kind::NewImage,
    Kind::Replace,
    Kind::Upload,
    Kind::Session,
    Kind::Burst,
];

/// Requests with one key of the rate limit, which allows five per minute.
const BURST: u64 = 8;
const BURST_ALLOWED: u64 = 5;
/// After this time, the rate limit allows one more request.
const BURST_REFILL: Duration = Duration::from_secs(12);

/// Bytes of an upload. More than the balancer and the app keep in memory.
const UPLOAD_BYTES: usize = 300_000;

/// What a visitor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A sync route of the web hosts.
    Sync,
    /// An async route of the web hosts.
    Async,
    /// A pool route of the worker hosts.
    Image,
    /// A POST to the web hosts, which counts itself.
    Order,
    /// A POST to the worker hosts, which counts itself.
    NewImage,
    /// A PUT to the worker hosts.
    Replace,
    /// An upload to the worker hosts.
    Upload,
    /// A session, kept in the store.
    Session,
    /// A route with a rate limit, counted in the store.
    Burst,
}

impl Kind {
    /// Returns whether a balancer may send the request again. For a session, the bench sets the same number
    /// again, so it is idempotent, too.
    pub(crate) fn is_idempotent(self) -> bool {
        !matches!(self, Kind::Order | Kind::NewImage | Kind::Upload)
    }

    /// Returns whether the app needs the store for the answer.
    pub(crate) fn needs_store(self) -> bool {
        !matches!(self, Kind::Sync | Kind::Async | Kind::Image | Kind::Replace)
    }
}

/// One client.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// What it asks for.
    pub(crate) kind: Kind,
    name: String,
    number: u64,
    cookie: Option<String>,
    /// The number that the session has, and the last one that it may have, because its answer was lost.
    session: (u64, u64),
    burst: Burst,
}

#[derive(Debug)]
struct Burst {
    begun: Instant,
    allowed: u64,
    is_whole: bool,
}

impl Default for Burst {
    fn default() -> Self {
        Burst { begun: Instant::now(), allowed: 0, is_whole: true }
    }
}

/// What is wrong with an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not the answer to this request.
    Wrong(String),
    /// A POST ran twice.
    Doubled(String),
}

impl Visitor {
    /// Returns a visitor. Its name is unique in the run.
    pub(crate) fn new(kind: Kind, name: String) -> Self {
        Visitor { kind, name, number: 0, cookie: None, session: (0, 0), burst: Burst::default() }
    }

    /// Returns the id of its current request.
    pub(crate) fn id(&self) -> String {
        match self.kind {
            Kind::Session => self.number.to_string(),
            _ => format!("{}-{}", self.name, self.number),
        }
    }

    /// Returns the bytes of its next request.
    pub(crate) fn request(&mut self) -> Vec<u8> {
        self.number += 1;
        let id = self.id();
        let (method, path, body) = match self.kind {
            Kind::Sync => ("GET", format!("/sync/{id}"), Vec::new()),
            Kind::Async => ("GET", format!("/async/{id}"), Vec::new()),
            Kind::Image => ("GET", format!("/image/{id}"), Vec::new()),
            Kind::Order => ("POST", format!("/order/{id}"), b"an order".to_vec()),
            Kind::NewImage => ("POST", format!("/image/{id}"), b"an image".to_vec()),
            Kind::Replace => ("PUT", format!("/image/{id}"), vec![b'x'; 1000]),
            Kind::Upload => ("POST", format!("/upload/{id}"), file(&id)),
            Kind::Session => ("PUT", format!("/session/{id}"), Vec::new()),
            Kind::Burst => ("GET", format!("/burst/{id}"), Vec::new()),
        };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: cluster\r\n");
        if method != "GET" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        if self.kind == Kind::Burst {
            head += &format!("X-Key: {}-{}\r\n", self.name, self.number / BURST);
        }
        if let Some(cookie) = &self.cookie {
            head += &format!("Cookie: {cookie}\r\n");
        }
        [head.as_bytes(), b"\r\n", &body].concat()
    }

    /// Takes the cookie of an answer.
    pub(crate) fn take_cookie(&mut self, header: Option<&str>) {
        if let Some(cookie) = header.and_then(|header| header.split(';').next()) {
            self.cookie = Some(cookie.to_owned());
        }
    }

    /// Checks the answer 200 to the current request, which is `what` and the place where it ran. Returns the
    /// place.
    pub(crate) fn check<'a>(&mut self, body: &'a str) -> Result<&'a str, Fault> {
        let (what, place) = body.split_once(' ').ok_or_else(|| Fault::Wrong(format!("{body:?}")))?;
        let id = self.id();
        let expected = match self.kind {
            Kind::Sync | Kind::Async | Kind::Image => id,
            Kind::Order | Kind::NewImage if what != format!("{id}:1") && what.starts_with(&format!("{id}:")) => {
                return Err(Fault::Doubled(format!("{what} for {id}")));
            }
            Kind::Order | Kind::NewImage => format!("{id}:1"),
            Kind::Replace => format!("{id}:1000"),
            Kind::Upload => format!("{id}:{UPLOAD_BYTES}:{:016x}", fnv(&file(&id))),
            Kind::Session => return self.check_session(what).map(|()| place),
            Kind::Burst => {
                self.burst.allowed += 1;
                id
            }
        };
        if what != expected {
            return Err(Fault::Wrong(format!("{what:?} instead of {expected:?}")));
        }
        Ok(place)
    }

    /// The answer names the number before. If the balancer has sent the request twice, that is the new
    /// number.
    fn check_session(&mut self, what: &str) -> Result<(), Fault> {
        let number = self.number;
        let before = what.strip_prefix(&format!("{number}:")).and_then(|before| before.parse::<u64>().ok());
        let (last, possible) = self.session;
        self.session = (number, number);
        match before {
            Some(before) if before == number || (last..=possible).contains(&before) => Ok(()),
            _ => Err(Fault::Wrong(format!("session {what:?}, after {last} to {possible}"))),
        }
    }

    /// Notes that the current request has no right answer.
    pub(crate) fn note_failure(&mut self) {
        self.session.1 = self.number;
        self.burst.is_whole = false;
    }

    /// Checks the rate limit at the end of a burst. If all of its requests were sent once, exactly five were
    /// allowed; the balancer may have sent some twice if hosts fail.
    pub(crate) fn check_burst(&mut self, hosts_fail: bool) -> Result<(), Fault> {
        if self.kind != Kind::Burst || self.number % BURST != BURST - 1 {
            return Ok(());
        }
        let burst = std::mem::take(&mut self.burst);
        // The first burst has one request less, because numbers begin with 1.
        let refilled = 1 + burst.begun.elapsed().as_secs() / BURST_REFILL.as_secs();
        let is_short = !hosts_fail && burst.is_whole && burst.allowed < BURST_ALLOWED;
        match is_short || burst.allowed > BURST_ALLOWED + refilled - 1 {
            true => Err(Fault::Wrong(format!("{} of {BURST} requests passed a limit of 5", burst.allowed))),
            false => Ok(()),
        }
    }
}

/// The content of an upload, which depends on its id.
fn file(id: &str) -> Vec<u8> {
    id.bytes().cycle().take(UPLOAD_BYTES).collect()
}

/// The hash FNV-1a, as the app computes it.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: Kind) -> Visitor {
        let mut visitor = Visitor::new(kind, "a".into());
        visitor.request();
        visitor
    }

    #[test]
    fn an_answer_must_repeat_the_id_of_its_request() {
        assert_eq!(asked(Kind::Sync).check("a-1 web1/1"), Ok("web1/1"));
        assert!(matches!(asked(Kind::Sync).check("a-2 web1/1"), Err(Fault::Wrong(_))));
        assert!(matches!(asked(Kind::Sync).check("a-1"), Err(Fault::Wrong(_))));
    }

    #[test]
    fn a_post_that_ran_twice_is_found() {
        assert_eq!(asked(Kind::Order).check("a-1:1 web1/1"), Ok("web1/1"));
        assert!(matches!(asked(Kind::Order).check("a-1:2 web1/1"), Err(Fault::Doubled(_))));
    }

    #[test]
    fn a_session_may_repeat_a_number_and_must_not_forget_one() {
        let mut visitor = asked(Kind::Session);
        assert!(visitor.check("1:0 web1/1").is_ok());
        visitor.request();
        assert!(visitor.check("2:2 web1/1").is_ok());
        visitor.request();
        visitor.note_failure();
        visitor.request();
        assert!(visitor.check("4:3 web1/1").is_ok());
        visitor.request();
        assert!(visitor.check("5:3 web1/1").is_err());
    }
}
