//! Sends events to the pages that are open in browsers (server-sent events).
//!
//! A new page first gets the last state of the build. The queues have limits: a page that does not read is
//! dropped and reconnects by itself. If too many pages are open, the oldest one is dropped.
use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use pixie_core::BoxError;
use tokio::sync::mpsc;

/// Limits the open pages. A browser opens a stream only for visible pages.
const PAGES_MAX: usize = 64;
/// Limits the events that wait for a slow page.
const EVENTS_MAX: usize = 32;
/// Events that describe the state of the build. New pages get the last one.
const STATES: [&str; 3] = ["building", "failed", "ok"];

/// Tells a page to reconnect to the next program at once, instead of after the browser's own delay.
const RESTART: &[u8] = b"event: restart\ndata: {}\n\n";

/// All connected pages.
#[derive(Default)]
pub(super) struct Events(Mutex<Listeners>);

#[derive(Default)]
struct Listeners {
    pages: Vec<mpsc::Sender<Bytes>>,
    state: Option<Bytes>,
    is_over: bool,
}

impl Events {
    /// Adds a page and sends it the number of this build.
    pub(super) fn join(&self, build: &str) -> Stream {
        let (page, stream) = mpsc::channel(EVENTS_MAX);
        let mut listeners = self.lock();
        // The new channel has room for these events.
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

    /// Sends an event to every page. `data` is one line of JSON.
    pub(super) fn send(&self, name: &str, data: &str) {
        let event = Bytes::from(format!("event: {name}\ndata: {data}\n\n"));
        let mut listeners = self.lock();
        listeners.pages.retain(|page| page.try_send(event.clone()).is_ok());
        if STATES.contains(&name) {
            listeners.state = Some(event);
        }
    }

    /// Ends every stream, and tells the pages to reconnect.
    pub(super) fn end(&self) {
        let mut listeners = self.lock();
        // A page whose queue is full reconnects when its stream ends.
        listeners.pages.iter().for_each(|page| drop(page.try_send(Bytes::from_static(RESTART))));
        listeners.is_over = true;
        listeners.pages.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a page's stream.
pub(super) struct Stream(mpsc::Receiver<Bytes>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
