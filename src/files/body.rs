//! `FileBody`: a body that reads a file in pieces while it is sent.
//!
//! On a runtime, a blocking thread reads each piece. A worker process has no runtime, so there the polling
//! thread reads. Invariant: the body ends after exactly the announced number of bytes, or with an error.
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    runtime::Handle,
    task::{JoinHandle, spawn_blocking},
};

/// Length of one read, in bytes. Long enough that switching threads costs little in comparison, short enough
/// for a thousand responses at once.
const CHUNK: u64 = 64 * 1024;

/// A file, or a part of it, as the body of a response.
pub(super) struct FileBody {
    reader: Reader,
    /// What is still to be read.
    unread: Range<u64>,
    /// How many bytes are still to be sent.
    remaining: u64,
}

enum Reader {
    Idle(File),
    Reading(JoinHandle<(File, io::Result<Bytes>)>),
    Failed,
}

impl FileBody {
    /// Returns a body of these bytes of the file.
    pub(super) fn new(file: File, range: Range<u64>) -> FileBody {
        FileBody { reader: Reader::Idle(file), remaining: range.end - range.start, unread: range }
    }

    fn send(&mut self, file: File, chunk: io::Result<Bytes>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Ok(bytes) = &chunk {
            self.remaining -= bytes.len() as u64;
            self.reader = Reader::Idle(file);
        }
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    /// Takes the next chunk's range from what is unread. Returns `None` at the end.
    fn next(&mut self) -> Option<Range<u64>> {
        let start = self.unread.start;
        self.unread.start = self.unread.end.min(start + CHUNK);
        (start < self.unread.start).then_some(start..self.unread.start)
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        // On every early return below, the reader remains failed.
        let mut file = match std::mem::replace(&mut self.reader, Reader::Failed) {
            Reader::Failed => return Poll::Ready(None),
            Reader::Idle(file) => file,
            Reader::Reading(mut reading) => {
                let Poll::Ready(done) = Pin::new(&mut reading).poll(cx) else {
                    self.reader = Reader::Reading(reading);
                    return Poll::Pending;
                };
                let (file, chunk) = done.map_err(io::Error::other)?;
                return self.send(file, chunk);
            }
        };
        let Some(range) = self.next() else { return Poll::Ready(None) };
        if Handle::try_current().is_err() {
            let chunk = read(&mut file, range);
            return self.send(file, chunk);
        }
        self.reader = Reader::Reading(spawn_blocking(move || {
            let chunk = read(&mut file, range);
            (file, chunk)
        }));
        self.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// Reads exactly this range. If the file has become shorter, this is an error.
pub(super) fn read(file: &mut File, range: Range<u64>) -> io::Result<Bytes> {
    let length = range.end - range.start;
    let mut chunk = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    file.seek(SeekFrom::Start(range.start))?;
    file.take(length).read_to_end(&mut chunk)?;
    match chunk.len() as u64 == length {
        true => Ok(chunk.into()),
        false => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was being sent")),
    }
}
