//! What waits for the thread that writes the log: answered requests, and lines of other events.
//!
//! A request only copies a few values into a buffer, without an allocation once the buffer has grown. Code of
//! the folder `run/log` empties it. Invariant: no caller waits for a write, and the buffer has a limit. What
//! does not fit is counted as lost.
use std::{
    cell::Cell,
    mem,
    net::IpAddr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, Method, StatusCode, Uri, Version};
use pixie_core::{RequestId, TraceContext};
use pixie_grammar::RouteType;

/// Limits the lines that wait, in bytes, and the text of the requests that wait. 1 MiB is 6,000 requests, the
/// work of some ten milliseconds on a fast machine.
const BYTES_MAX: usize = 1024 * 1024;
/// Limits the requests that wait.
const REQUESTS_MAX: usize = 8 * 1024;
/// Limits the logged path of a request, in bytes, so that long ones do not fill the buffer.
const PATH_BYTES_MAX: usize = 1024;
/// Time that the writer waits for more requests after the first. Without it, each request of a short burst
/// would wake the writer. A person who reads the log does not notice 10 ms.
const GATHERING: Duration = Duration::from_millis(10);
/// The status of a request whose client has left before the head of the response, as in nginx.
const CLIENT_LEFT: u16 = 499;

/// The buffer of this process.
pub(crate) static LOG: LogBuffer = LogBuffer::new(false);

tokio::task_local! {
    static PLACE: Cell<Place>;
}

/// Where a request ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) kind: Option<RouteType>,
    pub(crate) pool: Option<&'static str>,
    /// The number of the worker, from 1.
    pub(crate) worker: Option<usize>,
}

impl Place {
    /// Runs a part of a request, which may note where it runs. Layers may be between the two.
    pub(crate) fn during<T>(&mut self, run: impl FnOnce() -> T) -> T {
        PLACE.sync_scope(Cell::new(*self), || {
            let result = run();
            *self = PLACE.with(Cell::get);
            result
        })
    }

    /// Notes the route of the current request. Without effect if the place is not asked for.
    pub(crate) fn note_route(kind: RouteType, pool: Option<&'static str>) {
        let _ = PLACE.try_with(|place| place.set(Place { kind: Some(kind), pool, worker: None }));
    }

    /// Notes the worker that has answered the current request.
    pub(crate) fn note_worker(worker: usize) {
        let _ = PLACE.try_with(|place| place.set(Place { worker: Some(worker), ..place.get() }));
    }
}

/// A request that has not been answered yet.
pub(crate) struct Asked {
    since: Instant,
    method: Method,
    uri: Uri,
    version: Version,
    pub(crate) client: Option<IpAddr>,
    /// Set if the log shows the traces of all requests.
    pub(crate) trace: Option<TraceContext>,
    pub(crate) place: Place,
}

impl Asked {
    pub(crate) fn of<B>(request: &http::Request<B>) -> Asked {
        Asked {
            since: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            client: None,
            trace: None,
            place: Place::default(),
        }
    }

    /// Logs the request with the head of its response.
    pub(crate) fn answered(self, status: StatusCode, headers: &HeaderMap, bytes: Option<u64>) {
        let id = headers.get(RequestId::HEADER).and_then(|id| id.to_str().ok());
        LOG.push_request(self, status.as_u16(), id.unwrap_or_default(), bytes);
    }

    /// Logs the request of a client that did not wait for the response.
    pub(crate) fn left(self) {
        LOG.push_request(self, CLIENT_LEFT, "", None);
    }
}

/// An answered request. Its text is in the batch.
#[derive(Clone, Copy)]
struct Entry {
    since: Instant,
    until: Instant,
    version: Version,
    status: u16,
    bytes: Option<u64>,
    client: Option<IpAddr>,
    place: Place,
    lengths: [usize; 4],
}

/// An answered request, to be written.
#[derive(Debug)]
pub(crate) struct Answered<'b> {
    /// The time of the head of the response.
    pub(crate) at: SystemTime,
    /// The time from the head of the request to that of the response.
    pub(crate) took: Duration,
    pub(crate) version: Version,
    pub(crate) status: u16,
    /// The length of the body, if the head says it.
    pub(crate) bytes: Option<u64>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) place: Place,
    pub(crate) method: &'b str,
    /// Without the query, which may have secrets.
    pub(crate) path: &'b str,
    pub(crate) id: Option<&'b str>,
    pub(crate) trace_id: Option<&'b str>,
}

/// What the writer takes at once.
pub(crate) struct Batch {
    pub(crate) lines: Vec<u8>,
    entries: Vec<Entry>,
    /// Method, path, id and trace id of all entries.
    text: String,
    /// How many requests and lines did not fit.
    pub(crate) lost: u64,
}

impl Batch {
    pub(crate) const fn new() -> Batch {
        Batch { lines: Vec::new(), entries: Vec::new(), text: String::new(), lost: 0 }
    }

    /// Empties the batch and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.entries.clear();
        self.text.clear();
        self.lost = 0;
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = Answered<'_>> {
        let (mut rest, now) = (&*self.text, SystemTime::now());
        self.entries.iter().map(move |entry| {
            let [method, path, id, trace_id] = entry.lengths.map(|length| {
                let (text, after) = rest.split_at(length);
                rest = after;
                text
            });
            let Entry { since, until, version, status, bytes, client, place, .. } = *entry;
            // The request has read only one of the two clocks.
            let (at, took) = (now - until.elapsed(), until.duration_since(since));
            let [id, trace_id] = [id, trace_id].map(|text| (!text.is_empty()).then_some(text));
            Answered { at, took, version, status, bytes, client, place, method, path, id, trace_id }
        })
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.entries.is_empty() && self.lost == 0
    }
}

pub(crate) struct LogBuffer {
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    batch: Batch,
    /// Whether there is a writer.
    is_open: bool,
}

impl LogBuffer {
    const fn new(is_open: bool) -> LogBuffer {
        LogBuffer { state: Mutex::new(State { batch: Batch::new(), is_open }), arrived: Condvar::new() }
    }

    /// Lets a writer empty the buffer. Returns false if there is one.
    pub(crate) fn open(&self) -> bool {
        !mem::replace(&mut self.lock().is_open, true)
    }

    /// Lets the writer end after it has written what waits.
    pub(crate) fn close(&self) {
        self.lock().is_open = false;
        self.arrived.notify_all();
    }

    /// Adds a line. Returns false if there is no writer.
    pub(crate) fn push_line(&self, line: &[u8]) -> bool {
        let mut state = self.lock();
        if !state.is_open {
            return false;
        }
        match state.batch.lines.len() + line.len() <= BYTES_MAX {
            true => state.batch.lines.extend_from_slice(line),
            false => state.batch.lost += 1,
        }
        drop(state);
        self.arrived.notify_one();
        true
    }

    fn push_request(&self, asked: Asked, status: u16, id: &str, bytes: Option<u64>) {
        let Asked { since, method, uri, version, client, trace, place } = asked;
        let (path, method) = (uri.path(), method.as_str());
        let path = &path[..path.floor_char_boundary(PATH_BYTES_MAX)];
        let trace_id = trace.as_ref().map_or("", TraceContext::trace_id);
        let (texts, until) = ([method, path, id, trace_id], Instant::now());
        let mut state = self.lock();
        let batch = &mut state.batch;
        let was_empty = batch.entries.is_empty();
        if batch.entries.len() == REQUESTS_MAX || batch.text.len() + path.len() > BYTES_MAX {
            batch.lost += 1;
            return;
        }
        texts.iter().for_each(|text| batch.text.push_str(text));
        let lengths = texts.map(str::len);
        batch.entries.push(Entry { since, until, version, status, bytes, client, place, lengths });
        drop(state);
        // The writer, which gathers requests, is awake when the next ones come.
        if was_empty {
            self.arrived.notify_one();
        }
    }

    /// Waits for lines and requests, and exchanges them for an empty batch. Returns false at the end.
    pub(crate) fn take(&self, batch: &mut Batch) -> bool {
        let idle = |state: &mut State| state.batch.is_empty() && state.is_open;
        let state = self.arrived.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let gathers = |state: &mut State| state.batch.lines.is_empty() && state.is_open;
        let gathered = self.arrived.wait_timeout_while(state, GATHERING, gathers);
        let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        mem::swap(batch, &mut state.batch);
        !batch.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn asked(path: &str) -> Asked {
        Asked::of(&http::Request::builder().uri(path).body(()).expect("a request"))
    }

    #[test]
    fn a_batch_returns_what_was_pushed_without_the_query() {
        let buffer = LogBuffer::new(true);
        let mut one = asked("/users/1?token=secret");
        one.place.during(|| {
            Place::note_route(RouteType::Pool, Some("images"));
            Place::note_worker(2);
        });
        buffer.push_request(one, 200, "7b1f-2", Some(5));
        buffer.push_request(asked(&format!("/{}", "ü".repeat(2000).replace('ü', "%C3"))), 404, "", None);
        let mut batch = Batch::new();
        assert!(buffer.take(&mut batch));
        let all: Vec<_> = batch.requests().collect();
        assert_eq!((all[0].method, all[0].path, all[0].id, all[0].bytes), ("GET", "/users/1", Some("7b1f-2"), Some(5)));
        assert_eq!(all[0].place, Place { kind: Some(RouteType::Pool), pool: Some("images"), worker: Some(2) });
        assert_eq!((all[1].path.len(), all[1].status, all[1].id), (PATH_BYTES_MAX, 404, None));
    }

    #[test]
    fn a_full_buffer_counts_what_is_lost_and_nobody_waits() {
        let buffer = LogBuffer::new(true);
        (0..REQUESTS_MAX + 3).for_each(|_| buffer.push_request(asked("/"), 200, "", None));
        let line = vec![b'x'; BYTES_MAX];
        assert!(buffer.push_line(&line) && buffer.push_line(&line));
        let mut batch = Batch::new();
        assert!(buffer.take(&mut batch));
        assert_eq!((batch.requests().count(), batch.lines.len(), batch.lost), (REQUESTS_MAX, BYTES_MAX, 4));
    }

    #[test]
    fn the_writer_ends_when_the_buffer_is_closed_and_everything_is_written() {
        let buffer = LogBuffer::new(true);
        let taken = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let (mut batch, mut taken) = (Batch::new(), 0);
                while buffer.take(&mut batch) {
                    taken += batch.requests().count();
                    batch.clear();
                }
                taken
            });
            (0..5).for_each(|_| buffer.push_request(asked("/"), 200, "", None));
            buffer.close();
            writer.join().expect("it does not panic")
        });
        assert_eq!(taken, 5);
        assert!(!buffer.push_line(b"late\n"), "written by the caller");
    }
}
