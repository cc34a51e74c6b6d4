//! Heavy work, in a worker process with a deadline.

use pixie_web::{Query, get, proc_env, template};
use serde::Deserialize;

/// The field of the form: `?below=1000`.
#[derive(Deserialize)]
struct Range {
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

/// A plain `fn` runs in a worker process. Try the primes below 4000000000: after two seconds the worker is
/// killed and replaced, and the visitor gets an error page. Other requests are not affected.
#[get("/primes", deadline = "2s")]
fn primes(range: Query<Range>) -> PrimesPage {
    PrimesPage {
        below: range.below,
        count: (2..range.below).filter(|number| is_prime(*number)).count(),
        process: proc_env().pid,
    }
}

fn is_prime(number: u32) -> bool {
    (2..)
        .take_while(|divisor| *divisor <= number / divisor)
        .all(|divisor| !number.is_multiple_of(divisor))
}
