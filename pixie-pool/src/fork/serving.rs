//! The loop of a fork server: it waits for requests and forks a worker for each of them.
//!
//! Owns what a copy must do before it is a worker: leave its fork server's socket and become a process of its
//! own. Invariants: the process has one thread at each fork. A copy holds no descriptor of its fork server's
//! socket and none of another worker.

use std::{
    io::{self, ErrorKind, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    thread,
    time::Instant,
};

use crate::{
    config::STEP_MAX,
    fork::{Answer, REQUEST_BYTES},
    identity, platform,
    protocol::frame::TOKEN_BYTES,
    share::lifeline,
};

/// What a forked worker has from its fork server.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) token: [u8; TOKEN_BYTES],
    /// Its socket to the pool.
    pub(crate) socket: OwnedFd,
}

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

/// Serves requests until the main process closes the socket. Returns only in each worker that was forked.
///
/// `practice` starts and ends threads as each worker starts one: what the C library finds and keeps for that
/// is then in all copies, which takes a fifth of their start.
pub(crate) fn serve(control: UnixStream, practice: fn() -> io::Result<()>) -> io::Result<Forked> {
    platform::flush_output();
    let forkable = platform::check_forkable().and_then(|()| practice()).and_then(|()| wait_until_forkable());
    answer(&control, &forkable.map_or_else(|why| judged(&why), |()| Answer::Ready))?;
    let pool = identity::identity().pool.unwrap_or_default();
    loop {
        // New versions of shared data arrive before the requests for workers that are to have them.
        lifeline::wait(Some(control.as_fd()));
        let Some(request) = read(&control)? else {
            // Its group may have a new worker that has not left it yet.
            platform::exit_alone()
        };
        // Made here, because a copy has to fetch each page of memory that it uses first.
        let name = format!("{pool}-{}", request.number);
        match platform::fork_beside() {
            Ok(Some(pid)) => {
                drop(request);
                answer(&control, &Answer::Forked(pid))?;
            }
            Ok(None) => {
                drop(control);
                return become_worker(request, &name);
            }
            Err(error) => answer(&control, &judged(&error))?,
        }
    }
}

/// Waits for threads that have ended: the system lists them for a moment longer.
fn wait_until_forkable() -> io::Result<()> {
    let begun = Instant::now();
    while platform::check_forkable().is_err() && begun.elapsed() < STEP_MAX {
        thread::yield_now();
    }
    platform::check_forkable()
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

/// Makes this copy a worker of its own.
fn become_worker(request: Request, name: &str) -> io::Result<Forked> {
    identity::become_forked(request.number as usize);
    let [own_lifeline, stdout, stderr, socket] = <[OwnedFd; 4]>::try_from(request.descriptors)
        .map_err(|all| io::Error::other(format!("{} descriptors came with the request", all.len())))?;
    platform::set_process_name(name);
    platform::become_forked(&stdout, &stderr)?;
    let token = lifeline::take(platform::out_of_the_way(own_lifeline)?)?;
    Ok(Forked { token, socket: platform::out_of_the_way(socket)? })
}
