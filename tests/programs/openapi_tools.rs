//! Programs that others wrote, which judge an OpenAPI document: a validator, and schemathesis, which sends requests
//! made from the document and compares the answers with it.
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Requests that schemathesis makes for each operation, beside those that it derives from the schemas. With these
/// numbers a test takes some seconds, and two requests of the same kind differ.
const EXAMPLES: &str = "--max-examples=15";

/// Returns a program of the virtual environment that `.ci/run` makes, or `None` with a message. If `CI` is set,
/// it panics.
fn tool(root: &Path, name: &str) -> Option<PathBuf> {
    let file = root.join("target/openapi/bin").join(name);
    if file.exists() {
        return Some(file);
    }
    let missing = "NOT TESTED: there is no `target/openapi`; `.ci/run` has the two commands that install it";
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("\n*** {missing} ***\n");
    None
}

/// Fails the test unless the validator accepts the document. `root` is the folder of the repository.
pub(crate) fn validate(root: &Path, document: &[u8]) {
    let Some(validator) = tool(root, "openapi-spec-validator") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document).expect("the document can be written");
    judge(Command::new(validator).arg("--errors=all").arg(file));
}

/// Fails the test if an answer of the app on this port is not in its document. `options` come before the command.
pub(crate) fn explore(root: &Path, port: u16, authorization: &str, options: &[&str]) {
    let Some(schemathesis) = tool(root, "schemathesis") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    judge(
        Command::new(schemathesis)
            .args(options)
            .arg("run")
            .arg(format!("http://127.0.0.1:{port}/openapi.json"))
            .arg(format!("--header=Authorization: {authorization}"))
            .args(["--seed=7", EXAMPLES, "--no-color"])
            .env("SCHEMATHESIS_HOOKS", "openapi_hooks")
            .env("PYTHONPATH", root.join("tests/programs"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(folder.path()),
    );
}

fn judge(command: &mut Command) {
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
