//! The log: events of this program and its workers as lines on standard error, unless the program has a log of its own.
use std::{env, io::IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts the log. `RUST_LOG` chooses what it shows, such as `debug` or `warn,pixie_pool=debug`; default: `info`.
pub(crate) fn start() {
    let wanted = env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // `pixie dev` reads the log along, and says by this variable that it shows it on a terminal.
    let has_colors = std::io::stderr().is_terminal() || env::var("CLICOLOR_FORCE").is_ok_and(|value| value != "0");
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(has_colors);
    // It fails if the program has set up its own, which is then the log.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}
