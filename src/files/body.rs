//! `FileBody`: a body that reads a file in pieces while it is sent.
//!
//! On a runtime, a blocking thread reads each piece. A worker process has no runtime, so there the polling
//! thread reads. Invariant: the body ends after exactly the announced number of bytes, or with an error.
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pixie_core::RangePiece;
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
    pieces: VecDeque<RangePiece>,
    remaining: u64,
}

enum Reader {
    Idle(File),
    Reading(JoinHandle<(File, io::Result<Bytes>)>),
    Failed,
}

impl FileBody {
    /// Returns a body of these pieces, `length` bytes in total.
    pub(super) fn new(file: File, pieces: impl IntoIterator<Item = RangePiece>, length: u64) -> FileBody {
        FileBody { reader: Reader::Idle(file), pieces: pieces.into_iter().collect(), remaining: length }
    }

    fn send(&mut self, file: File, chunk: io::Result<Bytes>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Ok(bytes) = &chunk {
            self.remaining -= bytes.len() as u64;
            self.reader = Reader::Idle(file);
        }
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    /// Takes the next chunk's range off the pieces, or the framing that comes before it.
    fn next(&mut self) -> Option<RangePiece> {
        match self.pieces.front_mut()? {
            RangePiece::Content(range) if range.end - range.start > CHUNK => {
                let chunk = range.start..range.start + CHUNK;
                range.start += CHUNK;
                Some(RangePiece::Content(chunk))
            }
            _ => self.pieces.pop_front(),
        }
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
        let range = match self.next() {
            None => return Poll::Ready(None),
            Some(RangePiece::Frame(frame)) => return self.send(file, Ok(frame)),
            Some(RangePiece::Content(range)) => range,
        };
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
