//! Compares what a hello-world app costs to build on pixie and on axum: crates, and the time of a clean debug
//! build.
//!
//! The apps are made in a temporary folder and built in turn, each time into an empty target folder. Crates
//! are downloaded before the measurement.
#![forbid(unsafe_code)]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use versus::{Result, case::WITH_PIXIE, process, spread::Spread};

/// Time limit for one step of cargo. Long enough for a slow machine.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// One hello-world app.
struct App {
    name: &'static str,
    dependencies: &'static str,
    main: &'static str,
}

/// Pixie comes first: it is compared with the others.
const APPS: [App; 3] = [
    App {
        name: "pixie",
        dependencies: concat!("pixie-web = { path = '", env!("CARGO_MANIFEST_DIR"), "/../..' }"),
        main: PIXIE_MAIN,
    },
    App {
        name: "axum, the least of tokio",
        dependencies: "axum = '0.8'\n\
            tokio = { version = '1', features = ['macros', 'net', 'rt-multi-thread'] }",
        main: AXUM_MAIN,
    },
    App {
        name: "axum, all of tokio as in its examples",
        dependencies: "axum = '0.8'\ntokio = { version = '1', features = ['full'] }",
        main: AXUM_MAIN,
    },
];

const PIXIE_MAIN: &str = r#"
use pixie_web::{route, run};

#[route("/", sync)]
fn index() -> &'static str {
    "Hello, World!"
}

fn main() -> pixie_web::Result<()> {
    run()
}
"#;

const AXUM_MAIN: &str = r#"
use axum::{Router, routing::get};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new().route("/", get(index));
    let listener = TcpListener::bind("127.0.0.1:8000").await?;
    axum::serve(listener, app).await
}

async fn index() -> &'static str {
    "Hello, World!"
}
"#;

/// The measurements of one app.
struct Cost {
    name: &'static str,
    folder: PathBuf,
    crates: usize,
    seconds: Vec<f64>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let rounds = env::args().nth(1).map_or(Ok(3), |rounds| rounds.parse::<u32>());
    let rounds = rounds.map_err(|_| "read the only argument: it is the number of rounds (3)")?;
    let temporary = tempfile::tempdir()?;
    let apps = APPS.iter().filter(|app| WITH_PIXIE || app.name != "pixie").enumerate();
    let mut costs = apps
        .map(|(number, app)| prepare(app, temporary.path().join(format!("app{number}"))))
        .collect::<Result<Vec<_>>>()?;
    for round in 1..=rounds {
        for cost in &mut costs {
            let seconds = build(&cost.folder)?;
            eprintln!("round {round}: {}: {seconds:.1} s", cost.name);
            cost.seconds.push(seconds);
        }
    }
    print(&costs);
    Ok(())
}

/// Writes `app` to `folder`, downloads its crates and counts them.
fn prepare(app: &App, folder: PathBuf) -> Result<Cost> {
    let App { name, dependencies, main } = app;
    // The empty workspace table keeps cargo from looking for one in the folders above.
    let manifest = format!(
        "[workspace]\n[package]\nname = 'app'\nversion = '0.0.0'\nedition = '2024'\n[dependencies]\n{dependencies}\n"
    );
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/main.rs"), main)?;
    process::run(cargo(&folder).arg("fetch"), LIMIT)?;
    let mut tree = cargo(&folder);
    tree.args(["tree", "--locked", "--edges=normal,build", "--prefix=none", "--format={p}"]);
    let tree = process::run(&mut tree, LIMIT)?;
    // A repeated crate is marked with a star. The app itself is not counted.
    let crates: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    Ok(Cost { name, folder, crates: crates.len() - 1, seconds: Vec::new() })
}

/// Builds the app in `folder` from nothing and returns how many seconds it took.
fn build(folder: &Path) -> Result<f64> {
    let target = folder.join("target");
    let start = Instant::now();
    let mut command = cargo(folder);
    process::run(command.args(["build", "--locked", "--offline"]).env("CARGO_TARGET_DIR", &target), LIMIT)?;
    let seconds = start.elapsed().as_secs_f64();
    fs::remove_dir_all(target)?;
    Ok(seconds)
}

fn cargo(folder: &Path) -> Command {
    let mut command = process::cargo();
    command.current_dir(folder).arg("--quiet");
    command
}

fn print(costs: &[Cost]) {
    let [pixie, others @ ..] = costs else {
        return;
    };
    println!("| app | crates | clean debug build |\n|---|--:|--:|");
    for cost in costs {
        println!("| {} | {} | {} |", cost.name, cost.crates, time(cost));
    }
    println!();
    if !WITH_PIXIE {
        return println!("pixie was not built, so there is nothing to compare");
    }
    for other in others {
        let verdict = if pixie.crates <= other.crates { "met" } else { "missed" };
        println!("- {verdict}: at most as many crates as {}", other.name);
        let ratios = pixie.seconds.iter().zip(&other.seconds).map(|(ours, theirs)| ours / theirs);
        if let Some(Spread { low, median, high }) = Spread::of(ratios) {
            let verdict = if median <= 1.0 { "met" } else { "missed" };
            println!(
                "- {verdict}: at most the time of {}: {median:.2} (rounds from {low:.2} to {high:.2})",
                other.name
            );
        }
    }
}

fn time(cost: &Cost) -> String {
    Spread::of(cost.seconds.iter().copied()).map_or("–".to_owned(), |seconds| format!("{:.1} s", seconds.median))
}
