//! One `pixie dev` for each program: a second one would share its files and its database with the first.
//!
//! The first holds a lock on a file in cargo's target folder, with its process id and its address. The system
//! releases the lock when the process ends, so a lock is never left over.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::PathBuf,
};

use crate::{error::Error, project::Project};

/// The lock of this process; dropped at its end.
pub(crate) struct Only {
    file: File,
}

impl Only {
    /// Takes the lock of a project's program, or refuses with the address of the `pixie dev` that has it.
    pub(crate) fn take(project: &Project) -> Result<Only, Error> {
        let path = path(project);
        let failed = |error| Error::io("lock the project", &path, &error);
        fs::create_dir_all(&project.target).map_err(failed)?;
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Only { file }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let mut said = String::new();
                // Without the text, the message still says what is wrong.
                let _ = file.read_to_string(&mut said);
                let place = said.trim();
                let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
                let error = Error::new(format_args!("`pixie dev` of `{}` already runs{place}", project.program));
                Err(error.help("use that one, or end it first"))
            }
        }
    }

    /// Writes the address for a later `pixie dev`.
    pub(crate) fn tell(&mut self, address: &str) {
        let text = format!("{address} (process {})\n", std::process::id());
        // Without the text, a later message only lacks the address.
        let _ =
            self.file.set_len(0).and_then(|()| self.file.rewind()).and_then(|()| self.file.write_all(text.as_bytes()));
    }
}

fn path(project: &Project) -> PathBuf {
    project.target.join(format!(".pixie-dev-{}-{}", project.package, project.program))
}
