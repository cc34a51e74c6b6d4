//! The form, the upload, and the work on the file in a worker process.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, ErrorKind},
};

use pixie_web::{Error, Result, StatusCode, Upload, get, post, template};

/// How many words the page lists.
const FREQUENT: usize = 10;

#[template("index.html")]
struct IndexPage;

#[get("/", sync)]
fn index() -> IndexPage {
    IndexPage
}

#[template("report.html")]
struct ReportPage {
    name: String,
    report: Report,
}

/// A plain `fn` runs in a worker process, here of the pool `files`. The worker gets a large upload as a file.
/// After the deadline the worker is killed and replaced, and the visitor gets an error page.
#[post("/report", pool = "files", deadline = "5s", body_limit = "20MB")]
fn report(file: Upload) -> Result<ReportPage> {
    Ok(ReportPage {
        name: file.file_name().to_owned(),
        report: Report::of(BufReader::new(file.reader()?)).map_err(refused)?,
    })
}

/// Returns the error for the visitor whose file is not text.
fn refused(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidData => Error::new(StatusCode::UNPROCESSABLE_ENTITY)
            .with_detail("The file is not text in UTF-8."),
        _ => error.into(),
    }
}

/// What is found in a file.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    pub lines: usize,
    pub words: usize,
    /// The words that occur most often, with their numbers.
    pub frequent: Vec<(String, usize)>,
}

impl Report {
    /// Examines a text. Put your own work here.
    pub fn of(text: impl BufRead) -> io::Result<Report> {
        let mut report = Report::default();
        let mut counts = HashMap::new();
        for line in text.lines() {
            report.lines += 1;
            for word in line?.split(|letter: char| !letter.is_alphanumeric()) {
                if !word.is_empty() {
                    report.words += 1;
                    *counts.entry(word.to_lowercase()).or_default() += 1;
                }
            }
        }
        report.frequent = counts.into_iter().collect();
        report
            .frequent
            .sort_by(|(one, less), (other, more)| more.cmp(less).then_with(|| one.cmp(other)));
        report.frequent.truncate(FREQUENT);
        Ok(report)
    }
}
