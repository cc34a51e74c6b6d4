//! Times one look-up in a table of 200 routes: the crates `matchit` and `wayfind` alone, and the router of
//! `pixie-core`.
//!
//! Prints nanoseconds (the median of interleaved rounds), the ratio to matchit, and heap allocations per
//! look-up. README.md has the results and the conclusions. Run with `cargo run --release`.

use std::{hint::black_box, time::Instant};

use http::Method;
use pixie_core::{Found, Pattern, Place, Router};

const ROUNDS: usize = 101;
const REPEATS: usize = 50;

type LookUp<'t> = (&'static str, Box<dyn Fn(&str) -> usize + 't>);

fn main() {
    let routes = routes();
    let mut matchit = matchit::Router::new();
    let mut wayfind = wayfind::RouterBuilder::new();
    let mut pixie = Router::new();
    for (number, route) in (1..).zip(&routes) {
        matchit.insert(route.replace('<', "{").replace('>', "}"), number).expect("a legal route");
        wayfind.insert(route, number).expect("a legal route");
        let place = Place { name: "handler", file: file!(), line: line!() };
        let pattern = Pattern::parse(route).expect("a legal route");
        pixie.insert(&pattern, &[Method::GET], number, place).expect("no conflict");
    }
    let wayfind = wayfind.build();
    let look_ups: [LookUp<'_>; 3] = [
        ("matchit", Box::new(|path| matchit.at(path).map_or(0, |found| *found.value + found.params.len()))),
        ("wayfind", Box::new(|path| wayfind.search(path).map_or(0, |found| *found.data() + found.parameters().len()))),
        (
            "pixie",
            Box::new(|path| match pixie.find(&Method::GET, path) {
                Found::Route { value, params } => *value + params.len(),
                _ => 0,
            }),
        ),
    ];
    println!("{:26}{}", "", look_ups.each_ref().map(|(name, _)| format!("{name:>24}")).concat());
    for (name, paths) in cases(&routes) {
        let cells = measure(&look_ups, &paths);
        let ratios = cells.each_ref().map(|(ns, count)| format!("{ns:7.1} ns {:4.2}x {count:4.1} a", ns / cells[0].0));
        println!("{name:26}{}", ratios.map(|cell| format!("{cell:>24}")).concat());
    }
    let post = |path: &str| matches!(pixie.find(&Method::POST, path), Found::MethodNotAllowed { .. }) as usize;
    let cells = measure(&[("pixie", Box::new(post))], &cases(&routes)[0].1);
    println!("{:26}{:7.1} ns", "pixie: 405", cells[0].0);
    let encoded: Vec<String> = (0..40).map(|at| format!("{}/a%20b%2Fc", routes[at * 5])).collect();
    let find = |path: &str| matches!(pixie.find(&Method::GET, path), Found::Route { .. }) as usize;
    let cells = measure(&[("pixie", Box::new(find))], &encoded);
    println!("{:26}{:7.1} ns {:4.1} a", "pixie: encoded", cells[0].0, cells[0].1);
}

/// 40 collections with five routes each.
fn routes() -> Vec<String> {
    let collection = |at: usize| {
        let name = ["users", "orders", "files", "teams", "invoices"][at % 5];
        let base = format!("/api/v1/{name}{at}");
        ["", "/search", "/<id>", "/<id>/items", "/<id>/items/<item>"].map(|rest| format!("{base}{rest}"))
    };
    (0..40).flat_map(collection).collect()
}

fn cases(routes: &[String]) -> [(&'static str, Vec<String>); 7] {
    let under = |rest: &str| (0..40).map(|at| format!("{}{rest}", routes[at * 5])).collect::<Vec<_>>();
    [
        ("literal", under("")),
        ("literal beside a wildcard", under("/search")),
        ("one wildcard", under("/1234567")),
        ("one wildcard, then text", under("/1234567/items")),
        ("two wildcards", under("/1234567/items/abcdef")),
        ("no route, seen late", under("/1234567/nothing")),
        ("no route, seen early", (0..40).map(|at| format!("/wp-admin/{at}.php")).collect()),
    ]
}

/// Returns the median time and the allocations of one look-up for each router.
fn measure<const N: usize>(look_ups: &[LookUp<'_>; N], paths: &[String]) -> [(f64, f64); N] {
    let per_round = (REPEATS * paths.len()) as f64;
    let round = |look_up: &LookUp<'_>| {
        for path in (0..REPEATS).flat_map(|_| paths) {
            black_box(look_up.1(black_box(path)));
        }
    };
    // The first round includes what is built on first use.
    look_ups.iter().for_each(round);
    let allocations = look_ups.each_ref().map(|look_up| allocation_counter::measure(|| round(look_up)).count_total);
    let mut times = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (times, look_up) in times.iter_mut().zip(look_ups) {
            let start = Instant::now();
            round(look_up);
            times.push(start.elapsed().as_nanos() as f64 / per_round);
        }
    }
    let mut allocations = allocations.into_iter();
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        (times[ROUNDS / 2], allocations.next().unwrap_or_default() as f64 / per_round)
    })
}
