//! Sandboxes: what each profile forbids and allows, and what happens on systems that lack a part.

use std::{
    net::TcpListener,
    os::unix::{fs::MetadataExt as _, net::UnixListener},
    path::Path,
    time::Duration,
};

use pixie_pool::{Config, Error, Pool, Sandbox, SandboxLevel};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::{
    Test, handler,
    setup::{TABLE_HASH, ask, config, job, pool, refusal, until},
    starts,
};

pub(crate) const TESTS: &[Test] = &[
    ("without_a_sandbox_a_worker_may_do_everything", || Box::pin(nothing_is_forbidden())),
    ("no_network_forbids_sockets_programs_and_other_processes", || Box::pin(no_network())),
    ("strict_forbids_every_file_but_those_allowed", || Box::pin(strict())),
    ("strict_forbids_what_no_network_does", || Box::pin(strict_is_more())),
    ("threads_panics_backtraces_and_random_numbers_work_in_every_sandbox", || Box::pin(life_goes_on())),
    ("a_sandboxed_worker_crashes_with_the_same_report", || Box::pin(same_reports())),
    ("a_sandboxed_job_that_allocates_without_end_crashes_and_the_next_one_is_fine", || Box::pin(memory())),
    ("a_file_that_grows_too_large_fails_its_job_only", || Box::pin(huge_file())),
    ("a_leak_of_descriptors_fails_its_job_only", || Box::pin(descriptors())),
    ("a_sandboxed_worker_with_too_many_threads_is_killed", || Box::pin(too_many_threads())),
    ("a_worker_whose_job_leaves_threads_is_replaced", || Box::pin(left_threads())),
    ("a_worker_may_keep_threads_where_that_is_allowed_or_does_not_matter", || Box::pin(kept_threads())),
    ("the_level_in_force_is_visible", || Box::pin(level())),
    ("an_allowed_path_that_is_removed_later_keeps_no_worker_from_starting", || Box::pin(removed_path())),
    ("a_link_that_a_job_leaves_in_place_of_an_allowed_path_allows_nothing", || Box::pin(planted_link())),
    ("an_allowed_link_allows_what_it_leads_to_when_the_pool_starts", || Box::pin(allowed_links())),
    ("a_sandbox_on_a_process_with_threads_is_refused_with_the_remedy", || Box::pin(threaded_worker())),
    ("in_a_test_harness_the_thread_that_serves_is_sandboxed", || Box::pin(test_harness())),
    ("a_required_sandbox_that_the_kernel_lacks_is_refused_by_name", || Box::pin(old_kernel_required())),
    ("a_best_effort_sandbox_is_as_much_as_the_kernel_has", || Box::pin(old_kernel_best_effort())),
    ("a_worker_that_is_ready_without_a_required_sandbox_is_refused", || Box::pin(careless_worker())),
    ("threads_are_no_place_for_a_required_sandbox", || Box::pin(threads())),
];

const ROLE: &str = "SANDBOX_ROLE";

/// In a worker: starts in the way that the test asks for.
pub(crate) fn play_role() {
    match std::env::var(ROLE).unwrap_or_default().as_str() {
        // As a runtime that starts before `main`.
        "threaded" => drop(std::thread::spawn(std::thread::park)),
        "test-harness" => {
            drop(std::thread::spawn(std::thread::park));
            let worker = pixie_pool::worker().expect("this is a worker");
            worker.in_a_test().serve(TABLE_HASH, handler::handler());
        }
        "without-landlock" => lose(libc::SYS_landlock_create_ruleset),
        "without-seccomp" => lose(libc::SYS_seccomp),
        _ => {}
    }
}

/// Makes a system call fail from now on, as on a kernel that does not have it.
fn lose(call: libc::c_long) {
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new([(call, vec![])].into(), SeccompAction::Allow, missing, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

fn playing(role: &str, sandbox: Sandbox) -> Config {
    config(1).env(ROLE, role).sandbox(sandbox)
}

async fn sandboxed(sandbox: Sandbox) -> Pool {
    pool(config(1).sandbox(sandbox)).await
}

/// Tries each action, and checks that the worker still runs.
async fn check(pool: &Pool, deeds: &[(String, &str)]) {
    let pid = ask(pool, "pid").await.unwrap();
    for (deed, expected) in deeds {
        assert_eq!(ask(pool, deed).await.unwrap(), *expected, "{deed}");
        assert_eq!(ask(pool, "pid").await.unwrap(), pid, "after {deed}");
    }
}

const DONE: &str = "done";
const REFUSED: &str = "PermissionDenied";

/// What a handler may try to reach: a directory with a file, and listening sockets.
struct Neighbourhood {
    directory: tempfile::TempDir,
    listener: TcpListener,
    _local: UnixListener,
}

impl Neighbourhood {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "somebody's").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = UnixListener::bind(directory.path().join("socket")).unwrap();
        Neighbourhood { directory, listener, _local: local }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Returns actions on other processes and the system.
    fn reaching(&self) -> Vec<String> {
        let own = std::process::id();
        vec![
            format!("connect {}", self.listener.local_addr().unwrap()),
            format!("connect-local {}", self.path("socket")),
            "listen".to_owned(),
            "datagram".to_owned(),
            "datagram-pair".to_owned(),
            "execute".to_owned(),
            "fork".to_owned(),
            "processes 50".to_owned(),
            format!("signal {own}"),
            format!("environment-of {own}"),
            format!("open-to-write /proc/{own}/oom_score_adj"),
            "raise-limit".to_owned(),
        ]
    }

    /// Returns actions on files.
    fn touching(&self) -> Vec<String> {
        let file = self.path("file");
        vec![
            "read /etc/passwd".to_owned(),
            "list /".to_owned(),
            "memory-file".to_owned(),
            format!("read {file}"),
            format!("append {file}"),
            format!("write {file}"),
            format!("mode {file}"),
            format!("write {}", self.path("new")),
            format!("directory {}", self.path("folder")),
            format!("link {}", self.path("link")),
            format!("rename {}", self.path("new")),
            format!("delete {}", self.path("new.new")),
            format!("move {file} {}", self.path("folder/file")),
        ]
    }
}

/// Actions that are not tried without a sandbox: one ends the worker if it succeeds, and many systems refuse
/// the other to all.
fn beyond_control() -> Vec<String> {
    vec!["become".to_owned(), format!("memory-of {}", std::process::id())]
}

fn each(deeds: Vec<String>, expected: &'static str) -> Vec<(String, &'static str)> {
    deeds.into_iter().map(|deed| (deed, expected)).collect()
}

async fn nothing_is_forbidden() {
    let around = Neighbourhood::new();
    let pool = sandboxed(Sandbox::none()).await;
    check(&pool, &each(around.reaching(), DONE)).await;
    check(&pool, &each(around.touching(), DONE)).await;
    check(&pool, &[("pair".to_owned(), DONE), ("live".to_owned(), DONE)]).await;
    assert_eq!(pool.snapshot().workers[0].sandbox, Some(SandboxLevel::default()));
    pool.stop(Duration::ZERO).await;
}

async fn no_network() {
    let around = Neighbourhood::new();
    let pool = sandboxed(Sandbox::no_network().required()).await;
    check(&pool, &each(around.reaching(), REFUSED)).await;
    check(&pool, &each(beyond_control(), REFUSED)).await;
    check(&pool, &each(around.touching(), DONE)).await;
    // Actions on threads.
    check(&pool, &[("open-to-write /proc/thread-self/comm".to_owned(), DONE)]).await;
    check_powers(&pool);
    pool.stop(Duration::ZERO).await;
}

/// Checks the worker from outside: it cannot gain rights, and has only capabilities over files.
fn check_powers(pool: &Pool) {
    let pid = pool.snapshot().workers[0].pid.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    assert_eq!((line("NoNewPrivs:"), line("Seccomp:")), ("1", "2"));
    for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
        let powers = u64::from_str_radix(line(set), 16).unwrap();
        // CHOWN, DAC_OVERRIDE and FOWNER.
        assert_eq!(powers & !0b1011, 0, "{set} {powers:x}");
    }
}

async fn strict_is_more() {
    let around = Neighbourhood::new();
    let pool = sandboxed(Sandbox::strict().required()).await;
    check(&pool, &each(around.reaching(), REFUSED)).await;
    check(&pool, &each(beyond_control(), REFUSED)).await;
    check(&pool, &each(around.touching()[..10].to_vec(), REFUSED)).await;
    check_powers(&pool);
    pool.stop(Duration::ZERO).await;
}

async fn strict() {
    let around = Neighbourhood::new();
    for name in ["read", "write", "named"] {
        std::fs::create_dir(around.path(name)).unwrap();
        std::fs::write(around.path(name) + "/file", "allowed").unwrap();
    }
    std::fs::write(around.path("single"), "allowed").unwrap();
    let sandbox = Sandbox::strict().read(around.path("read")).write(around.path("write")).read(around.path("single"));
    let sandbox = sandbox.read_unlisted(around.path("named"));
    let pool = sandboxed(sandbox.required()).await;
    let deeds = [
        ("read single", DONE),
        ("append single", REFUSED),
        ("read file", REFUSED),
        ("list .", REFUSED),
        ("list named", REFUSED),
        ("read named/file", DONE),
        ("append named/file", REFUSED),
        ("list read", DONE),
        ("read read/file", DONE),
        ("read read/../file", REFUSED),
        ("append read/file", REFUSED),
        ("delete read/file", REFUSED),
        ("write read/new", REFUSED),
        ("list write", DONE),
        ("read write/file", DONE),
        ("append write/file", DONE),
        ("write write/new", DONE),
        ("rename write/new", DONE),
        ("delete write/new.new", DONE),
        ("directory write/folder", DONE),
        ("move write/file write/folder/file", DONE),
        ("move write/folder/file write/file", DONE),
        // A link may point anywhere, but following it is forbidden.
        ("link write/link", DONE),
        ("read write/link", REFUSED),
        ("mode write/file", REFUSED),
        ("program write/program", DONE),
    ];
    for (deed, expected) in deeds {
        let (verb, names) = deed.split_once(' ').unwrap();
        let paths: Vec<_> = names.split(' ').map(|name| around.path(name)).collect();
        check(&pool, &[(format!("{verb} {}", paths.join(" ")), expected)]).await;
    }
    assert_eq!(std::fs::read_to_string(around.path("write/file")).unwrap(), "allowedmore");
    let mode = Path::new(&around.path("write/program")).metadata().unwrap().mode();
    assert_eq!(mode & 0o4000, 0, "{mode:o}: whoever runs it becomes the user of this process");
    pool.stop(Duration::ZERO).await;
}

async fn life_goes_on() {
    for sandbox in [Sandbox::no_network(), Sandbox::strict()] {
        let pool = sandboxed(sandbox.required()).await;
        check(&pool, &each(vec!["live".to_owned(), "pair".to_owned(), "signal-itself".to_owned()], DONE)).await;
        match ask(&pool, "panic here").await {
            Err(Error::Panicked { message, location }) => {
                assert!(message == "this is here" && location.unwrap().contains("handler.rs"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(ask(&pool, "noise").await.unwrap(), "quiet again");
        assert_eq!(ask(&pool, "elsewhere").await.unwrap(), "from another thread");
        pool.stop(Duration::ZERO).await;
    }
}

async fn same_reports() {
    let pool = sandboxed(Sandbox::strict().required()).await;
    for (deed, signal) in [("segv", 11), ("abort", 6), ("overflow", 6), ("kill", 9)] {
        assert!(matches!(ask(&pool, deed).await, Err(Error::Exited(exit)) if exit.signal == Some(signal)), "{deed}");
    }
    assert!(matches!(ask(&pool, "exit 3").await, Err(Error::Exited(exit)) if exit.code == Some(3)));
    let spin = job("spin").deadline(Duration::from_millis(50));
    assert!(matches!(pool.submit(spin).await, Err(Error::Deadline)));
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn memory() {
    let pool = pool(config(1).memory("256MB").sandbox(Sandbox::strict().required())).await;
    match ask(&pool, "oom").await {
        Err(Error::Exited(exit)) => {
            assert!(exit.signal == Some(6) && exit.stderr.contains("memory allocation"), "{exit:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(&pool, "say alive").await.unwrap(), "alive");
    pool.stop(Duration::ZERO).await;
}

async fn huge_file() {
    let around = Neighbourhood::new();
    let (limit, huge) = (1024 * 1024, around.path("huge"));
    let sandbox = Sandbox::strict().write(around.directory.path()).file_size(limit);
    let pool = sandboxed(sandbox.required()).await;
    check(&pool, &[(format!("file-of {huge} {limit}"), DONE)]).await;
    check(&pool, &[(format!("file-of {huge} {}", 4 * limit), "FileTooLarge")]).await;
    assert_eq!(Path::new(&huge).metadata().unwrap().len(), limit);
    pool.stop(Duration::ZERO).await;
}

async fn descriptors() {
    let pool = sandboxed(Sandbox::strict().open_files(64).required()).await;
    let deed = |count| format!("descriptors {count}");
    // EMFILE has no name in std.
    check(&pool, &[(deed(32), DONE), (deed(100), "Uncategorized"), (deed(32), DONE)]).await;
    pool.stop(Duration::ZERO).await;
}

async fn too_many_threads() {
    let own = config(1).sandbox(Sandbox::strict().required()).deadline(Duration::from_secs(600));
    let pool = pool(own.thread_limit(20)).await;
    let outcome = ask(&pool, "threads-and-spin 40").await;
    assert!(matches!(outcome, Err(Error::Threads)), "{outcome:?}");
    until(&pool, |s| s.counts.kills.get("threads") == Some(&1)).await;
    assert_eq!(ask(&pool, "threads 10").await.unwrap(), "10");
    pool.stop(Duration::ZERO).await;
    let message = refusal(config(1).thread_limit(3)).await;
    assert!(message.contains("`thread_limit` of pool `test` must be at least 4"), "{message}");
}

async fn left_threads() {
    let sandboxed = config(1).sandbox(Sandbox::no_network().required());
    for own in [sandboxed, config(1).cpu_time(Duration::from_secs(60))] {
        let pool = pool(own).await;
        let pid = ask(&pool, "pid").await.unwrap();
        // A worker whose threads end with their jobs is left alone.
        for _ in 0..3 {
            assert_eq!(ask(&pool, "live").await.unwrap(), DONE);
        }
        ask(&pool, "sleep 600").await.unwrap();
        assert_eq!(ask(&pool, "pid").await.unwrap(), pid);
        ask(&pool, "threads 1").await.unwrap();
        until(&pool, |s| s.counts.recycled == 1).await;
        assert_ne!(ask(&pool, "pid").await.unwrap(), pid);
        // Also if the worker is never idle.
        let busy = async { while ask(&pool, "sleep 1").await.is_ok() {} };
        ask(&pool, "threads 1").await.unwrap();
        tokio::select! {
            () = busy => panic!("a job has failed"),
            () = until(&pool, |s| s.counts.recycled == 2) => {}
        }
        pool.stop(Duration::ZERO).await;
    }
}

async fn kept_threads() {
    for own in [config(1), config(1).sandbox(Sandbox::strict().required()).keep_threads(true)] {
        let pool = pool(own).await;
        let pid = ask(&pool, "pid").await.unwrap();
        ask(&pool, "threads 1").await.unwrap();
        // Longer than several checks.
        ask(&pool, "sleep 800").await.unwrap();
        assert_eq!((ask(&pool, "pid").await.unwrap(), pool.snapshot().counts.recycled), (pid, 0));
        pool.stop(Duration::ZERO).await;
    }
}

async fn level() {
    let pool = pool(config(1).spares(1).sandbox(Sandbox::strict())).await;
    until(&pool, |s| s.workers.iter().all(|w| w.sandbox.is_some())).await;
    for worker in pool.snapshot().workers {
        let level = worker.sandbox.unwrap();
        assert!(level.seccomp && level.limits && level.landlock >= 3, "{level}");
    }
    pool.stop(Duration::ZERO).await;
}

async fn removed_path() {
    let around = Neighbourhood::new();
    let (here, gone) = (around.path("here"), around.path("gone"));
    [&here, &gone].into_iter().for_each(|path| std::fs::create_dir(path).unwrap());
    let pool = sandboxed(Sandbox::strict().write(&here).write(&gone).required()).await;
    let (write_here, write_gone) = (format!("write {here}/file"), format!("write {gone}/file"));
    check(&pool, &[(write_here.clone(), DONE), (write_gone.clone(), DONE)]).await;
    std::fs::rename(&gone, around.path("elsewhere")).unwrap();
    assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    std::fs::create_dir(&gone).unwrap();
    check(&pool, &[(write_here, DONE)]).await;
    let pid = ask(&pool, "pid").await.unwrap();
    assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    check(&pool, &[(write_gone, DONE)]).await;
    assert_ne!(ask(&pool, "pid").await.unwrap(), pid);
    pool.stop(Duration::ZERO).await;
}

async fn planted_link() {
    let around = Neighbourhood::new();
    let models = around.path("models");
    std::fs::create_dir(&models).unwrap();
    let pool = sandboxed(Sandbox::strict().write(around.directory.path()).read(&models).required()).await;
    let pid = ask(&pool, "pid").await.unwrap();
    check(&pool, &each(vec![format!("rename {models}"), format!("link {models}")], DONE)).await;
    assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
    // The link points to this file.
    check(&pool, &[("read /etc/passwd".to_owned(), REFUSED), (format!("read {}", around.path("file")), DONE)]).await;
    assert_ne!(ask(&pool, "pid").await.unwrap(), pid);
    pool.stop(Duration::ZERO).await;
}

async fn allowed_links() {
    let around = Neighbourhood::new();
    std::os::unix::fs::symlink(around.path("file"), around.path("link")).unwrap();
    let pool = sandboxed(Sandbox::strict().read(around.path("link")).read("/proc/self/status").required()).await;
    let deeds = [
        (format!("read {}", around.path("link")), DONE),
        (format!("append {}", around.path("link")), REFUSED),
        ("read /proc/self/status".to_owned(), DONE),
        // The worker's own status, not that of the main process.
        (format!("read /proc/{}/status", std::process::id()), REFUSED),
    ];
    check(&pool, &deeds).await;
    pool.stop(Duration::ZERO).await;
}

async fn threaded_worker() {
    for sandbox in [Sandbox::no_network(), Sandbox::strict().required()] {
        let message = refusal(playing("threaded", sandbox)).await;
        assert!(message.contains("already has 2 threads") && message.contains("#[tokio::main]"), "{message}");
    }
    let pool = pool(playing("threaded", Sandbox::none())).await;
    assert_eq!(ask(&pool, "say free").await.unwrap(), "free");
    pool.stop(Duration::ZERO).await;
}

async fn test_harness() {
    let around = Neighbourhood::new();
    let pool = pool(playing("test-harness", Sandbox::strict().required())).await;
    check(&pool, &each(around.reaching(), REFUSED)).await;
    check(&pool, &each(around.touching()[..10].to_vec(), REFUSED)).await;
    check(&pool, &[("live".to_owned(), DONE)]).await;
    pool.stop(Duration::ZERO).await;
}

async fn old_kernel_required() {
    let cases = [
        ("without-landlock", Sandbox::strict(), "lacks protection of files"),
        ("without-landlock", Sandbox::no_network(), "lacks protection of other processes' memory"),
        ("without-seccomp", Sandbox::no_network(), "lacks the system call filter"),
    ];
    for (role, sandbox, expected) in cases {
        let message = refusal(playing(role, sandbox.required())).await;
        assert!(message.contains(expected) && message.contains("leave out Sandbox::required()"), "{message}");
    }
}

async fn old_kernel_best_effort() {
    let around = Neighbourhood::new();
    let without_files = pool(playing("without-landlock", Sandbox::strict())).await;
    check(&without_files, &[("read /etc/passwd".to_owned(), DONE), ("listen".to_owned(), REFUSED)]).await;
    let level = without_files.snapshot().workers[0].sandbox.unwrap();
    assert!(level.seccomp && level.landlock == 0, "{level}");
    without_files.stop(Duration::ZERO).await;

    let without_calls = pool(playing("without-seccomp", Sandbox::strict())).await;
    let connect = format!("connect {}", around.listener.local_addr().unwrap());
    check(&without_calls, &[("read /etc/passwd".to_owned(), REFUSED), (connect, REFUSED)]).await;
    let level = without_calls.snapshot().workers[0].sandbox.unwrap();
    assert!(!level.seccomp && level.landlock >= 3, "{level}");
    without_calls.stop(Duration::ZERO).await;
}

async fn careless_worker() {
    let careless = |sandbox| starts::playing("wrong-stream").sandbox(sandbox);
    let message = refusal(careless(Sandbox::no_network().required())).await;
    assert!(message.contains("a sandbox is required, and the worker runs without the system call filter"), "{message}");
    let pool = pool(careless(Sandbox::no_network())).await;
    assert_eq!(pool.snapshot().workers[0].sandbox, Some(SandboxLevel::default()));
    pool.stop(Duration::ZERO).await;
}

async fn threads() {
    let message = refusal(config(0).sandbox(Sandbox::strict().required())).await;
    assert!(message.contains("give it at least one worker"), "{message}");
    let pool = pool(config(0).sandbox(Sandbox::strict())).await;
    assert_eq!(ask(&pool, "read /etc/passwd").await.unwrap(), DONE);
    let levels: Vec<_> = pool.snapshot().workers.iter().filter_map(|worker| worker.sandbox).collect();
    assert!(!levels.is_empty() && levels.iter().all(|level| *level == SandboxLevel::default()), "{levels:?}");
    pool.stop(Duration::ZERO).await;
}
