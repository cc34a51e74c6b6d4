//! Unix sockets on a system without them: opening one is an error, and no other function can be called.

use std::{
    io,
    path::Path,
    task::{Context, Poll},
};

use socket2::Socket;

use crate::{Address, Error, stream::Stream};

#[derive(Debug)]
pub(crate) enum UnixSocket {}

impl UnixSocket {
    pub(crate) fn open(path: &Path, _: Option<u32>, _: Option<&str>, _: i32) -> Result<UnixSocket, Error> {
        let path = path.display();
        Err(Error::Refused(format!("cannot listen on {path}: this system has no Unix sockets; listen on a port")))
    }

    pub(crate) fn address(&self) -> Address {
        match *self {}
    }

    pub(crate) fn try_clone(&self) -> io::Result<UnixSocket> {
        match *self {}
    }

    pub(crate) fn accept_now(&self) -> io::Result<(Stream, Address)> {
        match *self {}
    }
}

pub(crate) enum UnixAcceptor {}

impl UnixAcceptor {
    pub(crate) fn new(socket: UnixSocket) -> io::Result<UnixAcceptor> {
        match socket {}
    }

    pub(crate) fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        match *self {}
    }

    pub(crate) fn reserve(&self) -> io::Result<Socket> {
        match *self {}
    }

    pub(crate) fn into_std(self) -> io::Result<UnixSocket> {
        match self {}
    }
}
