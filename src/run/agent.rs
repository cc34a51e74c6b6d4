//! The agent check: tells load balancers over TCP what this process can take at this moment.
//!
//! A client that sends the name of a role and a line end gets one line about this role, as `share.rs` says. A
//! client that sends only a part of that, or does not send, gets its line a moment later.
//! Invariant: each connection has a short time, and their number is limited, so that silent clients delay
//! others for less than a check waits.
mod share;

use std::{
    future::pending,
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use pixie_server::Shutdown;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    sync::Semaphore,
    time::{sleep, timeout},
};

use self::share::Share;
use crate::{
    error::StartError,
    run::notify,
    table::{Composed, agent::AgentAddress},
};

/// Limits the connections at the same time. Each balancer has one for each server.
const CONNECTIONS_MAX: usize = 64;
/// Limits the time of a connection. Longer than a lost packet takes to be sent again.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(1);
/// Time that a client has for the name. HAProxy sends it at once, and waits for an answer for about as long as
/// the time between two checks. A lost packet is sent again after 200 ms.
const NAME_TIME_MAX: Duration = Duration::from_millis(250);
/// Limits the name of a role, in bytes: more than the name of a pool has.
const NAME_BYTES_MAX: usize = 128;
/// Time between two attempts: to open the port that a predecessor still has, or to accept a connection when
/// the open files are used up.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the port of the agent check, if the app has one, and answers until the runtime ends.
pub(super) async fn start(app: &Arc<Composed>) -> Result<(), StartError> {
    let Some(address) = app.settings.agent.clone() else { return Ok(()) };
    let listener = match bind(&address).await {
        // The predecessor answers until it has handed over.
        Err(error) if error.kind() == ErrorKind::AddrInUse && notify::has_predecessor() => None,
        Err(error) => return Err(StartError::new(format!("cannot open the agent check at {address}: {error}"))),
        Ok(listener) => Some(listener),
    };
    tokio::spawn(serve(app.clone(), address, listener));
    Ok(())
}

async fn bind(address: &AgentAddress) -> io::Result<TcpListener> {
    let mut result = Err(ErrorKind::InvalidInput.into());
    for candidate in address.candidates().map_err(io::Error::other)? {
        result = TcpListener::bind(candidate).await;
        if result.is_ok() {
            break;
        }
    }
    result
}

async fn serve(app: Arc<Composed>, address: AgentAddress, mut opened: Option<TcpListener>) {
    let listener = loop {
        match opened {
            Some(listener) => break listener,
            None => sleep(PAUSE).await,
        }
        opened = bind(&address).await.ok();
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = places.clone().acquire_owned().await {
        let accepted = select! {
            biased;
            // Then the port is for the successor.
            () = handed_over(&app.shutdown) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let app = app.clone();
                tokio::spawn(async move {
                    // The client may have left, which concerns only the client.
                    let _ = timeout(CONNECTION_TIME_MAX, answer(stream, &app)).await;
                    drop(place);
                });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn handed_over(shutdown: &Shutdown) {
    shutdown.wait().await;
    if !shutdown.is_handed_over() {
        pending().await
    }
}

async fn answer(mut stream: TcpStream, app: &Composed) -> io::Result<()> {
    let mut line = Vec::new();
    if let Ok(read) = timeout(NAME_TIME_MAX, read_line(&mut stream, &mut line)).await {
        read?;
    }
    let name = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let share = Share::of(app, String::from_utf8_lossy(name).trim());
    stream.write_all(format!("{share}\n").as_bytes()).await?;
    stream.shutdown().await
}

/// Reads until a line end, the end of the stream, or more bytes than a name has.
async fn read_line(stream: &mut TcpStream, line: &mut Vec<u8>) -> io::Result<()> {
    while line.len() < NAME_BYTES_MAX && !line.contains(&b'\n') {
        if stream.read_buf(line).await? == 0 {
            break;
        }
    }
    Ok(())
}
