//! Asks a built app for its routes: with `PIXIE_DUMP` the app prints them and ends, before it opens a port or
//! starts a worker.
//!
//! Invariant: only programs that depend on pixie-web are asked, because any other program would simply run.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{env_files::EnvFiles, error::Error};

/// Limits how long a program may take to answer. Long, because code in `main` before `App::run` runs too.
const PATIENCE: Duration = Duration::from_secs(30);

/// The answer of a program.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Told {
    pub(crate) routes: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allow: Option<String>,
}

/// One route.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) methods: Vec<String>,
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) pool: Option<String>,
    pub(crate) handler: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Told {
    /// Asks a program a question: `routes`, or `match GET /path` for the route that answers that request.
    pub(crate) fn by(program: &Path, folder: &Path, question: &str) -> Result<Told, Error> {
        let mut command = Command::new(program);
        EnvFiles::read(folder)?.give(&mut command);
        command.env("PIXIE_DUMP", question).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let started = command.spawn().map_err(|error| Error::io("start the program", program, &error))?;
        let (text, end) = listen(started);
        // The answer is the last JSON line, because `main` may print lines before it runs the app.
        let told = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        told.ok_or_else(|| end.explain(&program.file_name().unwrap_or_default().to_string_lossy()))
    }

    /// Returns the number of routes of each kind.
    pub(crate) fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        self.routes.iter().for_each(|row| *kinds.entry(row.kind.clone()).or_default() += 1);
        kinds
    }

    /// Returns the names of the pools that routes run in.
    pub(crate) fn pools(&self) -> BTreeSet<String> {
        self.routes.iter().filter_map(|row| row.pool.clone()).collect()
    }
}

/// How a program ended.
enum End {
    Success,
    /// The exit status; the program has printed the reason on stderr.
    Failure(String),
    Late,
}

impl End {
    /// Returns the error of a program that gave no answer.
    fn explain(self, name: &str) -> Error {
        match self {
            End::Success => Error::new(format_args!("`{name}` did not report its routes"))
                .help("call `pixie_web::run()` or `App::run` in its `main`"),
            End::Failure(how) => Error::new(format_args!("`{name}` failed before it reported its routes ({how})"))
                .help("fix the error above; if the app needs variables, set them in .env"),
            End::Late => Error::new(format_args!("`{name}` did not report its routes within {PATIENCE:?}"))
                .help("the code in `main` before `App::run` must end"),
        }
    }
}

/// Reads the output of a program until it ends, or kills it after `PATIENCE`.
fn listen(mut program: Child) -> (String, End) {
    let pipe = program.stdout.take();
    let (sender, said) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // After an error, the bytes read so far may contain the answer.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    let said = said.recv_timeout(PATIENCE);
    let is_late = said.is_err();
    if is_late {
        let _ = program.kill();
    }
    let end = match program.wait() {
        _ if is_late => End::Late,
        Ok(status) if status.success() => End::Success,
        Ok(status) => End::Failure(status.to_string()),
        Err(error) => End::Failure(error.to_string()),
    };
    (said.unwrap_or_default(), end)
}
