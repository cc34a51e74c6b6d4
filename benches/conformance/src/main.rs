//! Sends every case to the server at the given address, or to an app of pixie on a free port, and prints the
//! cases that are answered otherwise.
#![forbid(unsafe_code)]

mod app;
mod cases;
mod http2;

use std::{env, net::ToSocketAddrs, process::ExitCode};

use pixie_web::App;

use crate::cases::CASES;

fn main() -> ExitCode {
    let address = match env::args().nth(1) {
        None => app::start(App::collect()),
        Some(text) => match text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()) {
            Some(address) => address,
            None => {
                eprintln!("usage: conformance-bench [HOST:PORT]; `{text}` is not an address");
                return ExitCode::FAILURE;
            }
        },
    };
    let mut wrong: Vec<String> = CASES.iter().filter_map(|case| case.check(address).err()).collect();
    wrong.extend(http2::CASES.iter().filter_map(|case| case.check(address).err()));
    wrong.iter().for_each(|report| println!("{report}\n"));
    let count = CASES.len() + http2::CASES.len();
    println!("{} of {count} cases are answered as expected", count - wrong.len());
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
