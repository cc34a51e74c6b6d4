//! Network namespaces as hosts: each has an address, processes of its own, and a cable to one switch.
//!
//! Linux and root only. `benches/cluster` uses this file, too. Invariant: all names begin with the name of
//! the network, and a namespace has no route to another network. Dropping the network kills all of its
//! processes and removes it; a new network first removes what an earlier one of that name has left.
#![allow(dead_code, unreachable_pub, reason = "each user of this file uses a part of it")]
use std::{
    ffi::OsStr,
    fs::File,
    io,
    net::Ipv4Addr,
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Command, Stdio},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Limits how often the processes of a host are listed and killed. More than one round is needed only if a
/// process starts another one in between.
const KILL_ROUNDS: usize = 20;

/// Some hosts and the switch that connects them.
#[derive(Debug)]
pub struct Network {
    name: String,
}

/// One host.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: String,
    /// Its address in the network.
    pub address: Ipv4Addr,
}

impl Network {
    /// Returns why this machine cannot have such a network, or `None` if it can.
    pub fn obstacle() -> Option<&'static str> {
        if !rustix::process::geteuid().is_root() {
            return Some("network namespaces need root");
        }
        let probe = format!("pixie-probe-{}", std::process::id());
        if ip(&["netns", "add", &probe]).is_err() {
            return Some("`ip netns add` does not work here; install Debian's `iproute2`");
        }
        let cable = run(ip_command(&["-n", &probe, "link", "add", "name", "a", "type", "veth", "peer", "name", "b"]));
        let _ = ip(&["netns", "del", &probe]);
        cable.is_err().then_some("this system has no virtual cables (veth)")
    }

    /// Makes a network without hosts.
    pub fn new(name: &str) -> io::Result<Network> {
        remove(name);
        let network = Network { name: name.to_owned() };
        let switch = network.switch();
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "name", "bridge", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "dev", "bridge", "up"])?;
        Ok(network)
    }

    /// Adds a host with the address 10.90.0.`number`. The name has at most 15 bytes.
    pub fn host(&self, name: &str, number: u8) -> io::Result<Host> {
        let (switch, namespace) = (self.switch(), format!("{}-{name}", self.name));
        let address = Ipv4Addr::new(10, 90, 0, number);
        ip(&["netns", "add", &namespace])?;
        let peer = ["peer", "name", "eth0", "netns", &namespace];
        ip(&[&["-n", &switch, "link", "add", "name", name, "type", "veth"], &peer[..]].concat())?;
        ip(&["-n", &switch, "link", "set", "dev", name, "master", "bridge", "up"])?;
        ip(&["-n", &namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        ip(&["-n", &namespace, "link", "set", "dev", "lo", "up"])?;
        ip(&["-n", &namespace, "link", "set", "dev", "eth0", "up"])?;
        Ok(Host { namespace, address })
    }

    /// Connects or cuts the cable of a host, at the switch.
    pub fn set_link(&self, host: &str, connected: bool) -> io::Result<()> {
        ip(&["-n", &self.switch(), "link", "set", "dev", host, if connected { "up" } else { "down" }])
    }

    /// Returns the namespace of the switch, whose ports have the names of the hosts.
    pub fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

impl Host {
    /// Returns a command that runs a program on this host, in a process group of its own, so that Ctrl-C
    /// does not reach it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = ip_command(&["netns", "exec", &self.namespace]);
        command.arg(program).process_group(0);
        command
    }

    /// Kills all processes of this host at once (`kill -9`).
    pub fn kill(&self) -> io::Result<()> {
        kill(&self.namespace)
    }

    /// Moves the calling thread to this host: its sockets from now on belong to the host.
    pub fn enter(&self) -> io::Result<()> {
        enter(&self.namespace)
    }

    /// Runs a function in a thread on this host.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| self.enter().map(|()| work()));
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the function panicked")))
        })
    }
}

/// Moves the calling thread to a namespace.
pub fn enter(namespace: &str) -> io::Result<()> {
    let file = File::open(format!("/run/netns/{namespace}"))?;
    Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Runs `ip` with these arguments.
pub fn ip(arguments: &[&str]) -> io::Result<()> {
    run(ip_command(arguments)).map(drop)
}

fn ip_command(arguments: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(mut command: Command) -> io::Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(format!("{command:?}: {reason}")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Removes all namespaces of a network, with their processes.
fn remove(name: &str) {
    let listed = run(ip_command(&["netns", "list"])).unwrap_or_default();
    let prefix = format!("{name}-");
    for namespace in listed.lines().filter_map(|line| line.split(' ').next()) {
        if namespace.starts_with(&prefix) {
            let removed = kill(namespace).and_then(|()| ip(&["netns", "del", namespace]));
            if let Err(error) = removed {
                eprintln!("cannot remove the network namespace {namespace}: {error}");
            }
        }
    }
}

fn kill(namespace: &str) -> io::Result<()> {
    for _ in 0..KILL_ROUNDS {
        let pids = run(ip_command(&["netns", "pids", namespace]))?;
        let alive: Vec<&str> = pids.split_whitespace().filter(|pid| !is_zombie(pid)).collect();
        if alive.is_empty() {
            return Ok(());
        }
        // Fails for processes that have exited since.
        let _ = Command::new("kill").arg("-9").args(alive).stderr(Stdio::null()).status();
    }
    Err(io::Error::other(format!("processes in {namespace} do not end")))
}

fn is_zombie(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}
