//! A file that outlives the processes that use it: killed at random moments, two at a time, and on a full disk.
//!
//! This program is its own child: with the path of a file as its argument it writes to it and prints what was
//! acknowledged. Invariant: every wait has a limit.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use pixie_store::{Error, Store};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Threads of a child that write.
const WRITERS: u64 = 4;

/// Longest time that a test waits for something to happen.
const LONG: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", path, name] => write_until_killed(path, name),
        ["fill", path] => fill_the_disk(path),
        _ => {}
    }
    let tests: [(&str, fn()); 3] = [
        ("what_a_killed_process_has_acknowledged_is_in_the_file", || rounds(20, one_is_killed)),
        ("a_process_continues_when_another_one_of_the_same_file_is_killed", || rounds(10, one_of_two_is_killed)),
        ("a_full_disk_is_an_error_and_the_store_works_again_afterwards", a_full_disk),
    ];
    if arguments.iter().any(|argument| argument == "--list") {
        return tests.iter().for_each(|(name, _)| println!("{name}: test"));
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).cloned().unwrap_or_default();
    for (name, test) in tests.iter().filter(|(name, _)| name.contains(&filter)) {
        let start = Instant::now();
        print!("test {name} ... ");
        test();
        println!("ok, {:.1?}", start.elapsed());
    }
}

/// Puts a value and adds to a counter, then prints the name of the value.
fn write_until_killed(path: &str, name: &str) {
    let store = Store::open(&format!("redb:{path}")).unwrap();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for number in 0_u64.. {
                    let key = format!("{name}/{writer}/{number}");
                    store.put(&key, &number).wait().unwrap();
                    store.add("sum", 1).wait().unwrap();
                    println!("{key}");
                }
            });
        }
    });
}

struct Writer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Writer {
    fn start(path: &str, name: &str) -> Writer {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(["write", path, name]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Writer { child, lines }
    }

    fn next(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// Kills the child, and returns the rest of what it had acknowledged.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.map_while(Result::ok).collect()
    }
}

struct Expected {
    acknowledged: BTreeMap<String, u64>,
    killed: u64,
    random: u64,
}

impl Expected {
    fn note(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            // A killed child may leave a part of a line.
            if let Some(Ok(number)) = line.rsplit('/').next().map(str::parse)
                && line.matches('/').count() == 3
            {
                self.acknowledged.insert(line, number);
            }
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.random >> 33) % below
    }

    fn check(&self, path: &str) {
        let store = Store::open(&format!("redb:{path}")).unwrap();
        for (key, number) in &self.acknowledged {
            assert_eq!(store.get(key).wait(), Ok(Some(*number)), "{key}");
        }
        let sum = store.get::<u64>("sum").wait().unwrap().unwrap_or(0);
        let acknowledged = self.acknowledged.len() as u64;
        // Each writer may have added and not printed, or printed a part.
        let possible = acknowledged..=acknowledged + self.killed * WRITERS;
        assert!(possible.contains(&sum), "the sum is {sum}, and not one of {possible:?}");
    }
}

fn rounds(count: u64, round: fn(&str, u64, &mut Expected)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb").display().to_string();
    let random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("(seed {random})");
    let mut expected = Expected { acknowledged: BTreeMap::new(), killed: 0, random };
    for number in 0..count {
        round(&path, number, &mut expected);
        expected.check(&path);
    }
}

fn one_is_killed(path: &str, round: u64, expected: &mut Expected) {
    let mut writer = Writer::start(path, &format!("one/{round}"));
    // Some are killed while they open the file.
    match round % 4 {
        0 => thread::sleep(Duration::from_millis(expected.random(30))),
        _ => {
            let first: Vec<_> = (0..=expected.random(60)).map(|_| writer.next()).collect();
            expected.note(first);
            thread::sleep(Duration::from_micros(expected.random(10_000)));
        }
    }
    expected.note(writer.kill());
    expected.killed += 1;
}

fn one_of_two_is_killed(path: &str, round: u64, expected: &mut Expected) {
    let mut first = Writer::start(path, &format!("first/{round}"));
    let mut second = Writer::start(path, &format!("second/{round}"));
    let lines = expected.random(20) + 1;
    expected.note((0..lines).flat_map(|_| [first.next(), second.next()]).collect::<Vec<_>>());
    thread::sleep(Duration::from_micros(expected.random(10_000)));
    expected.note(first.kill());
    let later: Vec<_> = (0..40).map(|_| second.next()).collect();
    expected.note(later);
    expected.note(second.kill());
    expected.killed += 2;
}

/// Runs as a child: no file may grow above a limit until the limit is raised again.
fn fill_the_disk(path: &str) {
    let store = Store::open(&format!("redb:{path}")).unwrap();
    let value = "x".repeat(10_000);
    let (mut written, mut failed) = (0, 0);
    for number in 0..10_000 {
        match store.put(&number.to_string(), &value).wait() {
            Ok(()) => written += 1,
            Err(Error::Unavailable { .. }) => failed += 1,
            Err(other) => panic!("{other}"),
        }
        // The file has a little room again after each error, because it is opened again.
        if failed == 20 {
            break;
        }
    }
    assert!(written > 10 && failed == 20, "{written} {failed}");

    let limit = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, ..limit }).unwrap();
    store.put("more", &value).wait().unwrap();
    assert_eq!(store.list::<String>("", 10_000).wait().unwrap().len(), written + 1);
    std::process::exit(0);
}

fn a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb").display().to_string();
    let program = std::env::current_exe().unwrap();
    // Ignored signals stay ignored in the child, which sees an error instead.
    let mut child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 4000; exec \"$0\" fill \"$1\""])
        .args([program.as_os_str(), path.as_ref()])
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() && start.elapsed() < LONG {
        thread::sleep(Duration::from_millis(10));
    }
    // Fails if the child has ended.
    let _ = child.kill();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}
