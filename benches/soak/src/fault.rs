//! The faults: what is asked for, what must come of it, and how many workers it costs.
//!
//! A flat table. Each request gets a query that no other has, so that a pool which refuses what has killed before
//! (with the same 502) sees a new one each time.

/// One way to go wrong in a moment.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Its path on `examples/faults.rs`, without the slash, and its name in the report.
    pub(crate) name: &'static str,
    /// What its client must see.
    pub(crate) expected: Expected,
    /// Workers that it ends: a request that may be repeated is tried once more.
    pub(crate) deaths: u32,
}

/// What the client of a fault must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// An answer with this status.
    Status(u16),
    /// The beginning of an answer, and then the end of the connection.
    Cut,
}

/// The faults that are over in a moment, in the order in which they come.
pub(crate) const QUICK: [Fault; 7] = [
    Fault { name: "segv", expected: Expected::Status(502), deaths: 2 },
    Fault { name: "panic", expected: Expected::Status(500), deaths: 0 },
    Fault { name: "abort", expected: Expected::Status(502), deaths: 2 },
    Fault { name: "garbage", expected: Expected::Status(200), deaths: 0 },
    Fault { name: "exit", expected: Expected::Status(502), deaths: 2 },
    Fault { name: "broken", expected: Expected::Cut, deaths: 1 },
    Fault { name: "overflow", expected: Expected::Status(502), deaths: 2 },
];

/// Returns how many workers a quick fault ends on average.
pub(crate) fn mean_deaths() -> f64 {
    QUICK.iter().map(|fault| f64::from(fault.deaths)).sum::<f64>() / QUICK.len() as f64
}
