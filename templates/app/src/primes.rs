//! Work that is too heavy for the server: it runs in a worker process, and its deadline ends it.

use pixie_web::{Query, get, proc_env, template};
use serde::Deserialize;

/// What the form asks for: `?below=1000`.
#[derive(Deserialize)]
struct Wish {
    #[serde(default = "hundred_thousand")]
    below: u32,
}

fn hundred_thousand() -> u32 {
    100_000
}

#[template("primes.html")]
struct PrimesPage {
    below: u32,
    count: usize,
    process: u32,
}

/// A plain `fn` runs in a worker. Ask for the primes below 4000000000: after two seconds the worker is
/// killed and replaced, the visitor gets an error page, and nobody else notices.
#[get("/primes", deadline = "2s")]
fn primes(wish: Query<Wish>) -> PrimesPage {
    PrimesPage {
        below: wish.below,
        count: (2..wish.below).filter(|number| is_prime(*number)).count(),
        process: proc_env().pid,
    }
}

fn is_prime(number: u32) -> bool {
    (2..)
        .take_while(|divisor| *divisor <= number / divisor)
        .all(|divisor| !number.is_multiple_of(divisor))
}
