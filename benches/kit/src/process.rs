//! Runs another program until it exits, with a time limit.
//!
//! A program started here is killed at the time limit and when the call fails.

use std::{
    env,
    io::Read,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::Result;

/// Pause before checking again.
pub const PAUSE: Duration = Duration::from_millis(5);

/// Returns a command for the cargo that started this program, or for the cargo in `PATH`.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
}

/// Runs `command` and returns its output. Fails if the command fails or takes longer than `limit`.
pub fn run(command: &mut Command, limit: Duration) -> Result<String> {
    let deadline = Instant::now() + limit;
    let program = command.get_program().display().to_string();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = Killed(child.map_err(|error| format!("start {program}: {error}"))?);
    let output = read_output(&mut child.0, deadline);
    let output = output.map_err(|error| format!("read the output of {program}: {error}"))?;
    let status = wait(&mut child.0, deadline);
    let status = status.map_err(|error| format!("wait for {program}: {error}"))?;
    if !status.success() {
        return Err(format!("run {program}: {status}\n{output}").into());
    }
    Ok(output)
}

/// A child process that is killed when this value is dropped.
#[derive(Debug)]
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only for a child that has already been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_output(child: &mut Child, deadline: Instant) -> Result<String> {
    let mut stdout = child.stdout.take().ok_or("its output is not a pipe")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let text = stdout.read_to_string(&mut text).map(|_| text);
        // After the limit, the receiver is gone.
        let _ = sender.send(text);
    });
    let left = deadline.saturating_duration_since(Instant::now());
    Ok(receiver.recv_timeout(left).map_err(|_| "it took too long and was killed")??)
}

fn wait(child: &mut Child, deadline: Instant) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            return Err("it took too long and was killed".into());
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests;
