//! Finds the process that listens on a port, for the message of `Error::PortTaken`.
//!
//! Reads `/proc`, so it works only on Linux and only for processes of the same user. It runs once, before the
//! program ends with an error, so it may be slow. It returns `None` instead of failing.

use std::{fs, path::Path};

/// The process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortOwner {
    /// The program's name, as `ps` shows it.
    pub name: String,
    /// The process ID.
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

/// Returns the inodes of the sockets that listen on `port`, from a `/proc/net/tcp` table.
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
mod tests;
