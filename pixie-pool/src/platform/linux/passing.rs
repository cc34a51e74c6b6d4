//! Descriptors on their way from one process to another.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    },
};

/// Limits the descriptors of one message: a fork server gets five for each worker.
const PASSED_BYTES: usize = rustix::cmsg_space!(ScmRights(5));

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
