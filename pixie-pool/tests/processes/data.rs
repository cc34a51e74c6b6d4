//! Shared data: all workers see them, a replacement is complete for each job, and nothing is left of old
//! ones.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use pixie_pool::{Pool, Sandbox, Share, Shared, share, shared};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Test,
    setup::{ask, config, job, open_descriptors, pool, text, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("all_workers_see_shared_data_and_each_replacement", || Box::pin(all_workers())),
    ("data_are_there_before_the_preparation", || Box::pin(prepared())),
    ("threads_of_a_pool_of_size_0_see_shared_data", || Box::pin(threads())),
    ("each_reader_sees_one_whole_version_while_data_are_replaced", || Box::pin(whole_versions())),
    ("a_job_keeps_the_version_that_it_holds", || Box::pin(held_version())),
    ("a_worker_cannot_change_or_share_data", || Box::pin(no_changes())),
    ("replacements_leave_no_descriptor_and_no_mapping", || Box::pin(no_leak())),
    ("a_worker_that_was_stopped_gets_the_last_version", || Box::pin(stopped_worker())),
    ("a_worker_without_free_descriptors_says_so_instead_of_using_an_old_version", || Box::pin(no_descriptors())),
    ("shared_data_do_not_count_as_memory_of_a_worker", || Box::pin(memory())),
];

/// The version of `prepared` that this process, or its fork server, has found before it served.
static PREPARED: AtomicU64 = AtomicU64::new(0);
static HELD: Mutex<Option<Shared>> = Mutex::new(None);

pub(crate) fn prepare() {
    PREPARED.store(shared("prepared").map_or(0, |data| data.version()), Ordering::Relaxed);
}

/// In a worker: `what name`.
pub(crate) fn look(argument: &str) -> String {
    let (what, name) = argument.split_once(' ').unwrap_or((argument, ""));
    let told = |data: std::io::Result<Shared>| data.map_or_else(|error| error.to_string(), |data| describe(&data));
    match what {
        "of" => told(shared(name)),
        "prepared" => PREPARED.load(Ordering::Relaxed).to_string(),
        "hold" => {
            let data = shared(name).unwrap();
            let told = describe(&data);
            *HELD.lock().unwrap() = Some(data);
            told
        }
        "held" => HELD.lock().unwrap().as_ref().map_or("nothing".to_owned(), describe),
        "release" => {
            *HELD.lock().unwrap() = None;
            "released".to_owned()
        }
        "share" => share(name, Share::bytes("of a worker")).unwrap_err().to_string(),
        "change" => changes(&shared(name).unwrap()),
        "without-descriptors" => {
            let (name, mark) = name.split_once(' ').unwrap();
            let mut mark = File::create(mark).unwrap();
            let _full: Vec<_> = std::iter::from_fn(|| mark.try_clone().ok()).collect();
            mark.write_all(b"full").unwrap();
            loop {
                match shared(name) {
                    Ok(data) if data.version() == 1 => {}
                    other => return told(other),
                }
            }
        }
        _ => panic!("{what}"),
    }
}

/// Returns the version, and the byte that all of the data consist of.
fn describe(data: &Shared) -> String {
    let is_whole = data.iter().all(|byte| Some(byte) == data.first());
    let byte = if is_whole { format!("{:?}", data.first()) } else { "a mixture".to_owned() };
    format!("version {} of {} bytes, {byte}", data.version(), data.len())
}

/// Tries to change the memory of the data, and returns what was possible.
fn changes(data: &Shared) -> String {
    let mut done = Vec::new();
    let memory = File::options().write(true).open("/proc/self/mem");
    let written = memory.and_then(|mut memory| {
        memory.seek(SeekFrom::Start(data.as_ptr() as u64))?;
        memory.write_all(b"x")
    });
    done.extend(written.is_ok().then_some("written through memory"));
    let mappings = mappings(std::process::id(), "");
    let found = mappings.iter().find(|line| line.starts_with(&format!("{:x}-", data.as_ptr() as usize)));
    // A strict sandbox hides the files of mappings, and only root may open them.
    let path = found.map(|line| format!("/proc/self/map_files/{}", line.split_once(' ').unwrap().0));
    if let Some(Ok(mut file)) = path.map(|path| File::options().write(true).open(path)) {
        done.extend(file.write_all(b"x").is_ok().then_some("written through the file"));
        done.extend([0, 1 << 30].iter().any(|length| file.set_len(*length).is_ok()).then_some("its length changed"));
    }
    if done.is_empty() { describe(data) } else { done.join(", ") }
}

/// Returns the lines about mappings of the data with this name, or with any name.
fn mappings(pid: u32, name: &str) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let wanted = format!("/memfd:shared-{name}");
    let is_wanted = |line: &&str| line.contains(&wanted) && (name.is_empty() || line.contains(&format!("{wanted} ")));
    maps.lines().filter(is_wanted).map(str::to_owned).collect()
}

async fn until_mapped(pid: u32, name: &str, count: usize) {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while mappings(pid, name).len() != count {
        tick.tick().await;
    }
}

/// Shares so many bytes of this value.
fn put(name: &str, byte: u8, count: usize) -> Shared {
    share(name, Share::bytes(vec![byte; count])).unwrap()
}

async fn pid(pool: &Pool) -> u32 {
    ask(pool, "pid").await.unwrap().parse().unwrap()
}

async fn all_workers() {
    put("all", 1, 5000);
    for (sandbox, is_fresh) in [
        (Sandbox::none(), false),
        (Sandbox::no_network(), false),
        (Sandbox::strict(), false),
        (Sandbox::strict(), true),
    ] {
        let config = config(2).sandbox(sandbox);
        let pool = pool(if is_fresh { config.fresh().start_method(crate::setup::method()) } else { config }).await;
        for _ in 0..3 {
            let version = shared("all").unwrap().version();
            let described = describe(&shared("all").unwrap());
            assert!(described.starts_with(&format!("version {version} ")));
            assert_eq!(ask(&pool, "data of all").await.unwrap(), described);
            put("all", version as u8, 5000);
        }
        let unknown = ask(&pool, "data of none").await.unwrap();
        assert!(unknown.contains("no shared data `none`, only `all`"), "{unknown}");
        // A new name reaches workers that run already.
        let name = format!("late-{is_fresh}");
        let new = describe(&put(&name, 9, 0));
        assert_eq!(ask(&pool, &format!("data of {name}")).await.unwrap(), new);
        pool.stop(Duration::ZERO).await;
    }
}

async fn prepared() {
    let version = put("prepared", 1, 100).version();
    let pool = pool(config(1)).await;
    assert_eq!(ask(&pool, "data prepared").await.unwrap(), version.to_string());
    let next = describe(&put("prepared", 2, 100));
    assert_eq!(ask(&pool, "data of prepared").await.unwrap(), next);
    pool.stop(Duration::ZERO).await;
}

async fn threads() {
    let pool = pool(config(0)).await;
    for byte in [1, 2] {
        let described = describe(&put("threads", byte, 10));
        assert_eq!(ask(&pool, "data of threads").await.unwrap(), described);
    }
    pool.stop(Duration::ZERO).await;
}

/// Jobs of all workers read while versions follow each other. No job sees a mixture, and each sees at least
/// the version that was complete when it was submitted.
async fn whole_versions() {
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    IS_OVER.store(false, Ordering::SeqCst);
    put("whole", 0, 200_000);
    let pools = [pool(config(2)).await, pool(config(1).name("strict").sandbox(Sandbox::strict())).await];
    let replacing = tokio::task::spawn_blocking(|| {
        for byte in 0_u8..=255 {
            put("whole", byte, 200_000);
        }
        IS_OVER.store(true, Ordering::SeqCst);
    });
    let mut seen = 0;
    while !IS_OVER.load(Ordering::SeqCst) {
        let before = shared("whole").unwrap().version();
        for pool in &pools {
            let told = ask(pool, "data of whole").await.unwrap();
            let version: u64 = told.split(' ').nth(1).unwrap().parse().unwrap();
            assert!(version >= before && told.contains("of 200000 bytes, Some("), "{before}: {told}");
            seen += 1;
        }
    }
    replacing.await.unwrap();
    let last = describe(&shared("whole").unwrap());
    for pool in &pools {
        assert_eq!(ask(pool, "data of whole").await.unwrap(), last);
        pool.stop(Duration::ZERO).await;
    }
    assert!(seen > 2, "{seen}");
}

async fn held_version() {
    let first = describe(&put("held", 1, 5000));
    let pool = pool(config(1)).await;
    let pid = pid(&pool).await;
    assert_eq!(ask(&pool, "data hold held").await.unwrap(), first);
    let second = describe(&put("held", 2, 6000));
    assert_eq!(ask(&pool, "data of held").await.unwrap(), second);
    assert_eq!(ask(&pool, "data held").await.unwrap(), first);
    assert_eq!(mappings(pid, "held").len(), 2);
    ask(&pool, "data release").await.unwrap();
    assert_eq!(mappings(pid, "held").len(), 1);
    pool.stop(Duration::ZERO).await;
}

async fn no_changes() {
    let data = describe(&put("fixed", 7, 5000));
    for sandbox in [Sandbox::none(), Sandbox::strict()] {
        let pool = pool(config(1).sandbox(sandbox)).await;
        assert_eq!(ask(&pool, "data change fixed").await.unwrap(), data);
        let refused = ask(&pool, "data share fixed").await.unwrap();
        assert!(refused.contains("only the main process shares data"), "{refused}");
        pool.stop(Duration::ZERO).await;
    }
    assert_eq!(describe(&shared("fixed").unwrap()), data);
}

async fn no_leak() {
    let pool = pool(config(2)).await;
    put("leak", 1, 5000);
    until(&pool, |s| s.idle == 2).await;
    let own = std::process::id();
    let pids: Vec<u32> = pool.snapshot().workers.iter().filter_map(|worker| worker.pid).chain([own]).collect();
    assert_eq!(pids.len(), 3);
    let descriptors = |pid: &u32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    for pid in &pids {
        until_mapped(*pid, "leak", 1).await;
    }
    let (before, own_before) = (pids.iter().map(descriptors).collect::<Vec<_>>(), open_descriptors());
    let mappings_before: Vec<_> = pids.iter().map(|pid| mappings(*pid, "").len()).collect();
    for byte in 0..1000_u32 {
        put("leak", byte as u8, 5000);
    }
    // No job runs: idle workers let go of old versions, too.
    for pid in &pids {
        until_mapped(*pid, "leak", 1).await;
    }
    assert_eq!(pids.iter().map(|pid| mappings(*pid, "").len()).collect::<Vec<_>>(), mappings_before);
    assert_eq!((pids.iter().map(descriptors).collect(), open_descriptors()), (before, own_before));
    assert_eq!(ask(&pool, "data of leak").await.unwrap(), describe(&shared("leak").unwrap()));
    pool.stop(Duration::ZERO).await;
}

async fn stopped_worker() {
    put("stopped", 1, 100);
    let pool = pool(config(1)).await;
    let pid = Pid::from_raw(pid(&pool).await as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    for byte in 0..100 {
        put("stopped", byte, 100);
    }
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(ask(&pool, "data of stopped").await.unwrap(), describe(&shared("stopped").unwrap()));
    pool.stop(Duration::ZERO).await;
}

async fn no_descriptors() {
    let name = format!("full-{:?}", crate::setup::method());
    put(&name, 1, 100);
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let sandbox = Sandbox::no_network().write(folder.path()).open_files(64);
    let pool = pool(config(1).sandbox(sandbox)).await;
    let asked = job(&format!("data without-descriptors {name} {}", mark.display()));
    let told = tokio::spawn(pool.submit(asked));
    until(&pool, |_| fs::read(&mark).is_ok_and(|text| text == b"full")).await;
    put(&name, 2, 100);
    let told = text(told.await.unwrap().unwrap()).await.unwrap();
    assert!(told.contains("too many files are open"), "{told}");
    // The next version reaches it again.
    let next = describe(&put(&name, 3, 100));
    assert_eq!(ask(&pool, &format!("data of {name}")).await.unwrap(), next);
    pool.stop(Duration::ZERO).await;
}

async fn memory() {
    let data = describe(&put("large", 1, 100 << 20));
    let pool = pool(config(1).memory("64MB").recycle_memory("60MB")).await;
    let pid = pid(&pool).await;
    assert_eq!(ask(&pool, "data of large").await.unwrap(), data);
    // Longer than the interval of the checks.
    assert_eq!(ask(&pool, "sleep 600").await.unwrap(), "600");
    assert_eq!(ask(&pool, "pid").await.unwrap(), pid.to_string());
    put("large", 1, 0);
    pool.stop(Duration::ZERO).await;
}
