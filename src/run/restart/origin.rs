//! How this process was started, so that the same program can be started again.
//!
//! Paths keep their symbolic links: a deployment that switches a link `current` to the next release must
//! start that release, not the file that the link meant before.
use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use pixie_pool::__restart::loader_arguments;

/// The program, its arguments and its folder, or why they are unknown.
pub(super) struct Origin(Result<Known, String>);

struct Known {
    program: PathBuf,
    /// What a program loader got before the arguments, if one has started this program.
    to_loader: Vec<OsString>,
    name: OsString,
    arguments: Vec<OsString>,
    folder: PathBuf,
}

impl Origin {
    pub(super) fn of_this_process() -> Origin {
        Origin(Known::read().map_err(|error| format!("cannot find the path of this program: {error}")))
    }

    /// Returns the command that starts the program, with the present environment, and the program's path.
    pub(super) fn command(&self) -> Result<(Command, &Path), String> {
        let Known { program, to_loader, name, arguments, folder } = self.0.as_ref().map_err(String::clone)?;
        let mut command = Command::new(program);
        if to_loader.is_empty() {
            command.arg0(name);
        }
        command.args(to_loader).args(arguments).current_dir(folder);
        Ok((command, program))
    }
}

impl Known {
    fn read() -> std::io::Result<Known> {
        let folder = env::current_dir()?;
        // The shell's name of the folder, which may contain links.
        let named = env::var_os("PWD").map(PathBuf::from).filter(|named| named.is_absolute());
        let folder = named.filter(|named| is_same(named, &folder)).unwrap_or(folder);
        let image = env::current_exe()?;
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_default();
        let program = find(&name, &folder, &image).unwrap_or(image);
        Ok(Known { program, to_loader: loader_arguments(), name, arguments: arguments.collect(), folder })
    }
}

/// Returns the path by which the program was called, if that is the running file.
fn find(name: &OsStr, folder: &Path, image: &Path) -> Option<PathBuf> {
    let has_folder = Path::new(name).components().count() > 1 || Path::new(name).is_absolute();
    let path = if has_folder { Some(OsString::new()) } else { env::var_os("PATH") };
    // Joined to an absolute path, the folder before it is dropped.
    let mut called = env::split_paths(&path?)
        .map(|place| folder.join(place).join(name).components().collect())
        .collect::<Vec<PathBuf>>()
        .into_iter();
    called.find(|path| is_same(path, image))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    file(one).is_some_and(|one| Some(one) == file(other))
}
