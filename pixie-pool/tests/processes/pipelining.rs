//! Pipelined jobs: behind a slow, crashing or stopped job, other workers run them, and once.
//!
//! Whether a job is pipelined depends on the time that others take, so each test repeats until some jobs were
//! pipelined, and checks what must be true in both cases.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use pixie_pool::{Error, Pool, Submission};
use tempfile::TempDir;

use crate::{
    Test,
    seeing::exits,
    setup::{config, job, pool, text, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("jobs_behind_a_slow_one_are_answered_while_it_runs_and_run_once", || Box::pin(behind_a_slow_one())),
    ("jobs_behind_a_crash_are_answered_and_run_once", || Box::pin(behind_a_crash())),
    ("jobs_behind_a_stopped_process_are_answered_and_run_once", || Box::pin(behind_a_stopped_one())),
    ("without_pipelining_jobs_beside_crashes_are_answered_and_run_once", || Box::pin(without_pipelining())),
    ("no_job_is_pipelined_behind_jobs_that_take_long", || Box::pin(one_at_a_time())),
    ("small_jobs_among_crashes_each_get_their_own_answer", || Box::pin(among_crashes())),
    ("size_0_gives_each_of_many_small_jobs_its_own_answer", || Box::pin(on_threads())),
];

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

    fn moves(&self) -> u64 {
        self.pool.snapshot().counts.moves
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

async fn behind_a_slow_one() {
    let noting = Noting::start(2).await;
    let mut rounds = 0;
    while noting.moves() == 0 {
        rounds += 1;
        let slow = noting.round(rounds, replayable(&format!("note-and-hold held-{rounds}"))).await;
        assert!(!slow.is_finished());
        std::fs::write(noting.file("notes.open"), "").unwrap();
        slow.await.unwrap().unwrap();
        std::fs::remove_file(noting.file("notes.open")).unwrap();
    }
    let notes = noting.notes();
    assert_eq!(notes.len(), rounds * 101);
    assert!(notes.values().all(|pids| pids.len() == 1), "{notes:?}");
    assert_eq!(noting.pool.snapshot().counts.restarts, 0);
    noting.pool.stop(Duration::ZERO).await;
}

async fn behind_a_crash() {
    let noting = Noting::start(2).await;
    let earlier = exits("test").len();
    let mut rounds = 0;
    while noting.moves() == 0 {
        rounds += 1;
        let crash = replayable(&format!("note-and-abort crash-{rounds}"));
        let crash = crash.request_id("the-crash");
        let crash = noting.round(rounds, crash).await;
        assert!(matches!(crash.await.unwrap(), Err(Error::Exited(_))));
    }
    let notes = noting.notes();
    assert!(notes.iter().all(|(job, pids)| !job.starts_with("crash") || pids.len() == 2), "{notes:?}");
    noting.check("crash");
    noting.pool.stop(Duration::ZERO).await;
    // Also where the replies of other jobs were lost with the worker.
    let told = exits("test").split_off(earlier);
    assert!(!told.is_empty() && told.iter().all(|exit| exit["request"] == "the-crash"), "{told:?}");
}

async fn behind_a_stopped_one() {
    let noting = Noting::start(2).await;
    let mut rounds = 0;
    while noting.moves() == 0 {
        rounds += 1;
        let stop = replayable(&format!("note-and-stop stopped-{rounds}"));
        let stopped = noting.round(rounds, stop.deadline(Duration::from_secs(2))).await;
        // Stuck, if others were pipelined behind it.
        assert!(matches!(stopped.await.unwrap(), Err(Error::Deadline | Error::Stuck)));
    }
    noting.check("stopped");
    noting.pool.stop(Duration::ZERO).await;
}

async fn without_pipelining() {
    let noting = Noting::start_with(config(2).pipelining(false)).await;
    for round in 1..=3 {
        let crash = noting.round(round, replayable(&format!("note-and-abort crash-{round}"))).await;
        assert!(matches!(crash.await.unwrap(), Err(Error::Exited(_))));
    }
    let notes = noting.notes();
    assert_eq!(notes.len(), 3 * 101);
    assert!(notes.iter().all(|(job, pids)| pids.len() == 1 + usize::from(job.starts_with("crash"))), "{notes:?}");
    assert_eq!(noting.moves(), 0);
    noting.pool.stop(Duration::ZERO).await;
}

async fn one_at_a_time() {
    let noting = Noting::start(1).await;
    // From then on, the pool knows that the worker's jobs take long.
    say(&noting.pool, "slow").await.unwrap();
    let held = tokio::spawn(noting.pool.submit(replayable("note-and-hold held")));
    until(&noting.pool, |s| s.busy == 1).await;
    let waiting: Vec<_> = (0..10).map(|n| tokio::spawn(noting.pool.submit(replayable(&format!("note {n}"))))).collect();
    until(&noting.pool, |s| s.queued == 10).await;
    std::fs::write(noting.file("notes.open"), "").unwrap();
    held.await.unwrap().unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(noting.moves(), 0);
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
    assert_eq!(pool.snapshot().counts.moves, 0);
    pool.stop(Duration::ZERO).await;
}
