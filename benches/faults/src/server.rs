//! One server under test: how it is started, called and stopped.
//!
//! A shell starts each server and limits its memory. When the shell's standard input ends, because this
//! program closes it or has exited, the shell kills the server and everything that the server started. So no
//! server runs longer than this program.

use std::{
    env, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bench_kit::{
    http::{Answer, Client},
    process::{Killed, PAUSE, run},
    system,
};
use faults_bench::{
    Result,
    peer::{DEADLINE, MEMORY_KIB, WORKERS},
};

use crate::fastcgi;

/// One kind of server.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name in `--only`.
    pub(crate) name: &'static str,
    /// Its title in the report.
    pub(crate) title: &'static str,
    command: fn(&Setup) -> Result<Vec<String>>,
    environment: &'static [(&'static str, &'static str)],
}

/// Every server, in the order of the report.
pub(crate) const SERVERS: [Entry; 6] = [
    Entry { name: "pixie", title: "pixie, pool route", command: |setup| setup.program("peer-pixie"), environment: &[] },
    Entry { name: "axum", title: "axum, handler", command: |setup| setup.program("peer-axum"), environment: &[] },
    Entry {
        name: "axum-blocking",
        title: "axum, `spawn_blocking`",
        command: |setup| setup.program("peer-axum"),
        environment: &[("PLACE", "blocking")],
    },
    Entry {
        name: "actix",
        title: "actix-web, `web::block`",
        command: |setup| setup.program("peer-actix"),
        environment: &[],
    },
    Entry { name: "gunicorn", title: "gunicorn, sync workers", command: |setup| setup.gunicorn(), environment: &[] },
    Entry { name: "php-fpm", title: "php-fpm", command: |setup| setup.php_fpm(), environment: &[] },
];

/// The version of gunicorn that is measured.
const GUNICORN: &str = "gunicorn==27.0.1";
/// Time limit for the installation from PyPI.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);
/// Time limit for the start of a server, until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Correct responses in a row after which a server counts as started: each worker has answered by then.
const START_ANSWERS: u32 = 20;

/// The folders and the port that a server is started with.
struct Setup<'a> {
    /// The folder of the bench's programs.
    programs: &'a Path,
    /// A folder for this server alone.
    folder: &'a Path,
    port: u16,
}

/// A running server.
pub(crate) struct Server {
    address: Address,
    shell: Killed,
}

/// How to connect to a server.
#[derive(Clone, Debug)]
enum Address {
    Http(SocketAddr),
    FastCgi { socket: PathBuf, script: PathBuf },
}

/// A client that sends one request after the other.
pub(crate) enum Asker {
    /// By HTTP, on a connection that stays open if the server wants that.
    Http(Client),
    /// By FastCGI, on a connection for each request.
    FastCgi { socket: PathBuf, script: PathBuf, patience: Duration },
}

impl Server {
    /// Starts a server and returns once it answers.
    pub(crate) fn start(entry: &Entry, programs: &Path, folder: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let setup = Setup { programs, folder, port };
        let command = (entry.command)(&setup).map_err(|error| format!("prepare {}: {error}", entry.name))?;
        // A server that makes its own process group, as php-fpm does, is the first process of that group.
        let end = "kill -9 -$! $!; kill -9 -$$";
        let script = format!("ulimit -d {MEMORY_KIB}; \"$@\" </dev/null & cat >/dev/null; {end}");
        let child = Command::new("sh")
            .args(["-c", &script, "sh"])
            .args(command)
            .env_remove("PIXIE_WORKERS")
            .env_remove("PIXIE_DEV")
            .envs([("PIXIE_HOST", "127.0.0.1"), ("PIXIE_PORT", &port.to_string()), ("PORT", &port.to_string())])
            .envs(entry.environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Messages of the server about crashes. They help if the server does not start.
            .stderr(fs::File::create(folder.join("log"))?)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("start {}: {error}", entry.name))?;
        let address = match entry.name {
            "php-fpm" => Address::FastCgi { socket: setup.socket(), script: apps().join("app.php") },
            _ => Address::Http((Ipv4Addr::LOCALHOST, port).into()),
        };
        let server = Server { address, shell: Killed(child) };
        server.wait_until_it_answers().map_err(|error| {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            format!("start {}: {error}\n{log}", entry.name)
        })?;
        Ok(server)
    }

    /// Returns a client that waits this long for a response.
    pub(crate) fn asker(&self, patience: Duration) -> Asker {
        match self.address.clone() {
            Address::Http(address) => Asker::Http(Client::new(address, patience)),
            Address::FastCgi { socket, script } => Asker::FastCgi { socket, script, patience },
        }
    }

    /// Returns the processor time that its running processes have used.
    pub(crate) fn processor_time(&self) -> Duration {
        system::descendants(self.shell.0.id()).iter().map(|process| process.used).sum()
    }

    fn wait_until_it_answers(&self) -> Result<()> {
        let (mut asker, start) = (self.asker(START_LIMIT), Instant::now());
        let mut right = 0;
        while right < START_ANSWERS {
            match asker.get("/ok?id=start") {
                Ok(answer) if answer.status == 200 && answer.body == b"start" => right += 1,
                other if start.elapsed() > START_LIMIT => return Err(format!("it answers {other:?}").into()),
                _ => thread::sleep(PAUSE),
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The shell reads the end of its input, kills the server, and exits.
        drop(self.shell.0.stdin.take());
        let _ = self.shell.0.wait();
    }
}

impl Asker {
    /// Sends a GET request.
    pub(crate) fn get(&mut self, target: &str) -> io::Result<Answer> {
        match self {
            Asker::Http(client) => client.get(target),
            Asker::FastCgi { socket, script, patience } => fastcgi::get(socket, script, target, *patience),
        }
    }
}

impl Setup<'_> {
    fn program(&self, name: &str) -> Result<Vec<String>> {
        Ok(vec![text(&self.programs.join(name))])
    }

    /// On the first call, installs gunicorn into a virtual environment next to the programs.
    fn gunicorn(&self) -> Result<Vec<String>> {
        let venv = self.programs.join("gunicorn");
        let program = venv.join("bin/gunicorn");
        if !program.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv), INSTALL_LIMIT)?;
            run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", GUNICORN]), INSTALL_LIMIT)?;
        }
        let (bind, workers) = (format!("127.0.0.1:{}", self.port), WORKERS.to_string());
        let (folder, timeout) = (text(&apps()), DEADLINE.as_secs().to_string());
        let options = [
            ["--chdir", &folder],
            ["--bind", &bind],
            ["--workers", &workers],
            ["--worker-class", "sync"],
            ["--timeout", &timeout],
        ];
        let options = options.concat().into_iter().map(str::to_owned);
        Ok([text(&program)].into_iter().chain(options).chain(["app:app".to_owned()]).collect())
    }

    /// Writes the configuration and finds the program.
    fn php_fpm(&self) -> Result<Vec<String>> {
        let program =
            find_php_fpm().ok_or("there is no php-fpm: it is in the package `php-fpm` of Debian and Ubuntu")?;
        let config = self.folder.join("php-fpm.conf");
        let text_of_config = format!(
            "[global]\nerror_log = /dev/stderr\ndaemonize = no\n[www]\nuser = root\nlisten = {}\npm = static\n\
             pm.max_children = {WORKERS}\nrequest_terminate_timeout = {}s\n",
            self.socket().display(),
            DEADLINE.as_secs(),
        );
        fs::write(&config, text_of_config)?;
        // Without the system's configuration, but with errors as in production. `posix` sends the signals of
        // two faults.
        let options = [
            "-n",
            "-d",
            "display_errors=0",
            "-d",
            "extension=posix",
            "--allow-to-run-as-root",
            "--nodaemonize",
            "--fpm-config",
        ];
        let options = options.into_iter().map(str::to_owned);
        Ok([text(&program)].into_iter().chain(options).chain([text(&config)]).collect())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("php-fpm.sock")
    }
}

fn apps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("apps")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Debian adds PHP's version to the program's name.
fn find_php_fpm() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let is_it = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("php-fpm");
    folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten().find(is_it).map(|entry| entry.path())
}
