//! A built app, asked what it is made of: `PIXIE_DUMP` makes it tell its routes and end, before it takes a port or starts a
//! worker. What it tells cannot be out of date.
//!
//! Only programs that depend on pixie-web may be asked: any other would simply run.

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

/// How long a program may take to tell: what stands in `main` before the app runs is done as well.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a program answers.
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
    /// Asks a program: for its `routes`, or which of them would `match GET /path`.
    pub(crate) fn by(program: &Path, folder: &Path, question: &str) -> Result<Told, Error> {
        let mut command = Command::new(program);
        EnvFiles::read(folder)?.give(&mut command);
        command.env("PIXIE_DUMP", question).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let started = command.spawn().map_err(|error| Error::io("start the program", program, &error))?;
        let (text, end) = listen(started);
        // Whatever `main` prints before it runs the app comes first.
        let told = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        told.ok_or_else(|| end.explain(&program.file_name().unwrap_or_default().to_string_lossy()))
    }

    /// Returns how many routes there are of each kind.
    pub(crate) fn kinds(&self) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        self.routes.iter().for_each(|row| *kinds.entry(row.kind.as_str()).or_default() += 1);
        kinds
    }

    /// Returns the names of the pools that routes run in.
    pub(crate) fn pools(&self) -> BTreeSet<&str> {
        self.routes.iter().filter_map(|row| row.pool.as_deref()).collect()
    }
}

/// How a program that was asked came to its end.
enum End {
    Success,
    /// It has said why on its standard error, which is the terminal's.
    Failure(String),
    Late,
}

impl End {
    /// Says why there is no answer.
    fn explain(self, name: &str) -> Error {
        match self {
            End::Success => Error::new(format_args!("`{name}` told no routes"))
                .help("it has to call `pixie_web::run()` or `App::run`"),
            End::Failure(how) => Error::new(format_args!("`{name}` failed before it told its routes ({how})"))
                .help("mend what it says above; variables that it needs can stand in .env"),
            End::Late => Error::new(format_args!("`{name}` told no routes and still ran after {PATIENCE:?}"))
                .help("whatever `main` does before `App::run` has to end"),
        }
    }
}

/// Reads what a program says until it ends, or ends it when it takes too long.
fn listen(mut program: Child) -> (String, End) {
    let pipe = program.stdout.take();
    let (sender, said) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a broken pipe is an answer too.
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
