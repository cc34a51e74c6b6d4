//! `BadLink`: some hosts lose 2 % of their packets, and each packet takes 20 ms longer, in both directions.
//!
//! `tc netem` does this, where the kernel has it. Otherwise the ports of these hosts move to a second bridge,
//! and two threads carry the frames between the bridges, with the delay and the loss. Connections survive the
//! change. Dropping the value restores the links.

use std::{
    io,
    process::{Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bench_kit::Result;
use tappers::{Interface, Tap};

use crate::namespaces::{Network, enter, ip};

const DELAY: Duration = Duration::from_millis(20);
/// One packet of this many is lost.
const LOSS: u64 = 50;
/// Frames on their way. Others are lost, as in a router.
const FRAMES_MAX: usize = 4096;
/// The longest frame: the largest packet of the hosts and its header.
const FRAME_BYTES: usize = 2048;

/// The second bridge and the two ends of the link between the bridges.
const BRIDGE: &str = "far";
const ENDS: [&str; 2] = ["tap-near", "tap-far"];

/// Links with loss and delay.
pub(crate) struct BadLink {
    switch: String,
    hosts: Vec<&'static str>,
    carriers: Vec<JoinHandle<()>>,
    /// What makes the loss and the delay.
    pub(crate) means: &'static str,
}

impl BadLink {
    /// Makes the links of some hosts bad.
    pub(crate) fn start(network: &Network, hosts: &[&'static str]) -> Result<Self> {
        let switch = network.switch();
        let netem = hosts.iter().all(|host| netem(&switch, host));
        let means = if netem { "tc netem" } else { "a link in user space, because this kernel has no netem" };
        let mut link = BadLink { switch, hosts: hosts.to_vec(), carriers: Vec::new(), means };
        if !netem {
            link.carry()?;
        }
        Ok(link)
    }

    fn carry(&mut self) -> Result<()> {
        self.remove_netem();
        let switch = self.switch.as_str();
        let ends = thread::scope(|scope| {
            let made = scope.spawn(|| -> io::Result<Vec<Arc<Tap>>> {
                // A device belongs to the namespace of the thread that makes it.
                enter(switch)?;
                let end = |name: &&str| Tap::new_named(Interface::new(*name)?).map(Arc::new);
                ENDS.iter().map(end).collect()
            });
            made.join().unwrap_or_else(|_| Err(io::Error::other("making a device panicked")))
        })?;
        ip(&["-n", switch, "link", "add", "name", BRIDGE, "type", "bridge"])?;
        ip(&["-n", switch, "link", "set", "dev", BRIDGE, "up"])?;
        ip(&["-n", switch, "link", "set", "dev", ENDS[0], "master", "bridge", "up"])?;
        ip(&["-n", switch, "link", "set", "dev", ENDS[1], "master", BRIDGE, "up"])?;
        for host in &self.hosts {
            ip(&["-n", switch, "link", "set", "dev", host, "master", BRIDGE])?;
        }
        for (from, to, seed) in [(&ends[0], &ends[1], 1), (&ends[1], &ends[0], 2)] {
            let (sender, receiver) = sync_channel(FRAMES_MAX);
            let (from, to) = (from.clone(), to.clone());
            self.carriers.push(thread::spawn(move || take(&from, &sender, seed)));
            self.carriers.push(thread::spawn(move || give(&to, &receiver)));
        }
        Ok(())
    }

    fn remove_netem(&self) {
        for host in &self.hosts {
            // Fails if the host has none.
            for (namespace, device) in ports(&self.switch, host) {
                let _ = tc(&namespace, &["del", "dev", device, "root"]);
            }
        }
    }
}

impl Drop for BadLink {
    fn drop(&mut self) {
        if self.carriers.is_empty() {
            return self.remove_netem();
        }
        let restored = self
            .hosts
            .iter()
            .try_for_each(|host| ip(&["-n", &self.switch, "link", "set", "dev", host, "master", "bridge"]));
        if let Err(error) = restored {
            eprintln!("cannot restore the links: {error}");
        }
        // Without its device, a thread that reads from it ends.
        for end in ENDS.iter().chain([&BRIDGE]) {
            let _ = ip(&["-n", &self.switch, "link", "del", "dev", end]);
        }
        self.carriers.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn netem(switch: &str, host: &str) -> bool {
    let delay = format!("{}ms", DELAY.as_millis());
    let loss = format!("{}%", 100 / LOSS);
    let mut ports = ports(switch, host).into_iter();
    ports.all(|(namespace, device)| {
        tc(&namespace, &["add", "dev", device, "root", "netem", "delay", &delay, "loss", &loss])
    })
}

/// Returns both ends of a host's cable: its namespace and its device.
fn ports<'h>(switch: &str, host: &'h str) -> [(String, &'h str); 2] {
    let own = switch.replace("-switch", &format!("-{host}"));
    [(switch.to_owned(), host), (own, "eth0")]
}

fn tc(namespace: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new("tc");
    command.args(["-n", namespace, "qdisc"]).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Takes frames from one end until its device is removed.
fn take(from: &Tap, sender: &SyncSender<(Instant, Vec<u8>)>, seed: u64) {
    let (mut buffer, mut random) = ([0; FRAME_BYTES], seed);
    while let Ok(length) = from.recv(&mut buffer) {
        random = next(random);
        if random % LOSS != 0 {
            // Fails if too many frames are on their way: then this one is lost, too.
            let _ = sender.try_send((Instant::now() + DELAY, buffer[..length].to_vec()));
        }
    }
}

fn give(to: &Tap, receiver: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, frame)) = receiver.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let _ = to.send(&frame);
    }
}

/// The generator xorshift64, which needs no dependency.
fn next(mut random: u64) -> u64 {
    random ^= random << 13;
    random ^= random >> 7;
    random ^ random << 17
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_two_percent_are_lost() {
        let mut random = 1;
        let lost = (0..100_000).filter(|_| {
            random = next(random);
            random % LOSS == 0
        });
        assert!((1_800..2_200).contains(&lost.count()));
    }
}
