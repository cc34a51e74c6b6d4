//! How the worker processes of a pool are started, and what runs before they are forked.

use std::{fmt, sync::Arc};

use pixie_grammar::TextValue;

/// How a pool starts its worker processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartMethod {
    /// By executing this program again. Takes about 2 ms. Each worker has an address-space layout of its own.
    #[default]
    Exec,
    /// By a fork server, on Linux: this program, executed once, with one thread, which forks each worker. Takes a tenth of
    /// the time, and workers share the memory of what the program has prepared. They also share one
    /// address-space layout and one stack canary, so that an attacker can use in one worker what another one
    /// has disclosed.
    ///
    /// If the program has more than one thread when it begins to serve, or on another system, the log says so
    /// once and workers are executed.
    Fork,
}

impl TextValue for StartMethod {
    const TAKES: &'static str = "`exec` or `fork`";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "exec" => Ok(StartMethod::Exec),
            "fork" => Ok(StartMethod::Fork),
            _ => Err("the value must be `exec` or `fork`".to_owned()),
        }
    }

    fn to_text(&self) -> String {
        match self {
            StartMethod::Exec => "exec".to_owned(),
            StartMethod::Fork => "fork".to_owned(),
        }
    }
}

/// What each process runs that a pool executes, before its first job. A closure can be converted to it, see
/// [`Config::preload`](crate::Config::preload).
#[derive(Clone)]
pub struct Preload(Arc<dyn Fn() + Send + Sync>);

impl Preload {
    /// Runs it.
    pub fn run(&self) {
        (self.0)();
    }
}

impl<F: Fn() + Send + Sync + 'static> From<F> for Preload {
    fn from(function: F) -> Self {
        Preload(Arc::new(function))
    }
}

impl fmt::Debug for Preload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preload")
    }
}
