//! The options: how many rounds, and which `pixie`.
use std::path::{Path, PathBuf};

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Args {
    /// How often everything is measured.
    pub rounds: usize,
    /// The command that is measured.
    pub pixie: PathBuf,
}

impl Args {
    /// Reads `--rounds N` and `--pixie FILE`; the command is the workspace's release build unless it is
    /// named.
    pub fn parse(mut words: impl Iterator<Item = String>, rounds: usize) -> Result<Args, String> {
        let mut args = Args { rounds, pixie: workspace().join("target/release/pixie") };
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} is no option, or its value is missing"))?;
            match option.as_str() {
                "--rounds" => {
                    args.rounds = value.parse().map_err(|_| format!("--rounds {value}: a number is wanted"))?;
                }
                "--pixie" => args.pixie = std::path::absolute(&value).map_err(|error| format!("{value}: {error}"))?,
                _ => return Err(format!("{option} is no option: there are --rounds N and --pixie FILE")),
            }
        }
        if args.rounds == 0 || !args.pixie.is_file() {
            let name = args.pixie.display();
            return Err(format!("{name} is not there or no round is asked for: cargo build --release -p pixie-cli"));
        }
        Ok(args)
    }
}

/// Returns the folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this package lies two folders deep in it")
}
