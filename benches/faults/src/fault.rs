//! The faults, as a Rust handler commits them. The servers in `apps` do the same in their languages.
#![expect(unconditional_recursion, reason = "overflowing the stack is one of the faults")]

use std::{hint::black_box, process};

use rustix::process::{Signal, getpid, kill_process};

/// One kind of fault.
#[derive(Debug)]
pub struct Fault {
    /// Its name in the path, in `--only` and in the report.
    pub name: &'static str,
    /// Its title in the report.
    pub title: &'static str,
}

/// Every fault, in the order of the report.
pub const FAULTS: [Fault; 5] = [
    Fault { name: "loop", title: "loops forever" },
    Fault { name: "segv", title: "segfaults" },
    Fault { name: "overflow", title: "overflows its stack" },
    Fault { name: "hoard", title: "allocates without end" },
    Fault { name: "abort", title: "aborts" },
];

/// Commits a fault. Returns only if no fault has this name.
pub fn commit(name: &str) -> &'static str {
    match name {
        "loop" => loop {
            black_box(0);
        },
        // The first signal only removes the handler with which Rust's runtime reports stack overflows.
        "segv" => loop {
            let _ = kill_process(getpid(), Signal::SEGV);
        },
        "overflow" => {
            deeper(0);
            "the stack has no end"
        }
        "hoard" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1_u8; 1024 * 1024]));
            }
        }
        "abort" => process::abort(),
        _ => "no such fault",
    }
}

fn deeper(depth: u64) -> u64 {
    let ballast = black_box([depth; 64]);
    deeper(depth + 1) + ballast[0]
}
