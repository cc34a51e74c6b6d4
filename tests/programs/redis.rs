//! A real server of Redis on a free port, for tests. It keeps nothing on disk.
use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PORTS_TRIED: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Dropping the value kills it.
pub(crate) struct Redis {
    server: Child,
    port: u16,
}

impl Redis {
    /// Starts a server. Without `redis-server` it prints a message and returns `None`; if `CI` is set, it panics.
    pub(crate) fn start() -> Option<Redis> {
        for _ in 0..PORTS_TRIED {
            // Another program may take the port before the server does.
            let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
            let mut command = Command::new("redis-server");
            command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
            let Ok(server) = command.stdout(Stdio::null()).spawn() else {
                let missing = "NOT TESTED: there is no redis-server; install Debian's `redis-server`";
                assert!(std::env::var_os("CI").is_none(), "{missing}");
                eprintln!("\n*** {missing} ***\n");
                return None;
            };
            let mut redis = Redis { server, port };
            if redis.is_reached() {
                return Some(redis);
            }
        }
        panic!("no free port for redis-server in {PORTS_TRIED} attempts");
    }

    /// Waits until the server accepts connections. Returns false if it ends instead.
    fn is_reached(&mut self) -> bool {
        let start = Instant::now();
        while self.server.try_wait().expect("it is a child").is_none() {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            assert!(start.elapsed() < PATIENCE, "redis-server accepts no connections");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        false
    }

    pub(crate) fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Fails if it has ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
