//! What a load balancer learns from the agent check: `Share`, the answer for a role, and the setting `agent`.
//!
//! The answers are words of HAProxy's `agent-check`: `up`, `drain` or `down`, and the number of requests that
//! the process can run.
use std::fmt;

use pixie_grammar::TextValue;

use crate::table::{Composed, roles};

/// The address of the agent check: `HOST:PORT`, or `:PORT` for all addresses of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentAddress(String);

impl AgentAddress {
    /// Takes a text that `checks::settings` checks.
    pub(crate) fn new(text: impl Into<String>) -> AgentAddress {
        AgentAddress(text.into())
    }

    /// Returns the addresses to listen on: the first one that can be opened.
    ///
    /// # Errors
    ///
    /// Returns what the text must be.
    pub(crate) fn candidates(&self) -> Result<Vec<(&str, u16)>, String> {
        let wrong = || format!("`{}` is not {}", self.0, AgentAddress::TAKES);
        let (host, port) = self.0.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // A machine without IPv6 has only the second one.
        Ok(if host.is_empty() { vec![("::", port), ("0.0.0.0", port)] } else { vec![(host, port)] })
    }
}

impl TextValue for AgentAddress {
    const TAKES: &'static str = "`HOST:PORT` or `:PORT`";

    fn from_text(text: &str) -> Result<AgentAddress, String> {
        let address = AgentAddress::new(text);
        address.candidates()?;
        Ok(address)
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Display for AgentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The share of the requests for a role that this process can take. The later one is the worse one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Share {
    /// All that the balancer sends, or this many at the same time.
    Up(Option<usize>),
    /// No new ones, because the app stops.
    Drain,
    /// None at all, for this reason.
    Down(String),
}

impl Share {
    /// Returns the share of the role that was asked for. Without a name, returns the worst share of the
    /// process's roles.
    pub(crate) fn of(app: &Composed, name: &str) -> Share {
        match (name, app.roles.of_process()) {
            ("", [role]) => Share::of_role(app, role),
            ("", roles) => match roles.iter().map(|role| Share::of_role(app, role)).max() {
                // Each role has its own number.
                Some(Share::Up(_)) | None => Share::Up(None),
                Some(worse) => worse,
            },
            (role, _) if app.roles.has(role) => Share::of_role(app, role),
            _ => Share::Down(format!("this process has the role {}", app.roles)),
        }
    }

    fn of_role(app: &Composed, role: &str) -> Share {
        // A successor may have the sockets: then the service goes on.
        if app.shutdown.is_triggered() && !app.shutdown.is_handed_over() {
            return Share::Drain;
        }
        let slots = app.pools.values().filter(|slot| roles::of_pool(slot.name()) == role);
        let pools: Vec<_> = slots.filter_map(|slot| Some((slot.name(), slot.running()?))).collect();
        let trouble = pools.iter().find_map(|(name, pool)| Some((name, pool.trouble()?)));
        match (trouble, &pools[..]) {
            (Some((name, why)), _) => Share::Down(format!("pool {name}: {why}")),
            // HAProxy takes 0 for "no limit". The pool's queue holds the request until a worker is ready.
            (None, [(_, pool)]) if role != roles::WEB => Share::Up(Some(pool.capacity().max(1))),
            _ => Share::Up(None),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Up(None) => f.write_str("up ready"),
            Share::Up(Some(jobs)) => write!(f, "up ready maxconn:{jobs}"),
            Share::Drain => f.write_str("drain"),
            Share::Down(why) => write!(f, "down #{why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_maybe_a_host() {
        for (text, hosts) in [
            (":9707", &["::", "0.0.0.0"][..]),
            ("0.0.0.0:9707", &["0.0.0.0"]),
            ("[fd00::1]:9707", &["fd00::1"]),
            ("worker-1:9707", &["worker-1"]),
        ] {
            let address = AgentAddress::from_text(text).expect("it is right");
            let expected: Vec<_> = hosts.iter().map(|host| (*host, 9707)).collect();
            assert_eq!((address.candidates(), address.to_text()), (Ok(expected), text.to_owned()));
        }
        for text in ["9707", "worker-1", "worker-1:", "worker-1:70000", ""] {
            let why = format!("`{text}` is not `HOST:PORT` or `:PORT`");
            assert_eq!(AgentAddress::from_text(text), Err(why));
        }
    }

    #[test]
    fn a_share_is_one_line_of_haproxys_words_and_the_worst_comes_last() {
        let down = || Share::Down("pool images: no worker could be started".to_owned());
        let words = [Share::Up(None), Share::Up(Some(6)), Share::Drain, down()].map(|share| share.to_string());
        assert_eq!(words, ["up ready", "up ready maxconn:6", "drain", "down #pool images: no worker could be started"]);
        assert_eq!([Share::Up(Some(6)), down(), Share::Drain].into_iter().max(), Some(down()));
    }
}
