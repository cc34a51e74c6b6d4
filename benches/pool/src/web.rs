//! The deadline as an HTTP client sees it: an app in another process, on the loopback interface.
//!
//! The process is this program with a role. Its workers are this program with the same role, so the app must
//! start before anything else.

use std::{
    env,
    hint::black_box,
    net::{Ipv4Addr, TcpListener},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bench_kit::{
    Result,
    http::Client,
    process::{Killed, PAUSE},
};
use pixie_web::{App, Route};

use crate::{measure::DEADLINE, raw::ROLE};

const NAME: &str = "web";
/// Time limit for the start of the app, until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Time limit for one response.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns whether this process is the app or one of its workers.
pub(crate) fn is_played() -> bool {
    env::args().skip(1).eq([ROLE, NAME])
}

/// Runs the app until the process is killed, or runs as one of its workers.
pub(crate) fn play() -> Result<()> {
    let app = App::new()
        .route(Route::get("/ok").pool(|_| "ok"))
        .route(Route::get("/loop").pool(|_| endless()).deadline(DEADLINE))
        .workers(1)
        .development(false)
        .banner(false);
    app.run().map_err(|error| format!("run an app: {error}").into())
}

fn endless() -> &'static str {
    loop {
        black_box(());
    }
}

/// The app, with a connection to it.
pub(crate) struct Web {
    client: Client,
    _process: Killed,
}

impl Web {
    /// Starts the app and returns once it answers.
    pub(crate) fn start() -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(env::current_exe()?);
        command.args([ROLE, NAME]).env("PIXIE_HOST", "127.0.0.1").env("PIXIE_PORT", port.to_string());
        // The log of the app has a line for each killed worker.
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let client = Client::new((Ipv4Addr::LOCALHOST, port).into(), PATIENCE);
        let mut web = Web { client, _process: Killed(child) };
        let start = Instant::now();
        while web.ask("/ok", 200).is_err() {
            if start.elapsed() > START_LIMIT {
                return Err("start an app: it does not answer".into());
            }
            thread::sleep(PAUSE);
        }
        Ok(web)
    }

    /// Requests an endless route. Returns how long after its deadline the 504 came.
    pub(crate) fn miss_deadline(&mut self) -> Result<Duration> {
        self.ask("/ok", 200)?;
        let start = Instant::now();
        self.ask("/loop", 504)?;
        Ok(start.elapsed().saturating_sub(DEADLINE))
    }

    fn ask(&mut self, target: &str, expected: u16) -> Result<()> {
        match self.client.get(target)?.status {
            status if status == expected => Ok(()),
            status => Err(format!("ask for {target}: the answer is {status}, not {expected}").into()),
        }
    }
}
