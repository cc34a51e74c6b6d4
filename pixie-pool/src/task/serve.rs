//! Serving tasks: what a worker does with each job of a pool of tasks.
//!
//! Owns the way from a job to the function and back. Invariant: a job with an unknown task fails; the worker
//! continues.

use std::{io::Read as _, sync::Arc};

use crate::{
    config::OUTPUT_BYTES_MAX,
    error::Failure,
    job::{Handler, Job},
    task::{call::NAME_END, current::Entered, table::Table},
};

/// Returns what runs the tasks of a table.
pub(crate) fn handler(table: &'static Table) -> Handler {
    Arc::new(|mut job| match outcome(table, &mut job) {
        // An error means that the job was canceled, which has ended it.
        Ok(output) => drop(job.reply(b"", &output)),
        Err(message) => job.fail(Failure::error(message)),
    })
}

fn outcome(table: &Table, job: &mut Job) -> Result<Vec<u8>, String> {
    let mut parts = job.head().splitn(2, |byte| *byte == NAME_END);
    let (name, small) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Some(entry) = table.find(name) else {
        return Err(format!("this program has no task `{}`", String::from_utf8_lossy(name)));
    };
    let _entered = Entered::new(job);
    let output = match small {
        [] => {
            let mut arguments = Vec::new();
            job.body().read_to_end(&mut arguments).map_err(|error| format!("its arguments did not arrive: {error}"))?;
            (entry.run)(&arguments)
        }
        _ => (entry.run)(small),
    }?;
    match output.len() <= OUTPUT_BYTES_MAX {
        true => Ok(output),
        false => Err(format!(
            "its output has {} bytes, at most {OUTPUT_BYTES_MAX} are allowed: write it to a file and return the path",
            output.len()
        )),
    }
}
