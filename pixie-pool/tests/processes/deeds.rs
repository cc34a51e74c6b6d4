//! Harmful actions that a handler may try. Each replies `done` or the error.
//!
//! One test shows that all of them succeed without a sandbox, so an error comes from the sandbox.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::{
        fs::{OpenOptionsExt as _, PermissionsExt as _},
        net::{UnixDatagram, UnixStream},
        process::CommandExt as _,
    },
    process::{Command, Stdio},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getgid, getrlimit, kill_process, setrlimit, test_kill_process};

/// Tries an action; `None` if the command is another one.
pub(crate) fn attempt(deed: &str, argument: &str) -> Option<String> {
    let tried = match deed {
        "read" => fs::read(argument).map(drop),
        "write" => fs::write(argument, "written by a worker"),
        "list" => fs::read_dir(argument).map(drop),
        "delete" => fs::remove_file(argument),
        "rename" => fs::rename(argument, format!("{argument}.new")),
        "directory" => fs::create_dir(argument),
        "link" => std::os::unix::fs::symlink("/etc/passwd", argument),
        "mode" => fs::set_permissions(argument, fs::Permissions::from_mode(0o600)),
        "append" => File::options().append(true).open(argument).and_then(|mut file| file.write_all(b"more")),
        "move" => move_file(argument),
        "program" => File::options()
            .write(true)
            .create_new(true)
            .mode(0o4755)
            .open(argument)
            .and_then(|mut file| file.write_all(b"#!")),
        "open-to-write" => File::options().write(true).open(argument).map(drop),
        "connect" => TcpStream::connect(argument).map(drop),
        "listen" => TcpListener::bind("127.0.0.1:0").map(drop),
        "datagram" => UdpSocket::bind("127.0.0.1:0").map(drop),
        "connect-local" => UnixStream::connect(argument).map(drop),
        "pair" => pair(),
        "datagram-pair" => UnixDatagram::pair().map(drop),
        "execute" => Command::new("/bin/true").status().map(drop),
        // std forks, instead of calling the C library's spawn, to change the group.
        "fork" => Command::new("/bin/true").gid(getgid().as_raw()).status().map(drop),
        "become" => Err(Command::new("/bin/true").exec()),
        "processes" => processes(argument.parse().unwrap_or(0)),
        "signal" => pid(argument).and_then(|pid| Ok(test_kill_process(pid)?)),
        "signal-itself" => Ok(()).and_then(|()| Ok(kill_process(rustix::process::getpid(), Signal::TERM)?)),
        "memory-of" => File::open(format!("/proc/{argument}/mem")).map(drop),
        "environment-of" => fs::read(format!("/proc/{argument}/environ")).map(drop),
        "memory-file" => {
            rustix::fs::memfd_create("file", rustix::fs::MemfdFlags::CLOEXEC).map(drop).map_err(io::Error::from)
        }
        "file-of" => write_bytes(argument),
        "descriptors" => open_many(argument.parse().unwrap_or(0)),
        "raise-limit" => raise_limit(),
        "live" => live(),
        _ => return None,
    };
    Some(match tried {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    })
}

fn pid(text: &str) -> io::Result<Pid> {
    text.parse().ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no pid"))
}

fn pair() -> io::Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    one.write_all(b"x")?;
    other.read_exact(&mut [0])
}

/// Starts so many processes, which run until this worker's process group is killed.
fn processes(count: usize) -> io::Result<()> {
    for _ in 0..count {
        Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn()?;
    }
    Ok(())
}

/// `path bytes`: writes so many bytes into a file, in pieces.
fn write_bytes(argument: &str) -> io::Result<()> {
    let (path, bytes) = argument.split_once(' ').ok_or_else(|| io::Error::other("path and bytes"))?;
    let mut file = File::create(path)?;
    let piece = [b'h'; 4096];
    for _ in 0..bytes.parse::<usize>().unwrap_or(0) / piece.len() {
        file.write_all(&piece)?;
    }
    Ok(())
}

/// `from to`: moves a file.
fn move_file(argument: &str) -> io::Result<()> {
    let (from, to) = argument.split_once(' ').ok_or_else(|| io::Error::other("from and to"))?;
    fs::rename(from, to)
}

fn open_many(count: usize) -> io::Result<()> {
    (0..count).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<_>>>().map(drop)
}

/// Sets the limit that is already in force.
fn raise_limit() -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current, maximum })?)
}

/// What every handler must be able to use: threads, random numbers, time, its own output and backtraces.
fn live() -> io::Result<()> {
    let threads: Vec<_> = (0..4).map(|n| std::thread::spawn(move || HashMap::from([(n, n)]).len())).collect();
    let sum: usize = threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum();
    let caught = std::panic::catch_unwind(|| panic!("this is caught"));
    let trace = std::backtrace::Backtrace::force_capture().to_string();
    std::time::SystemTime::now().elapsed().map_err(io::Error::other)?;
    fs::read("/usr/share/zoneinfo/UTC")?;
    File::open("/dev/urandom")?.read_exact(&mut [0; 8])?;
    fs::write("/dev/null", "nothing")?;
    // The file if there are line tables, in which the name of the function is incomplete.
    let names_this = trace.contains("deeds.rs") || trace.contains("deeds::live");
    match (sum, caught.is_err(), names_this) {
        (4, true, true) => Ok(()),
        other => Err(io::Error::other(format!("{other:?} {trace}"))),
    }
}
