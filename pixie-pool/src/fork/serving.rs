//! The loop of a fork server: it waits for requests and forks a worker for each of them.
//!
//! Owns what a copy must do before it is a worker: leave its fork server's socket and become a process of its
//! own. Invariants: at each fork the main thread waits, and there is no other thread than that of this loop. A
//! copy holds no descriptor of its fork server's socket and none of another worker.

use std::{
    io::{self, ErrorKind, Write as _},
    mem,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use crate::{
    fork::{Answer, REQUEST_BYTES},
    identity, platform,
    share::lifeline,
};

/// A request, as a fork server has received it.
struct Request {
    number: u32,
    descriptors: Vec<OwnedFd>,
}

/// Takes the lifeline of this process, which comes with the first message.
pub(crate) fn enter(control: OwnedFd) -> io::Result<UnixStream> {
    let control = UnixStream::from(control);
    if platform::SHARES_WITH_WORKERS {
        let first = read(&control)?.and_then(|request| request.descriptors.into_iter().next());
        lifeline::take(platform::out_of_the_way(first.ok_or(ErrorKind::UnexpectedEof)?)?)?;
    }
    Ok(control)
}

/// Serves requests until the main process closes the socket, on a thread for which the main thread waits, if
/// this process can be forked. Returns the socket to the pool in each worker that was forked.
///
/// A copy has only this thread, which is like a new one for its handler: with empty thread-local
/// variables, such as the state of a generator of random numbers.
pub(crate) fn serve(control: UnixStream, forkable: io::Result<()>) -> io::Result<OwnedFd> {
    platform::flush_output();
    platform::wait_for_main_thread();
    answer(&control, &forkable.map_or_else(|why| judged(&why), |()| Answer::Ready))?;
    let pool = identity::identity().pool.unwrap_or_default();
    loop {
        lifeline::wait_beside(&control);
        let Some(request) = read(&control)? else {
            // Its group may have a new worker that has not left it yet.
            platform::exit_alone()
        };
        // New versions of shared data arrive before the requests for workers that are to have them.
        lifeline::receive_arrived();
        // Made here, because a copy has to fetch each page of memory that it uses first.
        let name = format!("{pool}-{}", request.number);
        match platform::fork_beside() {
            Ok(Some(pid)) => {
                answer(&control, &Answer::Forked(pid))?;
                drop(request);
            }
            Ok(None) => {
                drop(control);
                return become_worker(request, &name);
            }
            Err(error) => answer(&control, &judged(&error))?,
        }
    }
}

/// Tells an error that stays from one that may pass.
fn judged(error: &io::Error) -> Answer {
    let is_lasting = matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EINVAL));
    match error.kind() {
        ErrorKind::Unsupported => Answer::Refused(error.to_string()),
        _ if is_lasting => Answer::Refused(format!("this system does not let it fork: {error}")),
        _ => Answer::Failed(format!("forking failed: {error}")),
    }
}

fn answer(mut control: &UnixStream, answer: &Answer) -> io::Result<()> {
    control.write_all(&answer.encode())
}

/// Waits for the next request; `None` once the main process has closed the socket.
fn read(control: &UnixStream) -> io::Result<Option<Request>> {
    let (mut number, mut read, mut descriptors) = ([0; REQUEST_BYTES], 0, Vec::new());
    while read < REQUEST_BYTES {
        match platform::receive_with_descriptors(control, &mut number[read..], &mut descriptors) {
            Ok(0) => return Ok(None),
            Ok(count) => read += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Request { number: u32::from_le_bytes(number), descriptors }))
}

/// Makes this copy a worker of its own; returns its socket to the pool.
fn become_worker(request: Request, name: &str) -> io::Result<OwnedFd> {
    identity::become_forked(request.number as usize);
    let [end, own_lifeline, stdout, stderr, socket] = <[OwnedFd; 5]>::try_from(request.descriptors)
        .map_err(|all| io::Error::other(format!("{} descriptors came with the request", all.len())))?;
    platform::set_process_name(name);
    platform::become_forked(&stdout, &stderr)?;
    let end = platform::out_of_the_way(end)?;
    platform::end_with(&end)?;
    mem::forget(end);
    lifeline::adopt(platform::out_of_the_way(own_lifeline)?);
    platform::out_of_the_way(socket)
}
