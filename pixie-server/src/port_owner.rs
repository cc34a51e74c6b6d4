//! Finds the process that listens on a port, so that "address in use" can name it.
//!
//! It reads `/proc`, and so finds nothing where there is none, nor processes of other users. It is asked once, on the
//! way out with an error: it may be slow, it may not fail.

use std::{fs, path::Path};

/// The process that holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// The program's name, as `ps` shows it.
    pub name: String,
    /// The process's number.
    pub pid: u32,
}

impl PortOwner {
    pub(crate) fn find(port: u16) -> Option<PortOwner> {
        let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| {
                listening_inodes(&table, port).map(|inode| format!("socket:[{inode}]")).collect::<Vec<_>>()
            })
            .collect();
        let processes = fs::read_dir("/proc").ok()?.flatten();
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(|pid| {
            let process = Path::new("/proc").join(u32::to_string(&pid));
            let name = || fs::read_to_string(process.join("comm")).ok();
            holds(&process, &sockets).then(name)?.map(|name| PortOwner { name: name.trim_end().to_owned(), pid })
        })
    }
}

/// The inodes of the sockets that listen on `port` in a `/proc/net/tcp` table.
fn listening_inodes(table: &str, port: u16) -> impl Iterator<Item = &str> {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).filter_map(move |line| {
        // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …; state 0A is LISTEN.
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(3) == Some(&"0A") && fields.get(1)?.ends_with(&suffix);
        listens.then(|| fields.get(9).copied())?
    })
}

fn holds(process: &Path, sockets: &[String]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| sockets.iter().any(|socket| Path::new(socket) == target))
}

#[cfg(test)]
#[path = "port_owner/tests.rs"]
mod tests;
