//! The tutorial of the guide and the commands of the README, followed to the letter. Each file of the tutorial is written,
//! each command is run, and each output is compared with the text.
//!
//! - A block with the language of a file is the content of the file that the paragraph before it names last.
//! - A block `diff` changes this file. Its lines must be there, once.
//! - A block `console` has commands after `$ `, and their output. `…` stands for any text, and a line with nothing
//!   else for any lines. Commands without output must succeed.
//! - A block `log` has what the terminal of `pixie dev` shows.
//!
//! The port and the folder of builds are the test's own, and builds are not optimized.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "cli/builds.rs"]
mod builds;
#[path = "tutorial/commands.rs"]
mod commands;
#[path = "cli/environment.rs"]
mod environment;
#[path = "tutorial/text.rs"]
mod text;

use std::{fs, path::Path};

use commands::Reader;
use text::{Block, blocks};

/// The steps, in the order of the table of contents.
const STEPS: [&str; 8] = ["1-new", "2-page", "3-form", "4-database", "5-upload", "6-thumbnail", "7-break", "8-deploy"];

#[test]
fn the_tutorial_works_as_it_is_written() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut reader = Reader::new("tutorial", checkout);
    for step in STEPS {
        let page = fs::read_to_string(checkout.join(format!("src/guide/tutorial/{step}.md"))).unwrap();
        for block in blocks(&page) {
            let place = format!("{step}.md, line {}", block.line);
            follow(&mut reader, &block).unwrap_or_else(|fault| panic!("{place}: {fault}"));
        }
    }
}

/// What other tests or this test itself do: it takes minutes, or would not end.
const ELSEWHERE: [&str; 4] = [
    "cargo test --workspace --all-features",
    "cargo install --locked --path pixie-cli",
    "cargo run --release --example faults",
    "cargo doc --open -p pixie-web --all-features",
];

#[test]
fn the_commands_of_the_readme_work() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(checkout.join("README.md")).unwrap();
    let mut reader = Reader::new("readme", checkout);
    for block in blocks(&readme).into_iter().filter(|block| block.language == "text") {
        for line in block.text.lines() {
            let command = line.split("  ").next().unwrap_or_default().trim();
            if ELSEWHERE.contains(&command) {
                continue;
            }
            let fault = |fault| panic!("README.md, `{command}`: {fault}");
            reader.run(command, "").unwrap_or_else(fault);
            let pages: &[&str] = match command {
                "cargo run --release -p hello" => &["/", "/async"],
                "pixie dev" => &["/"],
                _ => continue,
            };
            for page in pages {
                let asks = format!("curl -sf -o /dev/null -w '%{{http_code}}' localhost:8000{page}");
                reader.run(&asks, "200").unwrap_or_else(fault);
            }
        }
    }
}

fn follow(reader: &mut Reader, block: &Block<'_>) -> Result<(), String> {
    match block.language {
        "console" => block.commands().try_for_each(|(command, output)| reader.run(command, output)),
        "log" => block.text.lines().try_for_each(|line| reader.sees(line)),
        "diff" => {
            let path = reader.file(block.path()?);
            let old = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            reader.write(&path, &block.applied(&old)?);
            Ok(())
        }
        "rust" | "html" | "css" | "toml" => {
            reader.write(&reader.file(block.path()?), block.text);
            Ok(())
        }
        other => Err(format!("nobody knows what to do with a block {other:?}")),
    }
}
