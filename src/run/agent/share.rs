//! `Share`: which part of the requests for a role this process can take, in the words of HAProxy's
//! `agent-check`.
use std::fmt;

use crate::table::{Composed, roles};

/// The share of the requests for a role that this process can take. The later one is the worse one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Share {
    /// All that the balancer sends, or this many at the same time.
    Up(Option<usize>),
    /// No new requests, because the app stops.
    Drain,
    /// The process cannot run requests, for this reason.
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
    fn a_share_is_one_line_of_haproxys_words_and_the_worst_comes_last() {
        let down = || Share::Down("pool images: no worker could be started".to_owned());
        let words = [Share::Up(None), Share::Up(Some(6)), Share::Drain, down()].map(|share| share.to_string());
        assert_eq!(words, ["up ready", "up ready maxconn:6", "drain", "down #pool images: no worker could be started"]);
        assert_eq!([Share::Up(Some(6)), down(), Share::Drain].into_iter().max(), Some(down()));
    }
}
