//! The socket between the main process and the standard input of a worker, and the pipe by which the kernel
//! ends a forked worker.
//!
//! Owns both ends in the main process, which keeps the worker's end to take a message back that was not read,
//! and reading at the worker's end. Each message arrives as a whole, with its descriptors.

use std::{
    ffi::c_int,
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, Shutdown, SocketFlags, SocketType, recv, shutdown, socketpair},
};

use super::passing;
use crate::{config::SHARED_MAX, platform};

/// Chooses the signal of a descriptor. From the kernel's `fcntl.h`, the same on all processors.
const F_SETSIG: c_int = 10;
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
        passing::send(&self.sender, message, descriptors, &mut [MaybeUninit::uninit(); CONTROL_BYTES]).map(drop)
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

/// Has the kernel kill this process group when the other end of a pipe is closed. The pipe stays empty.
///
/// No thread has to wait for that, and no handler can block the signal or be too busy for it.
pub(crate) fn end_with(pipe: &OwnedFd) -> io::Result<()> {
    let group = rustix::process::getpgrp().as_raw_nonzero().get();
    let command = |command, value: c_int| {
        // SAFETY: the descriptor is open, and these commands take a number.
        match unsafe { libc::fcntl(pipe.as_raw_fd(), command, value) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    command(libc::F_SETOWN, -group)?;
    command(F_SETSIG, libc::SIGKILL)?;
    command(libc::F_SETFL, libc::O_NONBLOCK | libc::O_ASYNC)?;
    // It may be closed already: then no signal comes.
    match rustix::io::read(pipe, &mut [0]) {
        Err(Errno::AGAIN) => Ok(()),
        _ => platform::exit_now(),
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
        match passing::receive(&socket, target, descriptors, &mut [MaybeUninit::uninit(); CONTROL_BYTES], flags) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if !waits => return Ok(None),
            received => return Ok(Some(received?)),
        }
    }
}
