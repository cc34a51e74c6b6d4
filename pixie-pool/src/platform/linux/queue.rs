//! The socket that all workers of a pool read: each message goes to exactly one of them.
//!
//! Owns both ends in the parent, the worker's end, and the way of descriptors from one process to another.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    time::Duration,
};

use rustix::{
    buffer::spare_capacity,
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
        sockopt::{Timeout, set_socket_send_buffer_size, set_socket_timeout},
    },
};
/// Limits the descriptors of one message: a fork server gets five for each worker.
const PASSED_BYTES: usize = rustix::cmsg_space!(ScmRights(5));
/// Asked for the buffer of the socket, in bytes; the system grants at most its limit, usually 208 KiB.
const BUFFER_BYTES: usize = 1024 * 1024;

/// The parent's ends of the socket. It keeps the workers' end to take jobs back.
#[derive(Debug)]
pub(crate) struct SharedSocket {
    sender: OwnedFd,
    receiver: OwnedFd,
}

impl SharedSocket {
    /// Creates the socket; a worker waits for a message for so long at most.
    pub(crate) fn new(wait: Duration) -> io::Result<Arc<Self>> {
        let (sender, receiver) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // Valid for all workers, because they have the same socket.
        set_socket_timeout(&receiver, Timeout::Recv, Some(wait))?;
        // A smaller buffer works as well.
        let _ = set_socket_send_buffer_size(&sender, BUFFER_BYTES);
        Ok(Arc::new(SharedSocket { sender, receiver }))
    }

    pub(crate) fn workers_end(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    /// Sends a message without waiting; false if there is no room for it.
    pub(crate) fn try_send(&self, message: &[u8]) -> bool {
        loop {
            match rustix::net::send(&self.sender, message, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                sent => return sent.is_ok(),
            }
        }
    }

    /// Ends the wait of all workers: they see that the parent has closed the socket.
    pub(crate) fn close(&self) {
        // An error means that it is closed.
        let _ = rustix::net::shutdown(&self.sender, rustix::net::Shutdown::Both);
    }

    /// Takes back a message that no worker has read.
    pub(crate) fn take_back(&self, target: &mut [u8]) -> Option<usize> {
        loop {
            match rustix::net::recv(&self.receiver, &mut *target, RecvFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                received => return received.ok().map(|(count, _)| count),
            }
        }
    }
}

/// A worker's end of the shared socket.
#[derive(Debug)]
pub(crate) struct QueueReader(OwnedFd);

impl QueueReader {
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Arc<Self>> {
        Ok(Arc::new(QueueReader(socket)))
    }

    /// Waits for a message, for as long as the parent allows: 0 bytes if the parent has exited, `None` if
    /// none came. The vector has room for it.
    pub(crate) fn read(&self, target: &mut Vec<u8>) -> io::Result<Option<usize>> {
        match rustix::net::recv(&self.0, spare_capacity(target), RecvFlags::empty()) {
            Ok((count, _)) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Writes as many bytes as the socket accepts, with at most five descriptors, which arrive with the first of
/// them.
pub(crate) fn send_with_descriptors(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    send(socket, bytes, descriptors, &mut [MaybeUninit::uninit(); PASSED_BYTES])
}

/// Reads bytes and the descriptors that come with them.
pub(crate) fn receive_with_descriptors(
    stream: &UnixStream,
    target: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    Ok(receive(stream, target, descriptors, &mut [MaybeUninit::uninit(); PASSED_BYTES], RecvFlags::empty())?)
}

/// Sends without waiting. The space limits the number of descriptors.
pub(super) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    space: &mut [MaybeUninit<u8>],
) -> io::Result<usize> {
    let mut control = SendAncillaryBuffer::new(space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, flags))?)
}

/// Receives bytes and descriptors. The space limits the number of descriptors.
pub(super) fn receive(
    socket: impl AsFd,
    target: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
    space: &mut [MaybeUninit<u8>],
    flags: RecvFlags,
) -> Result<usize, Errno> {
    let mut control = RecvAncillaryBuffer::new(space);
    let flags = RecvFlags::CMSG_CLOEXEC | flags;
    let received = recvmsg(socket, &mut [IoSliceMut::new(target)], &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    Ok(received.bytes)
}
