//! Asks a built app for its routes, its settings or its deployment: with `PIXIE_DUMP` the app prints them and
//! ends, before it opens a port or starts a worker.
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

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{env_files::EnvFiles, error::Error};

/// Limits how long a program may take to answer. Long, because code in `main` before `App::run` runs too.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Told {
    pub(crate) routes: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allow: Option<String>,
}

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

/// The settings of an app.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Settings {
    pub(crate) settings: serde_json::Value,
    pub(crate) files: Vec<String>,
    /// The same for people.
    #[serde(skip_serializing)]
    pub(crate) text: String,
}

impl Settings {
    /// Asks a program for its settings.
    pub(crate) fn by(program: &Path, folder: &Path) -> Result<Settings, Error> {
        ask(program, folder, "config", "settings")
    }
}

/// The OpenAPI document of an app.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    /// The document as JSON to read. As a text, it keeps its order.
    pub(crate) text: String,
}

impl Document {
    /// Asks a program for its document.
    pub(crate) fn by(program: &Path, folder: &Path) -> Result<Document, Error> {
        ask(program, folder, "openapi text", "OpenAPI document")
    }
}

/// Asks a program a question; `what` names the answer in messages.
pub(crate) fn ask<A: DeserializeOwned>(program: &Path, folder: &Path, question: &str, what: &str) -> Result<A, Error> {
    let mut command = Command::new(program);
    EnvFiles::read(folder)?.give_for_report(&mut command, folder)?;
    command.env("PIXIE_DUMP", question).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut started = command.spawn().map_err(|error| Error::io("start the program", program, &error))?;
    let said = listen(&mut started);
    let status = started.wait();
    let name = program.file_name().unwrap_or_default().display();
    let Some(said) = said else {
        return Err(Error::new(format_args!("`{name}` did not report its {what} within {PATIENCE:?}"))
            .help("the code in `main` before `App::run` must end"));
    };
    // The answer is the last JSON line, because `main` may print lines before it runs the app.
    let told = said.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    told.ok_or_else(|| match status {
        Ok(status) if !status.success() => {
            Error::new(format_args!("`{name}` failed before it reported its {what} ({status})"))
                .help("fix the error above; if the app needs variables, set them in .env")
        }
        _ => Error::new(format_args!("`{name}` did not report its {what}"))
            .help("call `pixie_web::run()` or `App::run` in its `main`"),
    })
}

impl Told {
    /// Asks a program a question: `routes`, or `match GET /path` for the route that answers that request.
    pub(crate) fn by(program: &Path, folder: &Path, question: &str) -> Result<Told, Error> {
        ask(program, folder, question, "routes")
    }

    pub(crate) fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        self.routes.iter().for_each(|row| *kinds.entry(row.kind.clone()).or_default() += 1);
        kinds
    }

    pub(crate) fn pools(&self) -> BTreeSet<String> {
        self.routes.iter().filter_map(|row| row.pool.clone()).collect()
    }
}

/// Reads the output of a program to its end, or kills the program after `PATIENCE` and returns `None`.
fn listen(program: &mut Child) -> Option<String> {
    let pipe = program.stdout.take();
    let (sender, said) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // After an error, the bytes read so far may contain the answer.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    let said = said.recv_timeout(PATIENCE);
    said.inspect_err(|_| drop(program.kill())).ok()
}
