//! Heavy work, in a worker process with a deadline.

use pixie_web::{IntoResponse, Query, Response, StatusCode, get, proc_env, template};
use serde::Deserialize;

/// The largest number that the form takes.
const MAX: u32 = 4_000_000_000;

/// The field of the form: `?below=1000`. A text, so that the page can show again what does not fit.
#[derive(Deserialize)]
struct Range {
    below: Option<String>,
}

#[template("primes.html")]
struct PrimesPage {
    below: String,
    complaint: Option<&'static str>,
    count: usize,
    process: u32,
}

/// A plain `fn` runs in a worker process. Try the primes below 4000000000: after two seconds the worker is
/// killed and replaced, and the visitor gets an error page. Other requests are not affected.
#[get("/primes", deadline = "2s")]
fn primes(range: Query<Range>) -> Response {
    let below = range.0.below.unwrap_or_else(|| "100000".to_owned());
    let number = below.parse().ok().filter(|number| *number <= MAX);
    let page = PrimesPage {
        complaint: number
            .is_none()
            .then_some("Enter a whole number up to 4000000000."),
        count: (2..number.unwrap_or(0))
            .filter(|number| is_prime(*number))
            .count(),
        process: proc_env().pid,
        below,
    };
    match number {
        Some(_) => page.into_response(),
        None => (StatusCode::UNPROCESSABLE_ENTITY, page).into_response(),
    }
}

fn is_prime(number: u32) -> bool {
    (2..)
        .take_while(|divisor| *divisor <= number / divisor)
        .all(|divisor| !number.is_multiple_of(divisor))
}
