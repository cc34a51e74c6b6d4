//! The socket between the main process and the standard input of a worker.
//!
//! Owns both ends in the main process, which keeps the worker's end to take a message back that was not read,
//! and reading at the worker's end. Each message arrives as a whole, with its descriptors.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, Shutdown, SocketFlags, SocketType, recv, shutdown, socketpair},
};

use super::queue;
use crate::config::SHARED_MAX;

const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmRights(SHARED_MAX));

/// Both ends of a lifeline. The worker exits when this value is dropped.
#[derive(Debug)]
pub(crate) struct LifelineEnds {
    sender: OwnedFd,
    receiver: OwnedFd,
}

impl LifelineEnds {
    pub(crate) fn new() -> io::Result<Self> {
        let (sender, receiver) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok(LifelineEnds { sender, receiver })
    }

    pub(crate) fn workers_end(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    /// Sends a message without waiting.
    pub(crate) fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        queue::send(&self.sender, message, descriptors, &mut [MaybeUninit::uninit(); CONTROL_BYTES]).map(drop)
    }

    /// Takes back the first message that the worker has not read; returns its length, or 0 if there is none.
    pub(crate) fn take_back(&self, target: &mut [u8]) -> usize {
        // Its descriptors are dropped.
        recv(&self.receiver, target, RecvFlags::DONTWAIT).map_or(0, |(count, _)| count)
    }

    /// Tells the worker to exit.
    pub(crate) fn close(&self) {
        // An error means that it is closed.
        let _ = shutdown(&self.sender, Shutdown::Both);
    }
}

/// Reads a message and its descriptors; 0 bytes at the end, `None` if there is no message and `waits` is
/// false.
pub(crate) fn receive_message(
    socket: impl AsFd,
    target: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
    waits: bool,
) -> io::Result<Option<usize>> {
    let flags = if waits { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
    loop {
        match queue::receive(&socket, target, descriptors, &mut [MaybeUninit::uninit(); CONTROL_BYTES], flags) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if !waits => return Ok(None),
            received => return Ok(Some(received?)),
        }
    }
}
