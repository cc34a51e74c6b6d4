//! Jobs in the queue that all workers read: beside slow, crashing, stopped and killed workers, each job is
//! started once, by one of them.

use std::{collections::BTreeMap, fs::File, path::PathBuf, time::Duration};

use pixie_pool::{Error, Pool, Submission};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    Test,
    seeing::exits,
    setup::{config, job, pool, text, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("jobs_beside_a_slow_one_are_answered_while_it_runs_and_run_once", || Box::pin(beside_a_slow_one())),
    ("jobs_beside_a_crash_are_answered_and_run_once", || Box::pin(beside_a_crash())),
    ("jobs_beside_a_stopped_process_are_answered_and_run_once", || Box::pin(beside_a_stopped_one())),
    ("small_jobs_among_crashes_each_get_their_own_answer", || Box::pin(among_crashes())),
    ("a_job_that_a_worker_read_and_did_not_claim_runs_in_another", || Box::pin(read_and_not_claimed())),
    ("no_job_is_lost_and_none_that_started_runs_twice_when_workers_are_killed", || Box::pin(among_kills())),
    ("an_unclaimed_job_whose_submitter_left_is_not_started", || Box::pin(canceled_unclaimed())),
    ("a_worker_runs_exactly_as_many_jobs_as_it_may", || Box::pin(recycled())),
    ("a_job_that_waits_behind_long_ones_is_refused_in_time", || Box::pin(waits_too_long())),
    ("size_0_gives_each_of_many_small_jobs_its_own_answer", || Box::pin(on_threads())),
];

/// The variable with the directory in which a worker notes that it has died before a claim.
const DEATHS: &str = "DEATHS";

/// Makes workers die once for each hundredth job, after they have read it and before they have claimed it.
pub(crate) fn play_role() {
    if std::env::var_os(DEATHS).is_some() {
        pixie_pool::before_claim(|number| {
            let directory = PathBuf::from(std::env::var_os(DEATHS).unwrap());
            if number % 100 == 7 && File::create_new(directory.join(number.to_string())).is_ok() {
                std::process::abort();
            }
        });
    }
}

fn replayable(head: &str) -> Submission {
    job(head).replayable(true)
}

async fn say(pool: &Pool, head: &str) -> Result<String, Error> {
    text(pool.submit(replayable(head)).await?).await
}

/// A pool whose handlers write to a file which jobs they start.
struct Noting {
    pool: Pool,
    directory: TempDir,
}

/// A line of that file: a job and the worker that has started it.
type Notes = BTreeMap<String, Vec<u32>>;

impl Noting {
    async fn start(size: usize) -> Self {
        Noting::start_with(config(size)).await
    }

    async fn start_with(config: pixie_pool::Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("notes"), "").unwrap();
        let notes = directory.path().join("notes");
        let pool = pool(config.env("NOTES", notes)).await;
        Noting { pool, directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn notes(&self) -> Notes {
        let mut notes = Notes::new();
        for line in std::fs::read_to_string(self.file("notes")).unwrap().lines() {
            let (job, pid) = line.rsplit_once(' ').unwrap();
            notes.entry(job.to_owned()).or_default().push(pid.parse().unwrap());
        }
        notes
    }

    /// Submits many small jobs around a special one at once, and returns the special one's future once the
    /// others are answered.
    async fn round(
        &self,
        number: usize,
        special: Submission,
    ) -> tokio::task::JoinHandle<Result<pixie_pool::Reply, Error>> {
        let mut special = Some(special);
        let (mut answers, mut running) = (Vec::new(), None);
        for index in 0..100 {
            let own = format!("{number}-{index}");
            let answer = self.pool.submit(replayable(&format!("note {own}")));
            answers.push((own, tokio::spawn(answer)));
            if index == 40 {
                running = special.take().map(|special| tokio::spawn(self.pool.submit(special)));
            }
        }
        for (own, answer) in answers {
            assert_eq!(text(answer.await.unwrap().unwrap()).await.unwrap(), own);
        }
        running.unwrap()
    }

    /// Checks that a job has run twice only if the first worker exited before it could reply.
    fn check(&self, special: &str) {
        let notes = self.notes();
        let lost: Vec<u32> =
            notes.iter().filter(|(job, _)| job.starts_with(special)).flat_map(|(_, pids)| pids.clone()).collect();
        for (job, pids) in notes.iter().filter(|(job, _)| !job.starts_with(special)) {
            assert!(pids.len() <= 2, "{job}: {pids:?}");
            assert!(pids[1..].is_empty() || lost.contains(&pids[0]), "{job}: {pids:?}, ended were {lost:?}");
        }
    }
}

async fn beside_a_slow_one() {
    let noting = Noting::start(2).await;
    let slow = noting.round(1, replayable("note-and-hold held")).await;
    assert!(!slow.is_finished());
    std::fs::write(noting.file("notes.open"), "").unwrap();
    slow.await.unwrap().unwrap();
    let notes = noting.notes();
    assert_eq!(notes.len(), 101);
    assert!(notes.values().all(|pids| pids.len() == 1), "{notes:?}");
    assert_eq!(noting.pool.snapshot().counts.restarts, 0);
    noting.pool.stop(Duration::ZERO).await;
}

async fn beside_a_crash() {
    let noting = Noting::start(2).await;
    let earlier = exits("test").len();
    for round in 1..=5 {
        let crash = replayable(&format!("note-and-abort crash-{round}"));
        let crash = noting.round(round, crash.request_id("the-crash")).await;
        assert!(matches!(crash.await.unwrap(), Err(Error::Exited(_))));
    }
    let notes = noting.notes();
    assert!(notes.iter().all(|(job, pids)| !job.starts_with("crash") || pids.len() == 2), "{notes:?}");
    noting.check("crash");
    noting.pool.stop(Duration::ZERO).await;
    let told = exits("test").split_off(earlier);
    assert!(!told.is_empty() && told.iter().all(|exit| exit["request"] == "the-crash"), "{told:?}");
}

async fn beside_a_stopped_one() {
    let noting = Noting::start(2).await;
    let stop = replayable("note-and-stop stopped");
    let stopped = noting.round(1, stop.deadline(Duration::from_secs(2))).await;
    assert!(matches!(stopped.await.unwrap(), Err(Error::Deadline)));
    noting.check("stopped");
    noting.pool.stop(Duration::ZERO).await;
}

async fn read_and_not_claimed() {
    let deaths = tempfile::tempdir().unwrap();
    let noting = Noting::start_with(config(2).env(DEATHS, deaths.path())).await;
    let answers: Vec<_> = (0..1000)
        .map(|n| {
            // Half of the jobs may run only once, and these must run as well.
            let job = job(&format!("note {n}")).replayable(n % 2 == 0);
            (n, tokio::spawn(noting.pool.submit(job)))
        })
        .collect();
    for (own, answer) in answers {
        assert_eq!(text(answer.await.unwrap().unwrap()).await.unwrap(), own.to_string());
    }
    let (notes, died) = (noting.notes(), std::fs::read_dir(deaths.path()).unwrap().count());
    assert!(notes.len() == 1000 && notes.values().all(|pids| pids.len() == 1), "{notes:?}");
    let counts = noting.pool.snapshot().counts;
    assert_eq!((died, counts.moves, counts.retries), (10, 10, 0));
    noting.pool.stop(Duration::ZERO).await;
}

/// `JOBS` changes how many jobs run.
async fn among_kills() {
    let jobs = std::env::var("JOBS").map_or(5000, |jobs| jobs.parse().unwrap());
    let noting = Noting::start_with(config(2).spares(1).queue_timeout(Duration::from_secs(30))).await;
    let pool = noting.pool.clone();
    let killer = tokio::spawn(async move {
        let mut killed = 0_u64;
        loop {
            // Not at regular times: between 0 and 3 ms after the last one.
            tokio::time::sleep(Duration::from_micros(killed * 7919 % 3000)).await;
            let workers = pool.snapshot().workers;
            // A worker that exits before its first job makes the pool wait before the next start.
            let ready = workers.iter().filter(|worker| worker.jobs > 0);
            let ready: Vec<_> = ready.filter_map(|worker| worker.pid).collect();
            if let Some(pid) = ready.get(killed as usize % ready.len().max(1)) {
                let _ = kill_process(Pid::from_raw(*pid as i32).unwrap(), Signal::KILL);
                killed += 1;
            }
        }
    });
    let tasks = (0..32).map(|task| {
        let pool = noting.pool.clone();
        tokio::spawn(async move {
            let mut lost = Vec::new();
            for own in (task..jobs).step_by(32) {
                let once = job(&format!("note {own}"));
                match pool.submit(once).await {
                    Ok(reply) => assert_eq!(text(reply).await.unwrap(), own.to_string()),
                    Err(Error::Exited(_)) => lost.push(own.to_string()),
                    Err(error) => panic!("{error}"),
                }
            }
            lost
        })
    });
    let mut lost = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        lost.extend(task.await.unwrap());
    }
    killer.abort();
    let notes = noting.notes();
    let twice: Vec<_> = notes.iter().filter(|(_, pids)| pids.len() > 1).collect();
    assert!(twice.is_empty(), "a job that may run once has run twice: {twice:?}");
    let unknown = (0..jobs).map(|n| n.to_string()).filter(|own| !notes.contains_key(own) && !lost.contains(own));
    assert_eq!(unknown.count(), 0, "a job was answered that did not run");
    eprintln!("{jobs} jobs, {} failed with their worker, {:?}", lost.len(), noting.pool.snapshot().counts);
    noting.pool.stop(Duration::ZERO).await;
}

async fn canceled_unclaimed() {
    let noting = Noting::start(1).await;
    let held = tokio::spawn(noting.pool.submit(job("note-and-hold held")));
    until(&noting.pool, |s| s.busy == 1).await;
    let left = tokio::spawn(noting.pool.submit(job("note left")));
    until(&noting.pool, |s| s.queued == 1).await;
    left.abort();
    until(&noting.pool, |s| s.queued == 0).await;
    std::fs::write(noting.file("notes.open"), "").unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(say(&noting.pool, "note next").await.unwrap(), "next");
    assert!(!noting.notes().contains_key("left"));
    assert_eq!(noting.pool.snapshot().counts.restarts, 0);
    noting.pool.stop(Duration::ZERO).await;
}

async fn recycled() {
    for limit in [1, 3] {
        let noting = Noting::start_with(config(2).recycle_after(limit)).await;
        let answers: Vec<_> = (0..60).map(|n| tokio::spawn(noting.pool.submit(job(&format!("note {n}"))))).collect();
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        let mut jobs = BTreeMap::<u32, usize>::new();
        noting.notes().values().flatten().for_each(|pid| *jobs.entry(*pid).or_default() += 1);
        assert!(jobs.values().all(|count| *count <= limit), "{jobs:?}");
        noting.pool.stop(Duration::ZERO).await;
    }
}

async fn waits_too_long() {
    let noting = Noting::start_with(config(1).queue_timeout(Duration::from_millis(100))).await;
    let held = tokio::spawn(noting.pool.submit(job("note-and-hold held")));
    until(&noting.pool, |s| s.busy == 1).await;
    let refused = noting.pool.submit(job("note late")).await;
    assert!(matches!(refused, Err(Error::QueueTimeout { .. })));
    std::fs::write(noting.file("notes.open"), "").unwrap();
    held.await.unwrap().unwrap();
    assert!(!noting.notes().contains_key("late"));
    noting.pool.stop(Duration::ZERO).await;
}

async fn among_crashes() {
    let pool = pool(config(2).spares(1).queue_timeout(Duration::from_secs(30)).repeat_crash_refusal(false)).await;
    let tasks = (0..64_usize).map(|task| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for round in 0..100_usize {
                if (task * 31 + round * 17) % 400 == 0 {
                    assert!(matches!(say(&pool, "segv").await, Err(Error::Exited(_))));
                }
                let own = format!("{task}-{round}");
                assert_eq!(say(&pool, &format!("say {own}")).await.unwrap(), own);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    pool.stop(Duration::from_secs(1)).await;
}

async fn on_threads() {
    let pool = pool(config(0).threads(2)).await;
    let answers: Vec<_> = (0..500).map(|n| (n, tokio::spawn(pool.submit(replayable(&format!("say {n}")))))).collect();
    for (own, answer) in answers {
        assert_eq!(text(answer.await.unwrap().unwrap()).await.unwrap(), own.to_string());
    }
    pool.stop(Duration::ZERO).await;
}
