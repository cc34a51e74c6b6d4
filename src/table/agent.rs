//! `AgentAddress`: the setting `agent`, where load balancers ask for the state of this process.
use std::fmt;

use pixie_grammar::TextValue;

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
}
