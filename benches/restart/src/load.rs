//! What sends requests while the server is started anew, and what it has counted.
//!
//! `h2load` cannot be used for HTTP/2: a connection that gets GOAWAY is not opened again, and its other
//! requests count as failed. So HTTP/2 has a client of its own, that of hyper, which uses another connection
//! then, as browsers do.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bench_kit::{Result, process};
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::ClientConfig;
use tokio::{runtime::Builder, task::JoinSet};

/// Connections and streams of each, for HTTP/2.
const CONNECTIONS: usize = 10;
const STREAMS: usize = 10;
/// Time that `wrk` may need beyond its load, to connect and to report.
const SLACK: Duration = Duration::from_secs(20);

type Requests = Client<HttpsConnector<HttpConnector>, Empty<&'static [u8]>>;

/// How requests are sent.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// `wrk` on 50 connections.
    Http1,
    /// hyper's client on 10 connections with 10 streams each.
    Http2,
}

/// Where requests are sent to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// What a client of HTTPS trusts. `wrk` trusts every certificate.
    pub(crate) tls: ClientConfig,
}

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
}

impl Load {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Load::Http1 => "HTTP/1.1 (wrk)",
            Load::Http2 => "HTTP/2 (hyper)",
        }
    }

    /// Sends requests for this time.
    pub(crate) fn run(self, target: &Target, time: Duration) -> Result<Report> {
        match self {
            Load::Http1 => {
                let mut command = Command::new("wrk");
                command.args(["-t1", "-c50", &format!("-d{}s", time.as_secs()), &target.url]);
                let text = process::run(&mut command, time + SLACK)?;
                of_wrk(&text).ok_or_else(|| format!("read the report of wrk: {text}").into())
            }
            Load::Http2 => Builder::new_current_thread().enable_all().build()?.block_on(http2(target, time)),
        }
    }
}

async fn http2(Target { url, tls }: &Target, time: Duration) -> Result<Report> {
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_http2().build();
    let end = Instant::now() + time;
    let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let mut streams = JoinSet::new();
    for _ in 0..CONNECTIONS {
        // A client has one connection to each server.
        let client: Requests = Client::builder(TokioExecutor::new()).http2_only(true).build(connector.clone());
        for _ in 0..STREAMS {
            let (client, url, counts) = (client.clone(), url.parse::<hyper::Uri>()?, Arc::clone(&counts));
            streams.spawn(async move {
                while Instant::now() < end {
                    counts.0.fetch_add(1, Ordering::Relaxed);
                    let mut answer = ask(&client, url.clone()).await;
                    while answer.as_ref().is_err_and(|error| is_unsent(error.as_ref())) {
                        answer = ask(&client, url.clone()).await;
                    }
                    if let Err(error) = answer {
                        counts.1.fetch_add(1, Ordering::Relaxed);
                        eprintln!("{url}: {error:?}");
                    }
                }
            });
        }
    }
    while let Some(ended) = streams.join_next().await {
        ended?;
    }
    Ok(Report { requests: counts.0.load(Ordering::Relaxed), failed: counts.1.load(Ordering::Relaxed) })
}

async fn ask(client: &Requests, url: hyper::Uri) -> Result<()> {
    let mut response = client.get(url).await?;
    while let Some(frame) = response.frame().await {
        frame?;
    }
    match response.status().as_u16() {
        200 => Ok(()),
        status => Err(format!("status {status}").into()),
    }
}

/// Returns whether a request came to a connection that was closed in order (GOAWAY), so that it was not
/// processed and has to be sent again (RFC 9113, section 6.8). hyper's client leaves that to its caller.
fn is_unsent(mut error: &(dyn std::error::Error + 'static)) -> bool {
    loop {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR);
        }
        match error.source() {
            Some(source) => error = source,
            None => return false,
        }
    }
}

/// Reads lines such as `70 requests in 2.00s, 1MB read`, `Socket errors: connect 0, read 1, write 0, timeout
/// 0` and `Non-2xx or 3xx responses: 2`. The last two are missing without errors.
fn of_wrk(text: &str) -> Option<Report> {
    let requests = *numbers(text, " requests in ").first()?;
    let sockets: u64 = numbers(text, "Socket errors").iter().sum();
    // The first two numbers are those of `2xx` and `3xx`.
    let statuses: u64 = numbers(text, "Non-2xx").iter().skip(2).sum();
    Some(Report { requests, failed: sockets + statuses })
}

/// Returns the numbers in the first line that contains this text.
fn numbers(text: &str, name: &str) -> Vec<u64> {
    let line = text.lines().find(|line| line.contains(name)).unwrap_or_default();
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_is_counted() {
        let check = |text: &str, requests, failed| {
            assert_eq!(of_wrk(text).expect("it is a report"), Report { requests, failed });
        };
        let wrk = "  70 requests in 2.00s, 1.5MB read\nRequests/sec: 35\n";
        check(wrk, 70, 0);
        let errors = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n";
        check(&format!("{wrk}{errors}"), 70, 15);
        assert_eq!(of_wrk("unable to connect"), None);
    }
}
