//! Watches the project's files and reports those whose contents have changed.
//!
//! Events are collected until there is a pause, and contents are compared, so a file that was written with
//! the same contents is not a change. `sources.rs` decides which action a change needs.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use notify::{
    Config, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};

use crate::{
    dev::{
        event::{Change, Event},
        sources::Sources,
    },
    error::Error,
    project::Project,
};

/// A burst of events ends after a pause of this length, because editors write a file in several steps. Short,
/// because it delays every build; if a build begins too early, the next event stops it.
const PAUSE: Duration = Duration::from_millis(10);
/// Limits a burst, so that a file that is written all the time does not delay the builds.
const BURST_LONGEST: Duration = Duration::from_millis(500);
/// Larger files, in bytes, are compared by length and time, because reading them takes too long.
const HASHED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Limits how deep folders are searched, because links can form circles.
const DEPTH_MAX: usize = 32;

/// The watch; it ends when the value is dropped.
pub(crate) struct Watch {
    watcher: Box<dyn Watcher + Send>,
    watched: HashSet<PathBuf>,
    /// The watched folders that include all their content.
    deep: Vec<PathBuf>,
    sources: Arc<Mutex<Sources>>,
    burst: Sender<Vec<PathBuf>>,
}

impl Watch {
    /// Starts to watch; with `poll` by reading the files at that interval, for file systems that report no
    /// changes.
    pub(crate) fn start(sources: Sources, poll: Option<Duration>, events: Sender<Event>) -> Result<Watch, Error> {
        let (sender, burst) = channel();
        let sources = Arc::new(Mutex::new(sources));
        let (heard, folders, session) = (sender.clone(), sources.clone(), events.clone());
        let handler = move |found: notify::Result<notify::Event>| {
            let Some(event) = found.ok().filter(|event| matters(event.kind)) else { return };
            if comes_or_goes(event.kind) {
                let folders = folders.lock().unwrap_or_else(PoisonError::into_inner);
                let ours = event.paths.iter().filter(|path| folders.is_folder(path));
                // It fails if the session has ended, as below.
                ours.for_each(|folder| drop(session.send(Event::Folder(folder.clone()))));
            }
            let _ = heard.send(event.paths);
        };
        let watcher: notify::Result<Box<dyn Watcher + Send>> = match poll {
            Some(pause) => {
                let config = Config::default().with_poll_interval(pause).with_compare_contents(true);
                PollWatcher::new(handler, config).map(|watcher| Box::new(watcher) as _)
            }
            None => RecommendedWatcher::new(handler, Config::default()).map(|watcher| Box::new(watcher) as _),
        };
        let mut watch = Watch {
            watcher: watcher.map_err(refused)?,
            watched: HashSet::new(),
            deep: Vec::new(),
            sources: sources.clone(),
            burst: sender,
        };
        watch.extend()?;
        let mut seen = Seen::default();
        seen.look_around(&watch.lock());
        thread::spawn(move || gather(&burst, &sources, seen, &events));
        Ok(watch)
    }

    /// Also watches the files that the last build read.
    pub(crate) fn note_inputs(&mut self, program: &Path) -> Result<(), Error> {
        self.lock().note_inputs(program);
        self.extend()
    }

    /// Watches a folder that was created, perhaps again. The system does not watch a name: it drops the watch
    /// of a folder that is removed.
    pub(crate) fn again(&mut self, folder: PathBuf) -> Result<(), Error> {
        if self.watched.remove(&folder) {
            self.deep.retain(|deep| *deep != folder);
            // It fails if the system has dropped the watch already.
            let _ = self.watcher.unwatch(&folder);
        }
        self.extend()?;
        // Compares files that were written before the folder was watched.
        let _ = self.burst.send(vec![folder]);
        Ok(())
    }

    /// Watches the packages that the project has now.
    pub(crate) fn renew(&mut self, project: &Project) -> Result<(), Error> {
        self.lock().renew(project);
        self.extend()
    }

    /// Watches folders that are not watched yet.
    fn extend(&mut self) -> Result<(), Error> {
        let (deep, flat) = {
            let sources = self.lock();
            (sources.deep(), sources.flat())
        };
        deep.iter().try_for_each(|folder| self.add(folder, RecursiveMode::Recursive))?;
        flat.iter().try_for_each(|folder| self.add(folder, RecursiveMode::NonRecursive))
    }

    fn add(&mut self, folder: &Path, mode: RecursiveMode) -> Result<(), Error> {
        let is_inside = |deep: &PathBuf| folder.starts_with(deep);
        if self.watched.contains(folder) || self.deep.iter().any(is_inside) || !folder.is_dir() {
            return Ok(());
        }
        self.watcher.watch(folder, mode).map_err(refused)?;
        self.watched.insert(folder.to_path_buf());
        if mode == RecursiveMode::Recursive {
            self.deep.push(folder.to_path_buf());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether an event may be a change: opening and reading a file are not.
fn matters(kind: EventKind) -> bool {
    !kind.is_access() || kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}

fn comes_or_goes(kind: EventKind) -> bool {
    matches!(kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
}

fn refused(error: notify::Error) -> Error {
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => Error::new("could not watch the project's files: the limit is reached")
            .help("raise the limit: sudo sysctl fs.inotify.max_user_watches=524288 (or add --poll)"),
        _ => Error::new(format_args!("could not watch the project's files: {error}")).help("add --poll"),
    }
}

/// Collects bursts of events and reports the changes, until the watch ends.
fn gather(paths: &Receiver<Vec<PathBuf>>, sources: &Mutex<Sources>, mut seen: Seen, events: &Sender<Event>) {
    while let Ok(first) = paths.recv() {
        let mut burst: BTreeSet<_> = first.into_iter().collect();
        let end = Instant::now() + BURST_LONGEST;
        while Instant::now() < end {
            match paths.recv_timeout(PAUSE) {
                Ok(more) => burst.extend(more),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let sources = sources.lock().unwrap_or_else(PoisonError::into_inner);
        let changes: BTreeSet<_> = burst.iter().flat_map(|path| seen.update(&sources, path, DEPTH_MAX)).collect();
        drop(sources);
        if !changes.is_empty() && events.send(Event::Changed(changes.into_iter().rev().collect())).is_err() {
            return;
        }
    }
}

/// The last known contents of every file, as hashes.
#[derive(Default)]
struct Seen(HashMap<PathBuf, u64>);

impl Seen {
    /// Stores the contents of all files at the start.
    fn look_around(&mut self, sources: &Sources) {
        for (folders, depth) in [(sources.deep(), DEPTH_MAX), (sources.flat(), 1)] {
            folders.iter().for_each(|folder| drop(self.update(sources, folder, depth)));
        }
    }

    /// Compares a file, or all files in a folder, and returns the changes.
    fn update(&mut self, sources: &Sources, path: &Path, depth: usize) -> Vec<Change> {
        if path.is_dir() {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            let deep = sources.deep();
            let is_source = |found: &PathBuf| {
                found.is_file() || deep.iter().any(|folder| found.starts_with(folder) || folder.starts_with(found))
            };
            let inside: Vec<_> = entries.map(|entry| entry.path()).filter(is_source).collect();
            let rest = depth.saturating_sub(1);
            return inside.iter().filter(|_| depth > 0).flat_map(|path| self.update(sources, path, rest)).collect();
        }
        match fingerprint(path) {
            None => self.gone(sources, path),
            Some(now) => {
                let Some(action) = sources.action(path) else { return Vec::new() };
                let before = self.0.insert(path.to_path_buf(), now);
                if before == Some(now) { Vec::new() } else { vec![Change { action, path: path.to_path_buf() }] }
            }
        }
    }

    /// Removes a file, or all files of a folder, and returns the changes.
    fn gone(&mut self, sources: &Sources, path: &Path) -> Vec<Change> {
        let gone: Vec<_> = self.0.keys().filter(|known| known.starts_with(path)).cloned().collect();
        self.0.retain(|known, _| !known.starts_with(path));
        gone.into_iter().filter_map(|path| sources.action(&path).map(|action| Change { action, path })).collect()
    }
}

fn fingerprint(path: &Path) -> Option<u64> {
    let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut hasher = DefaultHasher::new();
    match found.len() <= HASHED_BYTES_MAX {
        true => fs::read(path).ok()?.hash(&mut hasher),
        false => (found.len(), found.modified().ok()).hash(&mut hasher),
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::PathBuf,
        sync::{Arc, Mutex, mpsc::channel},
        time::Duration,
    };

    use super::{Event, Seen, Sources, gather};

    #[test]
    fn a_burst_is_one_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let files: Vec<PathBuf> = ["a.rs", "b.rs", "c.rs"].map(|name| folder.path().join(name)).to_vec();
        let sources = Arc::new(Mutex::new(Sources::of(folder.path())));
        let (sender, burst) = channel();
        for file in &files {
            fs::write(file, "text").expect("a file");
            // Written and closed: two events for each file.
            (0..2).for_each(|_| sender.send(vec![file.clone()]).expect("it is open"));
        }
        let (events, told) = channel();
        let gathering = std::thread::spawn(move || gather(&burst, &sources, Seen::default(), &events));
        let Ok(Event::Changed(changes)) = told.recv_timeout(Duration::from_secs(60)) else { panic!("no change") };
        assert_eq!(changes.iter().map(|change| change.path.clone()).rev().collect::<Vec<_>>(), files);
        // The same contents again are not a change.
        sender.send(files).expect("it is open");
        drop(sender);
        gathering.join().expect("no panic");
        assert!(told.try_recv().is_err());
    }
}
