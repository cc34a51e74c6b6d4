//! The faults: what is requested, what the result must be, and how many workers it costs.
//!
//! Each request has a unique query, so that a pool which refuses repeat crashes (with the same 502) sees a
//! new request each time.

/// A fault that ends at once.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Its path on `examples/faults.rs`, without the slash, and its name in the report.
    pub(crate) name: &'static str,
    /// What the client must get.
    pub(crate) expected: Expected,
    /// Workers that it ends. A request that may be repeated is retried once.
    pub(crate) exits: u32,
}

/// What the client of a fault must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A response with this status.
    Status(u16),
    /// The beginning of a response, and then the end of the connection.
    Cut,
}

/// The fast faults, in the order in which they are sent.
pub(crate) static QUICK: [Fault; 7] = [
    Fault { name: "segv", expected: Expected::Status(502), exits: 2 },
    Fault { name: "panic", expected: Expected::Status(500), exits: 0 },
    Fault { name: "abort", expected: Expected::Status(502), exits: 2 },
    Fault { name: "garbage", expected: Expected::Status(200), exits: 0 },
    Fault { name: "exit", expected: Expected::Status(502), exits: 2 },
    Fault { name: "broken", expected: Expected::Cut, exits: 1 },
    Fault { name: "overflow", expected: Expected::Status(502), exits: 2 },
];

/// Returns the fast faults with this name, or all for an empty one.
pub(crate) fn named(name: &str) -> Vec<&'static Fault> {
    QUICK.iter().filter(|fault| name.is_empty() || fault.name == name).collect()
}

/// Returns how many workers one of these faults ends on average.
pub(crate) fn mean_exits(faults: &[&Fault]) -> f64 {
    faults.iter().map(|fault| f64::from(fault.exits)).sum::<f64>() / faults.len() as f64
}
