//! Everything at once: jobs that crash, spin, stream and are canceled; workers that are killed, retired and
//! recycled.
//!
//! Invariant: each job gets its own reply or a matching error, and runs at most as often as it may.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pixie_pool::{Error, Pool, Submission};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Test,
    setup::{config, job, job_with, pool, text},
};

pub(crate) const TESTS: &[Test] =
    &[("whatever_happens_at_the_same_moment_each_job_gets_its_own_answer_or_an_error", || Box::pin(turmoil()))];

const TASKS: usize = 16;
const ROUNDS: usize = 60;
/// More than fits into the frame of a head, so that it is sent in pieces.
const BODY_BYTES: usize = 150_000;

/// A small generator of random numbers, so that tasks differ and a run can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

async fn turmoil() {
    let directory = tempfile::tempdir().unwrap();
    let notes = directory.path().join("notes");
    std::fs::write(&notes, "").unwrap();
    let pool = pool(
        config(0..=3)
            .spares(1)
            .idle_timeout(Duration::from_millis(5))
            .queue_timeout(Duration::from_secs(50))
            .recycle_after(20)
            .recycle_age(Duration::from_millis(100))
            .repeat_crash_refusal(false)
            .breaker(false)
            .env("NOTES", notes.clone()),
    )
    .await;
    let is_over = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn(kill_workers(pool.clone(), Arc::clone(&is_over)));
    let tasks: Vec<_> = (0..TASKS).map(|number| tokio::spawn(take_part(pool.clone(), number))).collect();
    let mut answered = Vec::new();
    for task in tasks {
        answered.extend(task.await.unwrap());
    }
    is_over.store(true, Ordering::Relaxed);
    killer.await.unwrap();
    pool.stop(Duration::from_secs(30)).await;
    check_notes(&notes, &answered);
}

/// Kills a worker from outside from time to time, busy or not.
async fn kill_workers(pool: Pool, is_over: Arc<AtomicBool>) {
    let (mut dice, mut tick) = (Dice(99), tokio::time::interval(Duration::from_millis(7)));
    while !is_over.load(Ordering::Relaxed) {
        tick.tick().await;
        let pids: Vec<_> = pool.snapshot().workers.iter().filter_map(|worker| worker.pid).collect();
        if let Some(pid) = pids.get(dice.roll(pids.len().max(1))) {
            // A worker that has already exited is fine, too.
            let _ = kill_process(Pid::from_raw(*pid as i32).unwrap(), Signal::KILL);
        }
    }
}

/// Submits one job after the other; returns the replied ones of those that write to the file.
async fn take_part(pool: Pool, number: usize) -> Vec<String> {
    let mut dice = Dice(0x9e37_79b9 + number as u64);
    let mut answered = Vec::new();
    for round in 0..ROUNDS {
        let own = format!("{number}-{round}");
        match dice.roll(8) {
            0 | 1 => is_own(&own, say(&pool, job(&format!("say {own}")).replayable(true)).await),
            2 | 3 => {
                let outcome = say(&pool, job(&format!("note {own}"))).await;
                answered.extend(outcome.is_ok().then(|| own.clone()));
                is_own(&own, outcome);
            }
            4 => {
                let body = own.repeat(BODY_BYTES / own.len());
                is_own(&body, say(&pool, job_with("echo", body.clone())).await);
            }
            5 => {
                let spin = job("spin").deadline(Duration::from_millis(10));
                let outcome = say(&pool, spin).await;
                assert!(matches!(outcome, Err(Error::Deadline | Error::Exited(_))), "{outcome:?}");
            }
            6 => {
                let outcome = say(&pool, job("abort")).await;
                assert!(matches!(outcome, Err(Error::Exited(_))), "{outcome:?}");
            }
            _ => give_up(&pool, &own, dice.roll(3) as u64).await,
        }
    }
    answered
}

async fn say(pool: &Pool, submission: Submission) -> Result<String, Error> {
    text(pool.submit(submission).await?).await
}

fn is_own(expected: &str, outcome: Result<String, Error>) {
    match outcome {
        Ok(answer) => assert!(answer == expected, "{} bytes of another answer", answer.len()),
        // Its worker was killed from outside.
        Err(Error::Exited(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Starts a job and drops it, before its reply or in the middle of it.
async fn give_up(pool: &Pool, own: &str, milliseconds: u64) {
    let streaming = say(pool, job("stream 2000000"));
    match tokio::time::timeout(Duration::from_millis(milliseconds), streaming).await {
        Ok(Ok(answer)) => assert!(answer.len() == 2_000_000 && answer.bytes().all(|b| b == b's'), "{own}"),
        Ok(Err(error)) => assert!(matches!(error, Error::Exited(_)), "{own}: {error}"),
        Err(_) => {}
    }
}

/// A job that may not run twice has run once if it was replied to, otherwise at most once.
fn check_notes(notes: &Path, answered: &[String]) {
    let mut runs = BTreeMap::<String, usize>::new();
    for line in std::fs::read_to_string(notes).unwrap().lines() {
        *runs.entry(line.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    assert!(runs.values().all(|count| *count == 1), "{runs:?}");
    assert!(!answered.is_empty() && answered.iter().all(|job| runs.contains_key(job)), "{answered:?}");
}
