//! The pages that are open in browsers, and what they are told: server-sent events.
//!
//! A page that comes later learns the last state of the build. Bounded: a page that does not read is dropped (it comes
//! back by itself), and so is the oldest of too many.
use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use pixie_core::BoxError;
use tokio::sync::mpsc;

/// Open pages at once; a browser opens a stream for visible ones only.
const PAGES_MAX: usize = 64;
/// Events that a page may be behind.
const EVENTS_MAX: usize = 32;
/// Events that describe the state of the build; the last one is told to pages that come later.
const STATES: [&str; 3] = ["building", "failed", "ok"];

/// The next program is there: a page comes back at once, instead of after the browser's own pause.
const RESTART: &[u8] = b"event: restart\ndata: {}\n\n";

/// Everybody who listens.
#[derive(Default)]
pub(super) struct Events(Mutex<Listeners>);

#[derive(Default)]
struct Listeners {
    pages: Vec<mpsc::Sender<Bytes>>,
    state: Option<Bytes>,
    is_over: bool,
}

impl Events {
    /// Adds a page, which is greeted with the number of the build that it talks to.
    pub(super) fn join(&self, build: &str) -> Stream {
        let (page, stream) = mpsc::channel(EVENTS_MAX);
        let mut listeners = self.lock();
        // There is room for these, so none can fail.
        let _ = page.try_send(Bytes::from(format!("retry: 10\nevent: hello\ndata: \"{build}\"\n\n")));
        if let Some(state) = &listeners.state {
            let _ = page.try_send(state.clone());
        }
        if listeners.is_over {
            let _ = page.try_send(Bytes::from_static(RESTART));
            return Stream(stream);
        }
        if listeners.pages.len() == PAGES_MAX {
            listeners.pages.remove(0);
        }
        listeners.pages.push(page);
        Stream(stream)
    }

    /// Tells every page; `data` is one line of JSON.
    pub(super) fn send(&self, name: &str, data: &str) {
        let event = Bytes::from(format!("event: {name}\ndata: {data}\n\n"));
        let mut listeners = self.lock();
        listeners.pages.retain(|page| page.try_send(event.clone()).is_ok());
        if STATES.contains(&name) {
            listeners.state = Some(event);
        }
    }

    /// Ends every stream, with the word that the next program is there.
    pub(super) fn end(&self) {
        let mut listeners = self.lock();
        // A page that is behind learns it by the end of its stream.
        listeners.pages.iter().for_each(|page| drop(page.try_send(Bytes::from_static(RESTART))));
        listeners.is_over = true;
        listeners.pages.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of one page's stream.
pub(super) struct Stream(mpsc::Receiver<Bytes>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
