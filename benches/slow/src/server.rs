//! The servers under test: started on free ports of the loopback interface, killed when they are dropped.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use bench_kit::{Result, http::Client, process::Killed, system};
use tempfile::TempDir;

/// Limits the time until a server answers. A pool starts its workers first.
const START_LIMIT: Duration = Duration::from_secs(15);
/// The servers, by the names that `--only` takes.
pub(crate) const NAMES: [&str; 3] = ["pixie", "axum", "nginx"];

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Killed,
    /// axum behind nginx.
    _behind: Option<Box<Server>>,
    _folder: Option<TempDir>,
}

impl Server {
    pub(crate) fn start(name: &str) -> Result<Server> {
        let address = free_address()?;
        let mut server = match name {
            "nginx" => nginx(address)?,
            name => {
                let program = env::current_exe()?.with_file_name(format!("slow-{name}"));
                let process = spawn(Command::new(program).env("PIXIE_HOST", "127.0.0.1"), name, address)?;
                Server { address, process, _behind: None, _folder: None }
            }
        };
        let deadline = Instant::now() + START_LIMIT;
        while Client::new(address, START_LIMIT).get("/").is_err() {
            if let Some(status) = server.process.0.try_wait()? {
                return Err(format!("start {name}: it ended with {status}; see {}", log(name)?.display()).into());
            }
            if Instant::now() > deadline {
                return Err(format!("wait for {name}: it does not answer").into());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// Returns the resident memory of the server's first process, in bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        system::process(self.process.0.id()).map(|process| process.resident)
    }
}

/// Returns the file that contains what a server has written to standard error.
fn log(name: &str) -> Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(format!("slow-{name}.log")))
}

fn spawn(command: &mut Command, name: &str, address: SocketAddr) -> Result<Killed> {
    let command = command.env_remove("PIXIE_WORKERS").env_remove("PIXIE_DEV");
    let command = command.env("PIXIE_PORT", address.port().to_string()).stdin(Stdio::null()).stdout(Stdio::null());
    let command = command.stderr(fs::File::create(log(name)?)?);
    Ok(Killed(command.spawn().map_err(|error| format!("start {name}: {error}"))?))
}

/// nginx with its defaults, as a proxy in front of axum.
fn nginx(address: SocketAddr) -> Result<Server> {
    let behind = Server::start("axum")?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("nginx.conf");
    fs::write(&config, nginx_config(folder.path(), address, behind.address))?;
    // In the foreground and as one process, so that killing it ends all of it.
    let process = spawn(Command::new("nginx").arg("-c").arg(config), "nginx", address)?;
    Ok(Server { address, process, _behind: Some(Box::new(behind)), _folder: Some(folder) })
}

fn nginx_config(folder: &Path, address: SocketAddr, behind: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log crit;\n\
         events {{ worker_connections 10000; }}\n\
         http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n\
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         server {{ listen {address} backlog=1024; location / {{ proxy_pass http://{behind}; }} }} }}\n"
    )
}

/// Returns an address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
